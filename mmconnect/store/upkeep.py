"""Keeping the database file and its write-ahead log small, in steps that nobody waits long for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mmconnect.store.connection import connect, unavailable


def checkpoint(path: Path) -> bool:
    """Carry what stands in the write-ahead log over into the file, beside writers and readers.

    On a connection of its own, for a thread of its own: no writer waits for it. When all of it was
    carried over (True), the next write starts the log anew. Raises StoreUnavailable.
    """
    db = connect(path, readonly=True)
    try:
        busy, frames, done = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        raise unavailable(error, path) or error from error
    finally:
        db.close()
    return not busy and frames == done


def free_pages(db: sqlite3.Connection) -> tuple[int, int]:
    """(pages that hold nothing, pages of the file)."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    return int(free), int(pages)


def vacuum(db: sqlite3.Connection, pages: int) -> None:
    """Give back that many empty pages: the last pages move there, and the file becomes shorter.

    In no transaction. It has a row without columns for each page, which execute() and fetchall()
    take for its end.
    """
    db.executescript(f"PRAGMA incremental_vacuum({pages:d})")


def bytes_copied(db: sqlite3.Connection) -> int:
    """How large a copy of the database will be, about."""
    free, pages = free_pages(db)
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return (pages - free) * int(size)
