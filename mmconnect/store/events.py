"""Operational events on their way out: messages of kind `event` with deliveries like any other.

tell() is called inside the write that makes the event true, so an event and what it tells of are
committed together. What happens in floods is told at once when it begins, and then now and then
with a count; the times are kept in the database, because a write may be run twice.
Invariants: an event about an endpoint never goes to that endpoint, and nothing that becomes of an
event's own deliveries is an event: a broken alert URL cannot set off a storm.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from mmconnect.domain.ids import DELIVERY, EVENT, Ids
from mmconnect.domain.models import Endpoint, Kind, Message, Trigger
from mmconnect.store import devices
from mmconnect.store.configuration import Configuration
from mmconnect.store.devices import Presence
from mmconnect.store.messages import Keys, NewMessage, insert
from mmconnect.store.outbox import NewDelivery, add
from mmconnect.webhook import events
from mmconnect.webhook.events import Event

SENDER = "mmconnect"
"""Whom events come from, for their order: those for one endpoint go out one after another."""

_MINUTE, _HOUR = 60_000, 3_600_000
QUIET = {
    events.DEVICE_REJECTED: _HOUR,
    events.DEVICE_UNRECOGNISED: _HOUR,
    events.DEVICE_SILENT: 5 * _MINUTE,
    events.DEVICE_RECOVERED: 5 * _MINUTE,
    events.ENDPOINT_HELD: 5 * _MINUTE,
    events.ENDPOINT_RECOVERED: 5 * _MINUTE,
    events.DELIVERY_FAILED: 10 * _MINUTE,
    events.SYSTEM_WARNING: _HOUR,
}
"""Milliseconds for which the same event about the same subject is only counted."""
REMEMBERED = 2 * 86_400_000
"""Milliseconds after which a subject that nothing happens to is forgotten."""
_AT_ONCE = 50
"""Counted events that one flush() tells at the most."""


def tell(
    db: sqlite3.Connection,
    configuration: Configuration,
    ids: Ids,
    now: int,
    event: Event,
    *,
    about: str | None = None,
    count: int = 1,
) -> int:
    """Make the deliveries of an event that happened (`count` times); how many were made.

    To be called inside a write; when it returns more than 0, wake the dispatcher after the commit.
    `now` is UTC ms. `about` is the id of the endpoint that must not hear it; the event's own when
    left out. 0 means that nobody wants it, or that it was told shortly before and only counted.
    """
    if about is None and event.endpoint is not None:
        about = event.endpoint.id
    if not _wanted(configuration, event, about) or _of_no_text(db, event):
        return 0
    if (opposite := events.UNDOES.get(event.name)) is not None:
        db.execute(
            "UPDATE events_told SET untold = 0, last = NULL WHERE name = ? AND subject = ?",
            (opposite, event.subject),
        )
    counted = db.execute(
        "UPDATE events_told SET untold = untold + ?, last_at = ?, last = ?"
        " WHERE name = ? AND subject = ? AND told_at BETWEEN ? AND ?",
        (
            *(count, now, events.packed(event), event.name, event.subject),
            *(now - QUIET[event.name] + 1, now),
        ),
    ).rowcount
    if counted:
        return 0
    row = db.execute(
        "SELECT untold FROM events_told WHERE name = ? AND subject = ?",
        (event.name, event.subject),
    ).fetchone()
    return _send(db, configuration, ids, now, event, about, count + (row[0] if row else 0), now)


def flush(db: sqlite3.Connection, configuration: Configuration, ids: Ids, now: int) -> int:
    """Tell what was only counted and has been quiet long enough; how many deliveries were made."""
    rows = db.execute(
        "SELECT name, told_at, untold, last_at, last FROM events_told"
        " WHERE untold > 0 ORDER BY last_at LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    made = 0
    for name, told_at, untold, last_at, last in rows:
        if 0 <= now - told_at < QUIET.get(name, 0):
            continue
        event = events.unpacked(last)
        about = event.endpoint.id if event.endpoint is not None else None
        made += _send(db, configuration, ids, now, event, about, untold, last_at)
    db.execute(
        "DELETE FROM events_told WHERE untold = 0 AND abs(? - last_at) > ?", (now, REMEMBERED)
    )
    return made


def is_due(db: sqlite3.Connection, now: int) -> bool:
    """Whether flush() has anything to tell."""
    rows = db.execute("SELECT name, told_at FROM events_told WHERE untold > 0")
    return any(not 0 <= now - told_at < QUIET.get(name, 0) for name, told_at in rows)


def save_presences(
    db: sqlite3.Connection,
    configuration: Configuration,
    ids: Ids,
    now: int,
    changed: Sequence[Presence],
) -> int:
    """Write down the signs of life of phones, and tell of pushes that were refused since the last
    time; how many deliveries were made."""
    made = 0
    for presence in changed:
        new = presence.rejected - devices.rejected(db, presence.device_id)
        device = configuration.devices.get(presence.device_id)
        if new > 0 and device is not None:
            event = events.device_rejected(device, presence.rejected_reason or "")
            made += tell(db, configuration, ids, now, event, count=new)
    devices.save_presences(db, changed)
    return made


def recipients(configuration: Configuration, name: str, about: str | None) -> list[Endpoint]:
    """The endpoints that want an event of this name which is about endpoint `about`, if any."""
    return [
        endpoint
        for endpoint in configuration.endpoints.values()
        if endpoint.id != about and (endpoint.alert or name in endpoint.events)
    ]


def _wanted(configuration: Configuration, event: Event, about: str | None) -> bool:
    return bool(recipients(configuration, event.name, about))


def _of_no_text(db: sqlite3.Connection, event: Event) -> bool:
    """Whether it tells of the failure of a test or of another event's delivery."""
    if event.delivery is None:
        return False
    row = db.execute(
        "SELECT m.kind = 'event' OR m.test OR d.trigger = 'test' FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id WHERE d.id = ?",
        (event.delivery.id,),
    ).fetchone()
    return row is not None and bool(row[0])


