"""Puts a configuration document (desk/config_export.py) into force: all of it, or nothing.

What has the same id here, or else the same name, is changed; the rest is added; what the document
does not name stays. A second time changes nothing. A secret that was left out stays as it is here,
and is made where something is added. To be called inside a write: whoever only wants to know what
would change undoes that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from mmconnect.desk import config_devices, config_endpoints, settings
from mmconnect.desk.config_export import FORMAT, WHAT
from mmconnect.desk.config_reading import Misread, Part
from mmconnect.desk.config_steps import Place, Step
from mmconnect.desk.settings import Sort
from mmconnect.domain.errors import Issue, MmconnectError, Refused
from mmconnect.domain.ids import ENDPOINT
from mmconnect.store import alerts, configuration, secrets
from mmconnect.store import settings as kept
from mmconnect.webhook import signing

_TOP = (
    *("mmconnect", "format", "version", "madeAt", "secrets", "withheld", "tenantId", "settings"),
    *("devices", "endpoints", "webhook", "alertSecret"),
)


class Previewed(MmconnectError):
    """Only what would change was asked for; raised to undo it."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.steps = steps


def read(content: bytes) -> object:
    """The document that a file holds. Raises Refused when it is no JSON, or no text."""
    try:
        found: object = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise Refused("This is no configuration of mmconnect: it goes too deep") from None
    except UnicodeEncodeError:
        raise Refused(
            "It holds half a character (\\ud800 to \\udfff): write the whole one"
        ) from None
    except ValueError as error:
        raise Refused(
            f"This is no JSON text, as `mmconnect export-config` writes: {error}"
        ) from error
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} stands there twice")
    return found


def put(document: object, at: Place) -> list[Step]:
    """Put it into force. Raises Misread with everything that is wrong, and Refused."""
    issues: list[Issue] = []
    top = Part(document, "", issues)
    if top.values.get("mmconnect") != WHAT:
        raise Refused("This is no configuration of mmconnect: `mmconnect export-config` writes one")
    if top.values.get("format") != FORMAT:
        raise Refused(
            f"This configuration has the format {str(top.values.get('format'))[:20]!r}; this"
            f" mmconnect knows {FORMAT}. Use the version that has written it, or a newer one"
        )
    top.only(_TOP)
    withheld = set(map(str, top.get("withheld", list) or []))
    steps = [*_tenant(top, at), *_settings(top, at, withheld, issues)]
    ids: dict[str, str] = {}
    for part in top.parts("devices"):
        steps += config_devices.put(part, at, withheld, ids)
    for part in top.parts("endpoints"):
        steps += config_endpoints.put(part, at, withheld, ids, issues)
    steps += _webhook(top, at, ids)
    if issues:
        raise Misread(*issues)
    return steps


def preview(document: object, at: Place) -> list[Step]:
    """put(), to find out what it does. Always raises: Previewed, or what put() raises."""
    raise Previewed(put(document, at))


def _tenant(top: Part, at: Place) -> Iterable[Step]:
    given, present = top.id("ten_", "tenantId"), kept.value(at.db, kept.TENANT_ID)
    if given is None or given == present:
        return
    now = configuration.load(at.db)
    if now.devices or now.endpoints:
        yield Step(
            what="note",
            subject=present,
            name="tenantId",
            detail="stays: this appliance has phones or endpoints, whose receivers know it",
        )
        return
    kept.put(at.db, kept.TENANT_ID, given)
    yield Step(what="changed", subject=given, name="tenantId")


def _settings(top: Part, at: Place, withheld: set[str], issues: list[Issue]) -> Iterable[Step]:
    part = Part(top.values.get("settings", {}), "settings", issues)
    part.only(settings.BY_CAMEL)
    texts: dict[str, str | None] = {}
    for camel, value in part.values.items():
        known = settings.BY_CAMEL.get(camel)
        if known is None:
            continue
        if not _is_of(known.sort, value):
            part.wrong(camel, "This is no value that it can have")
            continue
        try:
            text = None if value is None else settings.text_of(known, value)
            read = known.default if text is None else known.parse(text)
        except (ValueError, OverflowError, TypeError) as error:
            part.wrong(camel, str(error))
            continue
        if read != settings.value(at.db, known.name):
            texts[known.name] = None if read == known.default else text
    if issues:
        return
    secret = settings.change(at.db, texts, ids=at.ids, now=at.now, by=at.by)
    brought = _alert_secret(top, at, fresh=secret is not None)
    for name in texts:
        yield Step(
            what="changed",
            subject=None,
            name=name,
            secret=secret if name == settings.ALERT_URL and not brought else None,
        )
    if brought and settings.ALERT_URL not in texts:
        yield Step(what="changed", subject=None, name=settings.ALERT_URL, detail="its secret")
    if "settings.alertUrl" in withheld and settings.value(at.db, settings.ALERT_URL) is None:
        yield Step(
            what="note", subject=None, name=settings.ALERT_URL, detail="was left out: set it again"
        )


def _alert_secret(top: Part, at: Place, *, fresh: bool) -> bool:
    """Let the secret that the document brings sign the alerts; whether that is another than before.

    `fresh`: the one that is there was made just now, and nobody knows it.
    """
    brought, alert = top.get("alertSecret", str), alerts.find(at.db)
    if brought is None or alert is None or brought == alert.secrets[0].value:
        return False
    try:
        signing.check_brought(brought)
    except ValueError as error:
        top.wrong("alertSecret", str(error))
        return False
    secrets.rotate(at.db, alert.id, brought, now=at.now)
    if fresh:
        secrets.end_previous(at.db, alert.id)
    return True


def _is_of(sort: Sort, value: object) -> bool:
    match value:
        case None:
            return True
        case bool():
            return sort is Sort.SWITCH
        case int():
            return sort in (Sort.NUMBER, Sort.DURATION)
        case list():
            return sort is Sort.SEVERAL and all(isinstance(one, str) for one in value)
        case str():
            return sort in (Sort.TEXT, Sort.DURATION)
    return False


def _webhook(top: Part, at: Place, ids: dict[str, str]) -> Iterable[Step]:
    named = top.id(ENDPOINT, "webhook")
    here = None if named is None else ids.get(named)
    if named is not None and here is None:
        top.wrong("webhook", "There is no such endpoint in this file")
    elif here is not None and kept.value(at.db, kept.WEBHOOK) is None:
        kept.put(at.db, kept.WEBHOOK, here)
        yield Step(what="changed", subject=here, name="webhook", detail="what /v1/webhooks is")
