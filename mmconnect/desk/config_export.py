"""The configuration as one readable document: settings, phones, endpoints; no texts, no history.

Without secrets, each place where one was left out is named in `withheld`. Passwords and API keys
are never in it: only their hashes are known. What reads it again is desk/config_import.py.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from mmconnect import __version__
from mmconnect.desk import settings, shown
from mmconnect.domain.clock import iso
from mmconnect.domain.models import Device, Endpoint, EndpointState, Routing
from mmconnect.store import alerts, devices, endpoints, links
from mmconnect.store import settings as kept

FORMAT = 1
WHAT = "configuration"

Document = dict[str, Any]


def document(db: sqlite3.Connection, now: int, *, secrets: bool) -> Document:
    """Everything that somebody has set, as it stands at `now` (UTC ms)."""
    withheld: list[str] = []
    fetched = links.known(db)
    made = {
        "mmconnect": WHAT,
        "format": FORMAT,
        "version": __version__,
        "madeAt": iso(now),
        "secrets": secrets,
        "withheld": withheld,
        "tenantId": kept.value(db, kept.TENANT_ID),
        "settings": _settings(db, withheld, secrets=secrets),
        "devices": [
            _device(db, one, withheld, f"devices.{n}", secrets=secrets)
            | ({} if one.id not in fetched else {"fetchedFrom": fetched[one.id].url})
            for n, one in enumerate(devices.known(db))
        ],
        "endpoints": [
            _endpoint(one, withheld, f"endpoints.{n}", secrets=secrets)
            for n, one in enumerate(one for one in endpoints.known(db) if not one.alert)
        ],
    }
    if (alert := alerts.find(db)) is not None:
        if secrets:
            made["alertSecret"] = alert.secrets[0].value
        else:
            withheld.append("alertSecret")
    webhook = kept.value(db, kept.WEBHOOK)
    if webhook is not None and endpoints.get(db, webhook) is not None:
        made["webhook"] = webhook
    return made


def _settings(db: sqlite3.Connection, withheld: list[str], *, secrets: bool) -> Document:
    """Those that are set; the rest have their defaults wherever this is read."""
    found: Document = {}
    for name, known in settings.KNOWN.items():
        if kept.value(db, name) is None:
            continue
        value = settings.value(db, name)
        if name == settings.ALERT_URL and value and not secrets and is_secret(value):
            withheld.append(f"settings.{known.camel}")
            continue
        found[known.camel] = settings.as_json(name, value, masked=False)
    return found


def _device(
    db: sqlite3.Connection, one: Device, withheld: list[str], path: str, *, secrets: bool
) -> Document:
    made: Document = {
        "id": one.id,
        "name": one.name,
        "app": one.app,
        "country": one.country,
        "mapping": one.mapping,
        "dedupeWindow": one.dedupe_window,
        "silentAfter": one.silent_after,
    }
    if secrets:
        return made | {
            "signingKey": one.signing_key,
            "token": devices.current_token(db, one.id),
        }
    withheld += [f"{path}.signingKey"] * (one.signing_key is not None) + [f"{path}.token"]
    return made


def _endpoint(one: Endpoint, withheld: list[str], path: str, *, secrets: bool) -> Document:
    open_url = secrets or not is_secret(one.url)
    made: Document = {
        "id": one.id,
        "name": one.name,
        "url": one.url if open_url else shown.without_secrets(one.url),
        "paused": one.state is EndpointState.PAUSED,
        "numbers": one.numbers.value,
        "events": sorted(one.events),
        "maxAge": one.max_age,
        "schedule": None if one.schedule is None else list(one.schedule),
        "concurrency": one.concurrency,
        "strictOrder": one.strict_order,
        "plainHeaders": one.plain_headers,
        "plainHttp": one.plain_http,
        "headers": {name: value if secrets else None for name, value in one.headers},
        "routing": routing(one.routing),
        "ca": one.ca,
    }
    if secrets:
        return made | {"secret": one.secrets[0].value}
    withheld += [f"{path}.url"] * (not open_url)
    withheld += [f"{path}.headers.{name}" for name, _ in one.headers] + [f"{path}.secret"]
    return made


def routing(value: Routing) -> Document:
    """Which messages an endpoint wants, without the id that the rule has here."""
    made = {
        "devices": sorted(value.devices),
        "sims": sorted(value.sims),
        "senders": [{"match": c.match.value, "value": c.value} for c in value.senders],
        "texts": [{"match": c.match.value, "value": c.value} for c in value.texts],
    }
    return {name: several for name, several in made.items() if several}


def is_secret(url: str) -> bool:
    """Whether a URL has a part that may be secret: a name and password, or a query."""
    return shown.without_secrets(url) != url
