"""Devices, their tokens, and what is known of how they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmconnect.domain.models import Device
from mmconnect.store.connection import Row

TOKEN_OVERLAP = 7 * 86_400_000
"""Milliseconds that a replaced token stays valid at the most."""
EVENTS_KEPT = 500
"""Device events kept per phone."""

_COLUMNS = (
    "id, name, app, country, signing_key, mapping, dedupe_window, silent_after, push_base,"
    " created_at, removed_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of a device."""

    token: str
    device_id: str
    created_at: int
    expires_at: int | None
    """None for the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """The last signs of life of a phone, and what it was refused for."""

    device_id: str
    last_heard_at: int | None = None
    last_address: str | None = None
    user_agent: str | None = None
    rejected: int = 0
    """Pushes refused since the device was added."""
    rejected_at: int | None = None
    rejected_reason: str | None = None
    beat_at: int | None = None
    """When its last heartbeat came (UTC ms): a beat of any app, or a ping."""
    beat_gap: int | None = None
    """Milliseconds that usually lie between two heartbeats; None until that is known."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What it last told of itself: `battery`, `charging`, `network`, `version`, …"""
    silent_at: int | None = None
    """Since when it counts as silent; None while it does not."""


def add(db: sqlite3.Connection, device: Device, token: str) -> None:
    """Add a device with its first token."""
    db.execute(
        f"INSERT INTO devices ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            device.id,
            device.name,
            device.app,
            device.country,
            device.signing_key,
            json.dumps(device.mapping),
            device.dedupe_window,
            device.silent_after,
            device.push_base,
            device.created_at,
            device.removed_at,
        ),
    )
    db.execute(
        "INSERT INTO device_tokens (token, device_id, created_at) VALUES (?, ?, ?)",
        (token, device.id, device.created_at),
    )


def change(db: sqlite3.Connection, device: Device) -> None:
    """Write what a person can set of a device that there is."""
    db.execute(
        "UPDATE devices SET name = ?, app = ?, country = ?, signing_key = ?, mapping = ?,"
        " dedupe_window = ?, silent_after = ?, push_base = ? WHERE id = ?",
        (
            device.name,
            device.app,
            device.country,
            device.signing_key,
            json.dumps(device.mapping),
            device.dedupe_window,
            device.silent_after,
            device.push_base,
            device.id,
        ),
    )


def set_signing_key(db: sqlite3.Connection, device_id: str, key: str) -> None:
    """Give a device a key that has none."""
    db.execute(
        "UPDATE devices SET signing_key = ? WHERE id = ? AND signing_key IS NULL", (key, device_id)
    )


def set_push_base(db: sqlite3.Connection, device_id: str, base: str) -> None:
    """It has been told to push there."""
    db.execute(
        "UPDATE devices SET push_base = ? WHERE id = ? AND push_base IS NOT ?",
        (base, device_id, base),
    )


def known(db: sqlite3.Connection, *, removed: bool = False) -> list[Device]:
    """Every device, oldest first; with `removed`, those that were removed, too."""
    where = "1" if removed else "removed_at IS NULL"
    rows = db.execute(f"SELECT {_COLUMNS} FROM devices WHERE {where} ORDER BY id")
    return [_device(row) for row in rows]


def get(db: sqlite3.Connection, device_id: str) -> Device | None:
    """One device that has not been removed, or None."""
    return next((d for d in known(db) if d.id == device_id), None)


def tokens(db: sqlite3.Connection) -> list[Token]:
    """Every token, current ones last."""
    rows = db.execute(
        "SELECT token, device_id, created_at, expires_at FROM device_tokens"
        " ORDER BY expires_at IS NULL, created_at"
    )
    return [Token(token=t, device_id=d, created_at=c, expires_at=e) for t, d, c, e in rows]


def current_token(db: sqlite3.Connection, device_id: str) -> str:
    """The token that a device is to push with."""
    (token,) = db.execute(
        "SELECT token FROM device_tokens WHERE device_id = ? AND expires_at IS NULL", (device_id,)
    ).fetchone()
    return str(token)


def replace_token(db: sqlite3.Connection, device_id: str, token: str, now: int) -> None:
    """Give a device a new token; the old ones go when it is used, or after TOKEN_OVERLAP."""
    db.execute(
        "UPDATE device_tokens SET expires_at = ? WHERE device_id = ? AND expires_at IS NULL",
        (now + TOKEN_OVERLAP, device_id),
    )
    db.execute(
        "INSERT INTO device_tokens (token, device_id, created_at) VALUES (?, ?, ?)",
        (token, device_id, now),
    )


def retire_tokens(db: sqlite3.Connection, device_id: str) -> None:
    """The new token has been used: the ones it replaced are no longer needed."""
    db.execute(
        "DELETE FROM device_tokens WHERE device_id = ? AND expires_at IS NOT NULL", (device_id,)
    )


def remove(db: sqlite3.Connection, device_id: str, now: int) -> None:
    """Remove a device; its row and token stay, so that its pushes can be refused and shown."""
    db.execute("UPDATE devices SET removed_at = ? WHERE id = ?", (now, device_id))


def add_event(
    db: sqlite3.Connection,
    device_id: str,
    name: str,
    event_id: str | None,
    detail: str,
    now: int,
) -> None:
    """Keep a device event (`detail` is JSON), and drop the oldest beyond EVENTS_KEPT."""
    db.execute(
        "INSERT INTO device_events (device_id, name, event_id, received_at, detail)"
        " VALUES (?, ?, ?, ?, ?)",
        (device_id, name, event_id, now, detail),
    )
    db.execute(
        "DELETE FROM device_events WHERE device_id = ? AND number <= (SELECT number FROM"
        " device_events WHERE device_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (device_id, device_id, EVENTS_KEPT),
    )


def presences(db: sqlite3.Connection) -> dict[str, Presence]:
    """What is known of every phone, by device id."""
    rows = db.execute(
        "SELECT device_id, last_heard_at, last_address, user_agent, rejected, rejected_at,"
        " rejected_reason, beat_at, beat_gap, facts, silent_at FROM device_presence"
    )
    return {
        row[0]: Presence(
            device_id=row[0],
            last_heard_at=row[1],
            last_address=row[2],
            user_agent=row[3],
            rejected=row[4],
            rejected_at=row[5],
            rejected_reason=row[6],
            beat_at=row[7],
            beat_gap=row[8],
            facts=json.loads(str(row[9])) if row[9] else {},
            silent_at=row[10],
        )
        for row in rows
    }


def rejected(db: sqlite3.Connection, device_id: str) -> int:
    """How many refused pushes of a phone are written down."""
    row = db.execute(
        "SELECT rejected FROM device_presence WHERE device_id = ?", (device_id,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def save_presences(db: sqlite3.Connection, changed: Iterable[Presence]) -> None:
    """Write down the last signs of life."""
    db.executemany(
        "INSERT OR REPLACE INTO device_presence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                p.device_id,
                p.last_heard_at,
                p.last_address,
                p.user_agent,
                p.rejected,
                p.rejected_at,
                p.rejected_reason,
                p.beat_at,
                p.beat_gap,
                json.dumps(p.facts) if p.facts else None,
                p.silent_at,
            )
            for p in changed
        ],
    )


def _device(row: Row) -> Device:
    return Device(
        id=row[0],
        name=row[1],
        app=row[2],
        country=row[3],
        signing_key=row[4],
        mapping=json.loads(str(row[5])),
        dedupe_window=row[6],
        silent_after=row[7],
        push_base=row[8],
        created_at=row[9],
        removed_at=row[10],
    )
