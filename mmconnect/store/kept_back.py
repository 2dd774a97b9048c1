"""Messages that came in without deliveries, until a person decides: a phone's history, and what a
phone still holds after a backup was restored.

'Send these too' gives each the deliveries that it would have had; 'leave them' only forgets that
there is something to decide: the messages stay.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from enum import StrEnum

from mmconnect.store import messages, outbox
from mmconnect.store.messages import NewMessage, Taken
from mmconnect.store.mms import PATIENCE
from mmconnect.store.outbox import NewDelivery

CHUNK = 200
"""Messages a transaction: a few milliseconds in which other writes wait."""


class Reason(StrEnum):
    """Why a message got no deliveries."""

    HISTORY = "history"
    """The phone's inbox held it when it was first read."""
    RESTORED = "restored"
    """It may have been delivered after the backup was made that was restored."""


def keep(
    db: sqlite3.Connection, new: NewMessage, reason: Reason, *, announced: bool = False
) -> Taken:
    """Store a message without its deliveries, unless it was seen before.

    `announced`: it announces an MMS, and is none of its own where what was downloaded is kept.
    """
    if announced and (download := _download(db, new)) is not None:
        messages.remember(db, new.keys, download, new.message.received_at)
        return Taken(message_id=download, duplicate=True)
    taken = messages.take(db, new)
    if not taken.duplicate:
        db.execute(
            "INSERT INTO kept_back VALUES (?, ?, ?)",
            (new.message.id, new.message.device_id, reason.value),
        )
    return taken


def _download(db: sqlite3.Connection, new: NewMessage) -> str | None:
    """The MMS that was downloaded of an announcement, and is kept back like it."""
    m = new.message
    row = db.execute(
        "SELECT m.id FROM kept_back k JOIN messages m ON m.id = k.message_id WHERE k.device_id = ?"
        " AND m.kind = 'mms' AND m.sender = ? AND abs(m.sent_at - ?) <= ?"
        " ORDER BY abs(m.sent_at - ?) LIMIT 1",
        (m.device_id, m.sender, m.sent_at, PATIENCE, m.sent_at),
    ).fetchone()
    return None if row is None else str(row[0])


def counts(db: sqlite3.Connection, device_id: str) -> dict[Reason, int]:
    """How many messages of a device wait for a decision, by reason."""
    rows = db.execute(
        "SELECT reason, count(*) FROM kept_back WHERE device_id = ? GROUP BY reason", (device_id,)
    )
    return {Reason(reason): count for reason, count in rows}


def waits(db: sqlite3.Connection, message_id: str) -> bool:
    """Whether a message waits for a decision."""
    found = db.execute("SELECT 1 FROM kept_back WHERE message_id = ?", (message_id,))
    return found.fetchone() is not None


def send(
    db: sqlite3.Connection,
    device_id: str,
    deliveries: Callable[[messages.StoredMessage], Sequence[NewDelivery]],
) -> tuple[int, int]:
    """Give the oldest CHUNK of them their deliveries: (messages, deliveries); (0, 0) at the end.

    `deliveries` makes those of one message; it is asked in the order of the texts' own times.
    """
    rows = db.execute(
        "SELECT k.message_id FROM kept_back k JOIN messages m ON m.id = k.message_id"
        " WHERE k.device_id = ? ORDER BY coalesce(m.sent_at, m.received_at), m.id LIMIT ?",
        (device_id, CHUNK),
    ).fetchall()
    made = 0
    for (message_id,) in rows:
        found = messages.get(db, message_id)
        if found is not None and found.wiped_at is None:
            new = deliveries(found)
            outbox.add(db, *new)
            made += len(new)
        db.execute("DELETE FROM kept_back WHERE message_id = ?", (message_id,))
    if made:
        db.execute("UPDATE revision SET number = number + 1")
    return len(rows), made


def leave(db: sqlite3.Connection, device_id: str) -> int:
    """Nothing is to be sent; how many there were. The messages stay."""
    return db.execute("DELETE FROM kept_back WHERE device_id = ?", (device_id,)).rowcount
