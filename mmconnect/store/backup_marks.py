"""Whether anything worth a new copy has happened: a mark of what a database holds.

Texts, deliveries, what was erased, and everything that somebody has set; not the signs of life that
are written down all day. Two databases of one appliance with the same mark need no two copies.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from mmconnect.store import migrate

_CONFIGURED = (
    *("settings", "devices", "device_tokens", "endpoints", "secrets", "phone_links", "account"),
    "api_keys",
)
_PASSING = {"api_keys": ("last_used_at", "last_address")}
"""Columns that only say that something is in use."""
_GROWING = (
    "SELECT max(id) FROM messages",
    "SELECT min(id) FROM messages",
    "SELECT max(id) FROM deliveries",
    "SELECT count(*) FROM deliveries WHERE state = 'pending'",
    "SELECT max(number) FROM audit",
    "SELECT begun FROM erasures",
)


def mark(db: sqlite3.Connection, *, apart_from: str) -> str | None:
    """The mark, hexadecimal; `apart_from` is a setting that does not count.

    None when there is nothing to lose: no text, no phone and no endpoint has ever been there.
    Raises sqlite3.Error for a database of an older schema.
    """
    facts: list[object] = [db.execute(sql).fetchone()[0] for sql in _GROWING]
    empty = facts[0] is None
    for table in _CONFIGURED:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        used = [name for name in columns if name not in _PASSING.get(table, ())]
        rows = db.execute(f"SELECT {', '.join(used)} FROM {table} ORDER BY 1, 2").fetchall()
        if table in ("devices", "endpoints") and rows:
            empty = False
        facts.append([row for row in rows if row[0] != apart_from])
    return None if empty else hashlib.sha256(repr(facts).encode()).hexdigest()


def mark_of(copy: Path, *, apart_from: str) -> str | None:
    """The mark of a copy, which is a file without a log; None where this version makes others."""
    try:
        where = f"file:{quote(str(copy.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as db:
            if migrate.version(db) != migrate.migrations()[-1][0]:
                return None
            return mark(db, apart_from=apart_from)
    except (sqlite3.Error, OSError):
        return None
