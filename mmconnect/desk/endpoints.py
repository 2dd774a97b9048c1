"""What an owner does with endpoints, whoever asks: each verb a function in a write of its own.

Functions that take `db` are to be called inside a write, with `now` in UTC ms; those that take
`write` may touch any number of rows, and do so in several short ones, so that texts come between.
Nobody is woken here: the configuration's revision moves, and a running service notices.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from mmconnect.desk import endpoint_values as values
from mmconnect.desk.actor import Actor
from mmconnect.desk.endpoint_changes import UNSET, EndpointChange, Unset, changed, fresh
from mmconnect.desk.transactions import Pause, Writer
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Invalid, Issue, NotFound, Refused
from mmconnect.domain.ids import ENDPOINT, RULE, Ids
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.store import backlog, deliveries, devices, endpoints, secrets
from mmconnect.store.secrets import Rotated
from mmconnect.webhook import signing

CHUNK = 1000
"""Deliveries that are cancelled in one write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of an endpoint that was to go on."""

    endpoint: Endpoint
    waiting: int
    cancelled: int
    probed: bool
    """It is held: the service probes it, and sends what waits when it answers."""


def found(db: sqlite3.Connection, endpoint_id: str) -> Endpoint:
    """One endpoint. Raises NotFound."""
    endpoint = endpoints.get(db, endpoint_id)
    if endpoint is None:
        raise NotFound(f"There is no endpoint {endpoint_id}")
    return endpoint


def add(
    db: sqlite3.Connection,
    change: EndpointChange,
    *,
    secret: str | None = None,
    ids: Ids,
    now: int,
    by: Actor,
) -> Endpoint:
    """Add an endpoint: its URL is needed, the rest may be left out; `secret` is one brought along.

    Its secret is in the value that is returned, to be shown this once. Raises Invalid.
    """
    plain = change.plain_headers is not False
    issues = _unusable(secret, plain=plain)
    if isinstance(change.url, Unset):
        issues.append(Issue(path="url", message="Say where its texts are to go: https://HOST/…"))
        change = replace(change, url="http://host.invalid/")
    if isinstance(change.name, Unset) and isinstance(change.url, str):
        change = replace(change, name=_proposed(change.url))
    bare = fresh(
        id=ids.new(ENDPOINT),
        url="",
        name="",
        secret=signing.new_secret() if secret is None or issues else secret,
        now=now,
    )
    try:
        made = tried(db, bare, change, ids)
    except Invalid as error:
        issues = [*error.issues, *issues]
    if issues:
        raise Invalid(*issues)
    endpoints.add(db, made)
    by.note(db, now, "endpoint.added", made.id, made.name)
    return made


def update(
    db: sqlite3.Connection,
    endpoint_id: str,
    change: EndpointChange,
    *,
    ids: Ids,
    now: int,
    by: Actor,
) -> tuple[Endpoint, Endpoint]:
    """Change what is given; the endpoint as it was and as it is.

    Raises NotFound, Invalid, and Refused for the alert URL.
    """
    before = found(db, endpoint_id)
    made = tried(db, before, change, ids)
    if made != before:
        endpoints.update(db, made)
        what = ", ".join(n for n in change.given() if getattr(made, n) != getattr(before, n))
        by.note(db, now, "endpoint.changed", made.id, f"{made.name}: {what}")
    return before, made


def pause(db: sqlite3.Connection, endpoint_id: str, *, now: int, by: Actor) -> Endpoint:
    """Let its texts wait, none of them growing older. Raises NotFound."""
    if endpoints.pause(db, found(db, endpoint_id).id, now):
        by.note(db, now, "endpoint.paused", endpoint_id, found(db, endpoint_id).name)
    return found(db, endpoint_id)


async def resume(
    write: Writer,
    endpoint_id: str,
    *,
    newer_than: int | None = None,
    none: bool = False,
    clock: Clock,
    by: Actor,
    between: Pause | None = None,
) -> Resumed:
    """Send what waits and what comes; a held one is probed at once. Raises NotFound.

    Of what waits, what was not made after `newer_than` (UTC ms) is cancelled, or with `none` all.
    """
    await write(lambda db: found(db, endpoint_id))
    cancelled = 0
    if none or newer_than is not None:
        before = clock.now() + 1 if none else newer_than
        cancelled = await _cancel(write, endpoint_id, before, clock, between)

    def go_on(db: sqlite3.Connection) -> Resumed:
        now, endpoint = clock.now(), found(db, endpoint_id)
        probed = endpoint.state is EndpointState.HELD
        if probed:
            endpoints.ask_probe(db, endpoint_id, now)
        else:
            endpoints.resume(db, endpoint_id, now)
        detail = f"{endpoint.name}: {cancelled} cancelled" if cancelled else endpoint.name
        by.note(db, now, "endpoint.resumed", endpoint_id, detail)
        return Resumed(
            endpoint=found(db, endpoint_id),
            waiting=backlog.waiting(db, endpoint_id),
            cancelled=cancelled,
            probed=probed,
        )

    return await write(go_on)


async def remove(
    write: Writer,
    endpoint_id: str,
    *,
    clock: Clock,
    by: Actor,
    between: Pause | None = None,
) -> int:
    """Stop sending to it for good; how many that waited were cancelled.

    They stay visible. Raises NotFound, and Refused for the alert URL.
    """

    def may_go(db: sqlite3.Connection) -> None:
        if (endpoint := found(db, endpoint_id)).alert:
            raise Refused(
                f"{endpoint.name} stands for the alert URL of the settings; it is switched off"
                " there"
            )

    await write(may_go)
    cancelled = await _cancel(write, endpoint_id, None, clock, between)

    def go(db: sqlite3.Connection) -> int:
        now, endpoint = clock.now(), found(db, endpoint_id)
        late = deliveries.cancel_waiting(db, endpoint_id, now)
        endpoints.remove(db, endpoint_id, now)
        detail = f"{endpoint.name}: {cancelled + late} cancelled"
        by.note(db, now, "endpoint.removed", endpoint_id, detail)
        return late

    return cancelled + await write(go)


def rotate(
    db: sqlite3.Connection,
    endpoint_id: str,
    *,
    secret: str | None = None,
    overlap: int = secrets.DEFAULT_OVERLAP,
    now: int,
    by: Actor,
) -> Rotated:
    """A new secret, to be shown this once; the previous one signs for `overlap` seconds more.

    Raises NotFound, Invalid, and Refused for the secret that it has.
    """
    endpoint = found(db, endpoint_id)
    issues = _unusable(secret, plain=endpoint.plain_headers)
    if not 0 <= overlap <= secrets.LONGEST_OVERLAP:
        message = "At most 7d, or 0 to end the previous secret at once"
        issues.append(Issue(path="overlap", message=message))
    if issues:
        raise Invalid(*issues)
    made = secret if secret is not None else signing.new_secret()
    done = secrets.rotate(db, endpoint_id, made, now=now, overlap=overlap)
    detail = f"{endpoint.name}: {values.words(overlap)} of overlap" if overlap else endpoint.name
    by.note(db, now, "endpoint.secret_rotated", endpoint_id, detail)
    return done


def reveal(db: sqlite3.Connection, endpoint_id: str, *, now: int, by: Actor) -> str:
    """The current secret, for somebody who has just entered the password. Raises NotFound."""
    endpoint = found(db, endpoint_id)
    by.note(db, now, "endpoint.secret_shown", endpoint_id, endpoint.name)
    return secrets.reveal(db, endpoint_id)


def end_overlap(db: sqlite3.Connection, endpoint_id: str, *, now: int, by: Actor) -> int:
    """From now on the current secret alone signs; how many others did. Raises NotFound."""
    endpoint = found(db, endpoint_id)
    ended = secrets.end_previous(db, endpoint_id)
    if ended:
        by.note(db, now, "endpoint.overlap_ended", endpoint_id, endpoint.name)
    return ended


def move(db: sqlite3.Connection, endpoint_id: str, *, up: bool) -> None:
    """One place up or down in the order that people see. Raises NotFound."""
    order = [endpoint.id for endpoint in endpoints.known(db)]
    at = order.index(found(db, endpoint_id).id)
    to = min(max(at + (-1 if up else 1), 0), len(order) - 1)
    order.insert(to, order.pop(at))
    endpoints.rank(db, order)


def tried(db: sqlite3.Connection, endpoint: Endpoint, change: EndpointChange, ids: Ids) -> Endpoint:
    """What a change would make of an endpoint; nothing is written. Raises Invalid and Refused."""
    known = () if change.routing is UNSET else [device.id for device in devices.known(db)]
    return changed(endpoint, change, devices=known, new_id=lambda: ids.new(RULE))


def _proposed(url: str) -> str:
    try:
        return values.name_for(url)
    except ValueError:  # no URL at all, which is told beside it
        return "?"


def _unusable(secret: str | None, *, plain: bool) -> list[Issue]:
    """What is wrong with a secret that was brought along."""
    if secret is None:
        return []
    try:
        signing.check_brought(secret, plain=plain)
    except ValueError as error:
        return [Issue(path="secret", message=str(error))]
    return []


async def _cancel(
    write: Writer, endpoint_id: str, before: int | None, clock: Clock, between: Pause | None
) -> int:
    """Cancel what waits, or those made `before`, a chunk in each write."""

    def some(db: sqlite3.Connection) -> int:
        return deliveries.cancel_waiting(db, endpoint_id, clock.now(), before=before, limit=CHUNK)

    total = 0
    while count := await write(some):
        total += count
        if count < CHUNK:
            break
        if between is not None:
            await between()
    return total
