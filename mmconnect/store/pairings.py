"""Pairings: the codes that open the pairing page, and the browser that each is bound to.

Of codes and cookies only hashes are here. Invariant: a code is bound to the first browser that
asks, and to no other ever after.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mmconnect.store.connection import Row

REMEMBERED = 86_400_000
"""Milliseconds after its end for which a pairing is remembered: its browser may still look."""
AHEAD = 60_000
"""Milliseconds by which the clock may have been set back since a code was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One code's pairing."""

    code_hash: bytes = field(repr=False)
    device_id: str
    created_at: int
    expires_at: int
    cookie_hash: bytes | None = field(repr=False)
    """Of the browser that it is bound to."""
    continued_at: int | None
    paired_at: int | None

    def is_open(self, now: int) -> bool:
        """Whether it can still lead to a paired phone, at `now` (UTC ms)."""
        return self.paired_at is None and self.created_at - AHEAD <= now < self.expires_at


_COLUMNS = "code_hash, device_id, created_at, expires_at, cookie_hash, continued_at, paired_at"


def add(
    db: sqlite3.Connection, code_hash: bytes, device_id: str, now: int, expires_at: int
) -> None:
    """A new code for a device, at `now` (UTC ms); the device's others end."""
    db.execute(
        "DELETE FROM pairings WHERE device_id = ? OR expires_at < ?", (device_id, now - REMEMBERED)
    )
    db.execute(
        f"INSERT INTO pairings ({_COLUMNS}) VALUES (?, ?, ?, ?, NULL, NULL, NULL)",
        (code_hash, device_id, now, expires_at),
    )


def find(db: sqlite3.Connection, code_hash: bytes) -> Pairing | None:
    """The pairing of a code, unless its device was removed."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM pairings WHERE code_hash = ? AND EXISTS (SELECT 1 FROM devices"
        " d WHERE d.id = pairings.device_id AND d.removed_at IS NULL)",
        (code_hash,),
    ).fetchone()
    return None if row is None else _pairing(row)


def of_device(db: sqlite3.Connection, device_id: str) -> Pairing | None:
    """The newest pairing of a device, however it ended; None when there is none."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM pairings WHERE device_id = ? ORDER BY created_at DESC LIMIT 1",
        (device_id,),
    ).fetchone()
    return None if row is None else _pairing(row)


def bind(db: sqlite3.Connection, code_hash: bytes, cookie_hash: bytes, now: int) -> bool:
    """Bind an open pairing to a browser, if it is bound to none; whether it is now."""
    bound = db.execute(
        "UPDATE pairings SET cookie_hash = ?, continued_at = ? WHERE code_hash = ?"
        " AND cookie_hash IS NULL AND paired_at IS NULL AND created_at - ? <= ? AND ? < expires_at",
        (cookie_hash, now, code_hash, AHEAD, now, now),
    )
    return bound.rowcount == 1


def waiting(db: sqlite3.Connection, now: int) -> list[Pairing]:
    """Those that are bound to a browser and wait for the phone."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM pairings WHERE cookie_hash IS NOT NULL AND paired_at IS NULL"
    )
    return [one for one in map(_pairing, rows) if one.is_open(now)]


def paired(db: sqlite3.Connection, device_id: str, now: int) -> bool:
    """The device has pushed: whether that ends a pairing that waited for it."""
    done = db.execute(
        "UPDATE pairings SET paired_at = ? WHERE device_id = ? AND cookie_hash IS NOT NULL"
        " AND paired_at IS NULL AND created_at - ? <= ? AND ? < expires_at",
        (now, device_id, AHEAD, now, now),
    )
    return done.rowcount > 0


def forget(db: sqlite3.Connection) -> None:
    """No code is good any more, and no browser's cookie."""
    db.execute("DELETE FROM pairings")


def _pairing(row: Row) -> Pairing:
    return Pairing(
        code_hash=bytes(row[0]),
        device_id=row[1],
        created_at=row[2],
        expires_at=row[3],
        cookie_hash=None if row[4] is None else bytes(row[4]),
        continued_at=row[5],
        paired_at=row[6],
    )
