"""Whether a copy still holds what the database holds, row for row.

Reading both costs a memory card nothing, while writing a copy anew wears it. In doubt they differ:
who asks then makes another copy.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote

_ROWS = 10_000
"""Between two signs of headway."""


def same(database: Path, copy: Path, gets_on: Callable[[], None] = lambda: None) -> bool:
    """Whether both have the same schema and the same rows; False when one cannot be read.

    `copy` is a file that nobody writes, without a log beside it.
    """
    try:
        with (
            contextlib.closing(_opened(database, "mode=ro")) as ours,
            contextlib.closing(_opened(copy, "immutable=1")) as theirs,
        ):
            ours.execute("BEGIN")  # one snapshot
            return all(
                _same_rows(ours, theirs, look, gets_on)
                for look in (*_SCHEMA, *map(_every_row, _tables(ours)))
            )
    except sqlite3.Error:
        return False


_SCHEMA = (
    "PRAGMA user_version",
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name",
)


def _opened(path: Path, how: str) -> sqlite3.Connection:
    where = f"file:{quote(str(path.absolute()))}?{how}"
    db = sqlite3.connect(where, uri=True, isolation_level=None)
    db.text_factory = bytes  # also what is not UTF-8
    return db


def _tables(db: sqlite3.Connection) -> list[str]:
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
    return [name.decode() for (name,) in names]


def _every_row(table: str) -> str:
    quoted = table.replace('"', '""')
    return f'SELECT * FROM "{quoted}" NOT INDEXED'  # in the order of its keys


def _same_rows(
    ours: sqlite3.Connection,
    theirs: sqlite3.Connection,
    look: str,
    gets_on: Callable[[], None],
) -> bool:
    both = zip_longest(ours.execute(look), theirs.execute(look))
    for number, (one, other) in enumerate(both):
        if one != other:
            return False
        if number % _ROWS == 0:
            gets_on()
    return True
