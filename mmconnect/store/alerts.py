"""The alert URL of the settings, as an endpoint: signed, retried, held and shown like any other.

One row that stands for the setting and follows it. Knows nothing of how events are made.
"""

from __future__ import annotations

import sqlite3

from mmconnect.domain.ids import ENDPOINT, Ids
from mmconnect.domain.models import Endpoint, EndpointState, Numbers, Secret
from mmconnect.store import deliveries, endpoints, preferences
from mmconnect.webhook import schedule, signing
from mmconnect.webhook.events import OPERATIONAL

NAME = "Alerts"
CONCURRENCY = 4
"""POSTs in flight at once at the most; events for one endpoint go one after another anyway."""


def find(db: sqlite3.Connection) -> Endpoint | None:
    """The endpoint that stands for the alert URL, or None."""
    return next((e for e in endpoints.known(db) if e.alert), None)


def sync(db: sqlite3.Connection, ids: Ids, now: int) -> str | None:
    """Make, change or remove the endpoint of the alert URL as the settings have it.

    To be called inside the write that changed the setting (`now`: UTC ms). Returns its signing
    secret when the endpoint was made: to be shown this once. Another URL keeps the secret; when
    the alerts are switched off, what still waits is cancelled, and stays visible.
    """
    url, present = preferences.load(db).alert_url, find(db)
    if present is not None and url is None:
        deliveries.cancel_waiting(db, present.id, now)
        endpoints.remove(db, present.id, now)
    elif present is not None and url is not None and present.url != url:
        endpoints.move(db, present.id, url, now)
    elif present is None and url is not None:
        secret = signing.new_secret()
        endpoints.add(db, _endpoint(ids.new(ENDPOINT), url, secret, now))
        return secret
    return None


def _endpoint(endpoint_id: str, url: str, secret: str, now: int) -> Endpoint:
    return Endpoint(
        id=endpoint_id,
        name=NAME,
        url=url,
        state=EndpointState.ACTIVE,
        held_class=None,
        held_reason=None,
        numbers=Numbers.E164,
        events=OPERATIONAL,
        max_age=schedule.DEFAULT_MAX_AGE,
        plain_headers=True,
        concurrency=CONCURRENCY,
        alert=True,
        created_at=now,
        secrets=(Secret(value=secret, created_at=now, expires_at=None),),
    )
