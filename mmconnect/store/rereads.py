"""Messages that were not understood, when they are read again.

One that is understood now makes room for what it is; the others stay, with the reason of today.
"""

from __future__ import annotations

import sqlite3

from mmconnect.store import segments


def unrecognised(db: sqlite3.Connection, device_id: str, limit: int = -1) -> list[str]:
    """Ids of what a device pushed that was not understood and still stands, oldest first.

    `limit`: so many at the most; negative for all.
    """
    rows = db.execute(
        "SELECT id FROM messages WHERE kind = 'unrecognised' AND device_id = ?"
        " AND raw IS NOT NULL ORDER BY id LIMIT ?",
        (device_id, limit),
    )
    return [row[0] for row in rows]


def newest(db: sqlite3.Connection, device_id: str, limit: int) -> list[str]:
    """The newest of them, newest first."""
    rows = db.execute(
        "SELECT id FROM messages WHERE kind = 'unrecognised' AND device_id = ?"
        " AND raw IS NOT NULL ORDER BY id DESC LIMIT ?",
        (device_id, limit),
    )
    return [row[0] for row in rows]


def make_room(db: sqlite3.Connection, message_id: str) -> None:
    """Take one away whose place its text takes in the same transaction."""
    segments.changed(db, [message_id])
    db.execute("DELETE FROM messages WHERE id = ? AND kind = 'unrecognised'", (message_id,))


def explain(db: sqlite3.Connection, message_id: str, note: str) -> None:
    """Say anew why one stays."""
    db.execute(
        "UPDATE messages SET note = ? WHERE id = ? AND kind = 'unrecognised'", (note, message_id)
    )


def announce(db: sqlite3.Connection) -> None:
    """Let a running service look for deliveries that somebody else has made."""
    db.execute("UPDATE revision SET number = number + 1")
