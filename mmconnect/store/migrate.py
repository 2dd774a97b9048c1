"""Numbered SQL migrations, run by themselves at start: each in one transaction, after a backup.

The number of the last one is SQLite's `user_version`. A database of a newer mmconnect is refused
kindly; nothing is ever migrated downwards.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from mmconnect.domain.errors import NewerSchema, StoreError
from mmconnect.store.connection import unavailable

log = logging.getLogger(__name__)

HEADWAY = 100_000
"""Steps of SQLite's machine between two signs of headway: milliseconds, even on a slow one."""


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration, in order."""
    found = []
    for file in resources.files("mmconnect.store").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            found.append((int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return sorted(found)


def version(db: sqlite3.Connection) -> int:
    """The number of the last migration this database has seen; 0 for a new one."""
    (number,) = db.execute("PRAGMA user_version").fetchone()
    return int(number)


def at_work(schema: int) -> dict[str, str]:
    """What works by itself in a database of that version, its triggers and views: SQL by name."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _take_steps(db, Path(), [step for step in migrations() if step[0] <= schema], 0)
        return working(db)
    finally:
        db.close()


def working(db: sqlite3.Connection) -> dict[str, str]:
    """The same of a database that is there, whatever it was made by."""
    found = db.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view')"
        " OR sql LIKE 'CREATE VIRTUAL%'"
    )
    return {name: " ".join(sql.split()) for name, sql in found}


def migrate(db: sqlite3.Connection, path: Path, gets_on: Callable[[], None] = lambda: None) -> None:
    """Bring the database up to date, with a copy beside it first when it holds anything.

    `gets_on` is called again and again while SQLite makes headway: for those who wait. Raises
    NewerSchema when the database was written by a newer mmconnect.
    """
    steps = migrations()
    have, newest = version(db), steps[-1][0]
    if have > newest:
        raise NewerSchema(
            f"{path} was written by a newer mmconnect (schema {have}, this one knows {newest})."
            " Install that version again; nothing has been changed"
        )
    todo = [step for step in steps if step[0] > have]

    def step() -> int:
        gets_on()
        return 0  # anything else would interrupt

    db.set_progress_handler(step, HEADWAY)
    db.execute("PRAGMA foreign_keys = OFF")  # a table is changed by making it anew
    try:
        if todo and have:
            _backup(db, path, have)
        _take_steps(db, path, todo, have)
    finally:
        db.execute("PRAGMA foreign_keys = ON")
        db.set_progress_handler(None, 0)


def _take_steps(
    db: sqlite3.Connection, path: Path, todo: list[tuple[int, str, str]], have: int
) -> None:
    for number, name, sql in todo:
        try:
            db.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if version(db) >= number:  # another process was quicker
                continue
            raise unavailable(error, path) or StoreError(
                f"Migration {number} ({name}) failed: {error}. The database is as it was"
            ) from error
        if have:
            log.info("Database migrated to schema %d (%s)", number, name)


def _backup(db: sqlite3.Connection, path: Path, have: int) -> None:
    """Copy the database to `backups/` in its directory, readable for its owner alone."""
    folder = path.parent / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"before-schema-{have + 1}.db"
    target.unlink(missing_ok=True)
    try:
        db.execute("VACUUM INTO ?", (str(target),))
        target.chmod(0o600)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StoreError(
            f"The backup before migrating could not be written to {target}: {error}."
            " Free some space and start again; nothing has been changed"
        ) from error
    log.info("Backup before migrating: %s", target)
