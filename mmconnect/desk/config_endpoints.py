"""The endpoints of a configuration document: changed where they are here already, else added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mmconnect.desk import config_reading as reading
from mmconnect.desk import endpoints, shown
from mmconnect.desk.config_reading import Part
from mmconnect.desk.config_steps import Place, Step, differ, meant
from mmconnect.desk.endpoint_changes import UNSET, EndpointChange, changed, fresh
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.ids import ENDPOINT, RULE
from mmconnect.domain.models import Endpoint
from mmconnect.store import devices, secrets
from mmconnect.store import endpoints as stored
from mmconnect.webhook import signing

_KNOWN = (*reading.ENDPOINT, "id", "numbers", "headers", "routing", "paused", "secret")
_NAMES = {field: name for name, (field, _) in reading.ENDPOINT.items()}
"""What a field is called in the document."""


def put(
    part: Part, at: Place, withheld: set[str], ids: dict[str, str], issues: list[Issue]
) -> Iterable[Step]:
    """One endpoint; `ids` are those that phones and endpoints of the document have here."""
    part.only(_KNOWN)
    wrong = len(issues)
    wanted = part.id(ENDPOINT)
    name = part.values.get("name")
    others = [one for one in stored.known(at.db) if not one.alert]
    present = meant(others, wanted, name, set(ids.values()))
    routing = None
    if "routing" in part.values:
        inner = Part(part.values["routing"], f"{part.path}.routing", issues)
        routing = reading.routing_of(inner, ids)
    change = replace(reading.change_of(part, routing=routing), headers=_headers(part, present))
    if f"{part.path}.url" in withheld:
        if present is not None and shown.without_secrets(present.url) == change.url:
            change = replace(change, url=UNSET)
        elif "…" in str(change.url):
            part.wrong("url", "It was left out, as it has a secret in it: write it in")
    secret, paused = part.get("secret", str), part.get("paused", bool)
    if len(issues) > wrong:
        return
    try:
        if secret is not None:
            try:
                signing.check_brought(secret, plain=change.plain_headers is not False)
            except ValueError as error:
                part.wrong("secret", str(error))
                return
        if present is None:
            made = _add(at, change, wanted, secret)
            ids[wanted or made.id] = made.id
            if paused:
                stored.pause(at.db, made.id, at.now)
            yield _added(part, made, withheld, secret)
        else:
            ids[wanted or present.id] = present.id
            yield from _change(at, present, change, secret)
    except Invalid as error:
        for issue in error.issues:
            part.wrong(issue.path, issue.message)


def _add(at: Place, change: EndpointChange, wanted: str | None, secret: str | None) -> Endpoint:
    if change.url is UNSET:
        raise Invalid(Issue(path="url", message="Say where its texts are to go: https://HOST/…"))
    if change.name is UNSET:
        raise Invalid(Issue(path="name", message="An endpoint has a name"))
    taken = wanted is None or stored.is_taken(at.db, wanted)
    bare = fresh(
        id=at.ids.new(ENDPOINT) if wanted is None or taken else wanted,
        url="",
        name="",
        secret=signing.new_secret() if secret is None else secret,
        now=at.now,
    )
    known = [one.id for one in devices.known(at.db)]
    made = changed(bare, change, devices=known, new_id=lambda: at.ids.new(RULE))
    stored.add(at.db, made)
    at.by.note(at.db, at.now, "endpoint.added", made.id, f"{made.name}: imported")
    return made


def _added(part: Part, made: Endpoint, withheld: set[str], secret: str | None) -> Step:
    told = ["has a new secret: give it to the receiver"] if secret is None else []
    missing = [name for name in part.texts("headers") if f"{part.path}.headers.{name}" in withheld]
    if missing:
        told.append(f"headers were left out: set them again ({', '.join(missing)})")
    return Step(
        what="added",
        subject=made.id,
        name=made.name,
        detail="; ".join(told),
        secret=made.secrets[0].value if secret is None else None,
    )


def _change(
    at: Place, present: Endpoint, change: EndpointChange, secret: str | None
) -> Iterable[Step]:
    made = endpoints.tried(at.db, present, change, at.ids)
    what = [_NAMES.get(name, name) for name in change.given() if differ(present, made, name)]
    if what:
        stored.update(at.db, made)
    if secret is not None and secret != present.secrets[0].value:
        secrets.rotate(at.db, made.id, secret, now=at.now)
        what.append("secret")
    if what:
        at.by.note(at.db, at.now, "endpoint.changed", made.id, f"{made.name}: {', '.join(what)}")
        yield Step(what="changed", subject=made.id, name=made.name, detail=", ".join(what))


def _headers(part: Part, present: Endpoint | None) -> Any:
    """All headers; of those whose values were left out, what is there now."""
    if "headers" not in part.values:
        return UNSET
    held = {} if present is None else {name.lower(): value for name, value in present.headers}
    found = []
    for name, value in part.texts("headers").items():
        text = held.get(name.lower()) if value is None else value
        if text is not None:
            found.append((name, text))
    return tuple(found)
