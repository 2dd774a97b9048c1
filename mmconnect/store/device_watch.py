"""What the phones' watchers and their page ask of the database: how phones are, what came of them.

Nothing here is on a text's way. Every question is bounded, by an index or by the time it is about.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmconnect.domain.ids import MESSAGE, first_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNote:
    """Something a phone told of itself."""

    name: str
    """As its app calls it: `system:ping`."""
    received_at: int
    detail: Mapping[str, Any]


def pulled(db: sqlite3.Connection) -> dict[str, int]:
    """The devices that mmconnect fetches from: ms between two looks, 0 for the default."""
    return {i: every or 0 for i, every in db.execute("SELECT device_id, interval FROM phone_links")}


def last_events(db: sqlite3.Connection, device_id: str, limit: int) -> list[DeviceNote]:
    """What a phone last told of itself, newest first."""
    rows = db.execute(
        "SELECT name, received_at, detail FROM device_events WHERE device_id = ?"
        " ORDER BY number DESC LIMIT ?",
        (device_id, limit),
    )
    return [DeviceNote(name=n, received_at=at, detail=json.loads(str(d))) for n, at, d in rows]


def taken_since(db: sqlite3.Connection, device_id: str, since: int) -> int:
    """How many texts came from a device since then (UTC ms), as the ids of messages tell.

    What its inbox held before, and waits for a decision, did not come.
    """
    (count,) = db.execute(
        "SELECT count(*) FROM messages WHERE id >= ? AND id < ? AND device_id = ?"
        " AND kind IN ('sms', 'mms', 'data')"
        " AND NOT EXISTS (SELECT 1 FROM kept_back WHERE message_id = messages.id)",
        (first_at(MESSAGE, since), MESSAGE + "~", device_id),
    ).fetchone()
    return int(count)


def came_since(db: sqlite3.Connection, device_id: str, since: int) -> bool:
    """Whether a text came from a device since then (UTC ms)."""
    row = db.execute(
        "SELECT 1 FROM messages WHERE id >= ? AND id < ? AND device_id = ?"
        " AND kind IN ('sms', 'mms', 'data')"
        " AND NOT EXISTS (SELECT 1 FROM kept_back WHERE message_id = messages.id) LIMIT 1",
        (first_at(MESSAGE, since), MESSAGE + "~", device_id),
    ).fetchone()
    return row is not None


def taken_by_device(db: sqlite3.Connection, since: int) -> dict[str, int]:
    """How many texts came since then (UTC ms), by the device that they came from."""
    rows = db.execute(
        "SELECT device_id, count(*) FROM messages WHERE id >= ? AND id < ? AND device_id NOT NULL"
        " AND kind IN ('sms', 'mms', 'data')"
        " AND NOT EXISTS (SELECT 1 FROM kept_back WHERE message_id = messages.id)"
        " GROUP BY device_id",
        (first_at(MESSAGE, since), MESSAGE + "~"),
    )
    return {device_id: int(count) for device_id, count in rows}


def unrecognised(db: sqlite3.Connection) -> dict[str, int]:
    """How many pushes are kept that were not understood, by device."""
    rows = db.execute(
        "SELECT device_id, count(*) FROM messages WHERE kind = 'unrecognised' GROUP BY device_id"
    )
    return {device_id: int(count) for device_id, count in rows if device_id is not None}


def set_silent(db: sqlite3.Connection, device_id: str, since: int | None) -> None:
    """Write down since when a phone counts as silent, or (None) that it does not."""
    db.execute(
        "INSERT INTO device_presence (device_id, silent_at) VALUES (?1, ?2)"
        " ON CONFLICT (device_id) DO UPDATE SET silent_at = ?2",
        (device_id, since),
    )


def set_push_base(db: sqlite3.Connection, device_id: str, base: str | None) -> None:
    """Write down where a phone pushes to: what it was told, or what its last push says."""
    db.execute("UPDATE devices SET push_base = ? WHERE id = ?", (base, device_id))


def last_text(db: sqlite3.Connection) -> str | None:
    """The newest text of a phone that could be sent, among the last few messages."""
    rows = db.execute(
        "SELECT id, kind IN ('sms', 'mms', 'data') AND NOT test AND wiped_at IS NULL"
        " FROM messages WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 100",
        (MESSAGE, MESSAGE + "~"),
    )
    return next((str(message_id) for message_id, is_text in rows if is_text), None)


def ever_a_text(db: sqlite3.Connection) -> bool:
    """Whether a text of a phone ever came, as far as figures go back."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM text_hours WHERE device_id = '')"
    ).fetchone()
    return bool(found)
