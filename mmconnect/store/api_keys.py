"""Keys of the REST API, as hashes: what each may do, until when, and when it was last used.

A key that was revoked stays as a row without power: the audit list names it by its id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmconnect.store.connection import Row

_COLUMNS = (
    "id, name, hint, scopes, created_at, expires_at, last_used_at, last_address, revoked_at,"
    " key_hash"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without what is secret of it. Times are UTC milliseconds."""

    id: str
    name: str
    hint: str
    """Its last letters, by which a person tells two of them apart."""
    scopes: frozenset[str]
    """What it may do, as desk/keys.py names it."""
    created_at: int
    expires_at: int | None = None
    """When it ends by itself; None: it does not."""
    last_used_at: int | None = None
    last_address: str | None = None
    revoked_at: int | None = None
    digest: bytes = field(repr=False)
    """SHA-256 of the key."""

    def is_good(self, now: int) -> bool:
        """Whether it opens anything, at `now` (UTC ms)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def add(db: sqlite3.Connection, key: ApiKey) -> None:
    """A new key."""
    db.execute(
        f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id,
            key.name,
            key.hint,
            _written(key.scopes),
            key.created_at,
            key.expires_at,
            key.last_used_at,
            key.last_address,
            key.revoked_at,
            key.digest,
        ),
    )


def find(db: sqlite3.Connection, digest: bytes) -> ApiKey | None:
    """The key with that SHA-256, whether or not it is still good."""
    row = db.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = ?", (digest,)).fetchone()
    return None if row is None else _key(row)


def get(db: sqlite3.Connection, key_id: str) -> ApiKey | None:
    """The key with that id, revoked or not."""
    row = db.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE id = ?", (key_id,)).fetchone()
    return None if row is None else _key(row)


def known(db: sqlite3.Connection) -> list[ApiKey]:
    """Those that were not revoked, oldest first; they may have ended by themselves."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE revoked_at IS NULL ORDER BY id")
    return [_key(row) for row in rows]


def used(db: sqlite3.Connection, key_id: str, now: int, address: str) -> None:
    """A key was used from an address."""
    db.execute(
        "UPDATE api_keys SET last_used_at = ?, last_address = ? WHERE id = ?",
        (now, address, key_id),
    )


def revoke(db: sqlite3.Connection, key_id: str, now: int) -> bool:
    """End a key; whether that changes anything."""
    done = db.execute(
        "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now, key_id)
    )
    return done.rowcount > 0


def _written(scopes: Iterable[str]) -> str:
    return json.dumps(sorted(scopes))


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        hint=row[2],
        scopes=frozenset(json.loads(row[3])),
        created_at=row[4],
        expires_at=row[5],
        last_used_at=row[6],
        last_address=row[7],
        revoked_at=row[8],
        digest=bytes(row[9]),
    )
