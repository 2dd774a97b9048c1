"""One SQLite connection, set up as every connection of mmconnect is.

WAL with synchronous=FULL: a commit is on the disk before anybody is told of it. Only the writer's
connection may write; readers are `query_only`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmconnect.domain.errors import StoreError, StoreUnavailable

Row = tuple[Any, ...]
"""What STRICT tables give; each table family turns it into a value in one function."""

FILE = "mmconnect.db"
PAGE = 2048
"""Bytes. A text changes a dozen pages, and each goes to the disk whole, twice: of 4096 bytes they
wear a card out a third sooner, while with 1024 an ordinary attempt no longer fits on one page."""
CHECKPOINT = 4 * 2**20
"""Bytes of the write-ahead log after which the janitor works it into the database, beside texts.
As much of the file stays when the log starts anew."""
WAL_LIMIT = 16 * 2**20
"""Bytes after which a COMMIT does that itself, as the janitor could not keep up or is not there."""

# Primary result codes that are about the disk or a lock, not about the statement.
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
    }
)


def connect(path: Path, *, patience: float = 5.0, readonly: bool = False) -> sqlite3.Connection:
    """Open the database file; `patience` is how many seconds to wait for another's lock.

    Raises StoreError when the file is not a database, StoreUnavailable when it cannot be opened.
    """
    try:
        db = sqlite3.connect(
            path,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            db.execute("PRAGMA foreign_keys = ON")
            if readonly:
                db.execute("PRAGMA query_only = ON")
            else:
                if db.execute("PRAGMA page_count").fetchone() == (0,):
                    # possible on a new file only; on another it would still be a write
                    db.execute(f"PRAGMA page_size = {PAGE}")
                    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
                if mode != "wal":
                    raise StoreError(
                        f"{path.parent} is on a file system that SQLite cannot keep a write-ahead"
                        " log on (a network share?). Choose a local directory with --data-dir"
                    )
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA secure_delete = ON")
                db.execute(f"PRAGMA journal_size_limit = {CHECKPOINT}")
                db.execute(f"PRAGMA wal_autocheckpoint = {WAL_LIMIT // PAGE}")
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except BaseException:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise unavailable(error, path) or StoreError(f"{path} cannot be used: {error}") from error
    return db


def wait_at_most(db: sqlite3.Connection, seconds: float) -> None:
    """How long statements of this connection wait for another's lock from now on."""
    db.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def unavailable(error: sqlite3.Error, path: Path | None = None) -> StoreUnavailable | None:
    """The error to tell when this one is about the disk or a lock; None when it is our mistake."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _UNAVAILABLE:
        return None
    where = f"{path}: " if path else ""
    return StoreUnavailable(f"{where}{_REASON.get(code & 0xFF, str(error))} ({error})")


_REASON = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database cannot be written (read-only)",
    sqlite3.SQLITE_BUSY: "another program holds the database",
    sqlite3.SQLITE_LOCKED: "another program holds the database",
    sqlite3.SQLITE_IOERR: "the disk gave an input/output error",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database; move it away or restore a backup",
}


def ended(db: sqlite3.Connection) -> None:
    """End a transaction that has only read: of a damaged database even that may fail."""
    with suppress(sqlite3.DatabaseError):
        db.execute("COMMIT")
    if db.in_transaction:
        with suppress(sqlite3.DatabaseError):
            db.execute("ROLLBACK")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT for a program that is alone with its connection (the CLI).

    Raises StoreUnavailable when the disk or a lock is in the way; nothing is half-done.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and (told := unavailable(error)):
            raise told from error
        raise