def _send(
    db: sqlite3.Connection,
    configuration: Configuration,
    ids: Ids,
    now: int,
    event: Event,
    about: str | None,
    count: int,
    at: int,
) -> int:
    """The event's message and one delivery for each endpoint that wants it; how many."""
    db.execute(
        "INSERT INTO events_told (name, subject, told_at, last_at) VALUES (?1, ?2, ?3, ?3)"
        " ON CONFLICT (name, subject) DO UPDATE SET told_at = ?3, untold = 0, last_at = ?3,"
        " last = NULL",
        (event.name, event.subject, now),
    )
    wanting = recipients(configuration, event.name, about)
    if not wanting:
        return 0
    message = replace(_MESSAGE, id=ids.new(EVENT), received_at=now)
    plain = events.event_body(event, message.id, at, configuration.tenant, count=count)
    chatty = events.event_body(event, message.id, at, configuration.tenant, count=count, chat=True)
    note = f"{event.name}: {event.sentence(count)}"
    insert(
        db,
        NewMessage(
            message=message, payload=plain, keys=Keys(), raw=None, raw_headers=None, note=note
        ),
    )
    for endpoint in wanting:
        add(
            db,
            NewDelivery(
                id=ids.new(DELIVERY),
                message_id=message.id,
                endpoint_id=endpoint.id,
                sender=SENDER,
                trigger=Trigger.EVENT,
                created_at=now,
                payload=chatty if endpoint.alert else None,
            ),
        )
    return len(wanting)


_MESSAGE = Message(
    id="",
    kind=Kind.EVENT,
    sender=None,
    sender_raw=None,
    recipient=None,
    text="",
    sent_at=None,
    received_at=0,
    device_id=None,
    device_name=None,
)
