"""MMS that come in two pushes: first announced, then downloaded, in either order.

A row per announcement and per download, matched by device, sender and time. An announcement that
nothing follows in time becomes a message of its own; what is downloaded after that is another
message that refers to it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.domain.models import Kind, Message
from mmconnect.store import segments
from mmconnect.store.messages import Keys, NewMessage, Taken, remember, seen, take

PATIENCE = 15 * 60_000
"""Milliseconds that an announcement waits for its download, and that the two may lie apart."""


Build = Callable[[str, str | None], NewMessage]
"""Makes the message to store of a download, given its id and what it refers to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An announced MMS whose time has come to be a message of its own."""

    message: Message
    raw: bytes | None
    raw_headers: str | None


def announce(db: sqlite3.Connection, new: NewMessage) -> Taken:
    """An MMS waits at the operator: remember it, unless it was seen or downloaded already."""
    message, now = new.message, new.message.received_at
    first, reused = seen(db, new.keys, now)
    if first is not None:
        remember(db, new.keys, first, now)
        return Taken(message_id=first, duplicate=True)
    at = _at(message)
    if (match := _nearest(db, message, at, ("downloaded",))) is not None:
        _mark(db, match[0], "matched")
        remember(db, new.keys, match[0], now)
        return Taken(message_id=match[0], duplicate=True)
    db.execute(
        "INSERT INTO mms_notices VALUES (?, ?, ?, ?, 'announced', ?, ?, ?, ?)",
        (
            message.id,
            message.device_id,
            message.sender or "",
            at,
            now + PATIENCE,
            _packed(message),
            new.raw,
            new.raw_headers,
        ),
    )
    remember(db, new.keys, message.id, now)
    return Taken(message_id=message.id, duplicate=False, reused_id=reused)


def downloaded(db: sqlite3.Connection, keys: Keys, build: Build, message: Message) -> Taken:
    """Store a downloaded MMS, as what its announcement has left for it to be.

    `message` is it as parsed; `build` makes of it what is stored, given its id and its ref.
    """
    now = message.received_at
    first, _ = seen(db, keys, now)
    if first is not None:
        return take(db, build(message.id, None))
    match = _nearest(db, message, _at(message), ("announced", "alone"))
    if match is None:
        taken = take(db, build(message.id, None))
        db.execute(
            "INSERT INTO mms_notices VALUES (?, ?, ?, ?, 'downloaded', NULL, NULL, NULL, NULL)",
            (message.id, message.device_id, message.sender or "", _at(message)),
        )
        return taken
    notice_id, state = match
    db.execute(
        "UPDATE mms_notices SET state = 'matched', due_at = NULL, raw = NULL, announcement = NULL"
        " WHERE message_id = ?",
        (notice_id,),
    )
    if state == "announced":  # in time: it is the announced message, among those of that time
        segments.changed(db, [notice_id])
        return take(db, build(notice_id, None))
    return take(db, build(message.id, notice_id))


def next_due(db: sqlite3.Connection) -> int | None:
    """When the next announcement has waited long enough (UTC ms), or None."""
    (due,) = db.execute("SELECT min(due_at) FROM mms_notices WHERE state = 'announced'").fetchone()
    return None if due is None else int(due)


def overdue(db: sqlite3.Connection, now: int, limit: int) -> list[Notice]:
    """Announcements that nothing followed in time, oldest first."""
    rows = db.execute(
        "SELECT announcement, raw, raw_headers, message_id, device_id FROM mms_notices"
        " WHERE state = 'announced' AND due_at <= ? ORDER BY due_at LIMIT ?",
        (now, limit),
    )
    return [
        Notice(message=_unpacked(row[0], row[3], row[4]), raw=row[1], raw_headers=row[2])
        for row in rows
    ]


def stand_alone(db: sqlite3.Connection, new: NewMessage) -> Taken | None:
    """Make an overdue announcement a message; None when its download was quicker after all."""
    changed = db.execute(
        "UPDATE mms_notices SET state = 'alone', due_at = NULL, raw = NULL"
        " WHERE message_id = ? AND state = 'announced'",
        (new.message.id,),
    ).rowcount
    if not changed:
        return None
    segments.changed(db, [new.message.id])
    return take(db, new)


def _at(message: Message) -> int:
    return message.received_at if message.sent_at is None else message.sent_at


def _nearest(
    db: sqlite3.Connection, message: Message, at: int, states: tuple[str, ...]
) -> tuple[str, str] | None:
    marks = ",".join("?" * len(states))
    row = db.execute(
        "SELECT message_id, state FROM mms_notices WHERE device_id = ? AND sender = ?"
        f" AND at BETWEEN ? AND ? AND state IN ({marks}) ORDER BY abs(at - ?) LIMIT 1",
        (message.device_id, message.sender or "", at - PATIENCE, at + PATIENCE, *states, at),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _mark(db: sqlite3.Connection, message_id: str, state: str) -> None:
    db.execute("UPDATE mms_notices SET state = ? WHERE message_id = ?", (state, message_id))


def _packed(message: Message) -> str:
    return json.dumps(
        {
            name: getattr(message, name)
            for name in (
                *("sender", "sender_raw", "recipient", "text", "subject", "sim"),
                *("sent_at", "received_at", "device_name", "event_id"),
            )
        },
        ensure_ascii=False,
    )


def _unpacked(packed: str, message_id: str, device_id: str) -> Message:
    return Message(
        id=message_id, kind=Kind.MMS, device_id=device_id, attachments=(), **json.loads(packed)
    )
