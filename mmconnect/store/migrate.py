"""Numbered SQL migrations, run by themselves at start: in one transaction, after a backup.

The number of the last one is SQLite's `user_version`. A database of a newer mmconnect is refused
kindly; nothing is ever migrated downwards.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

from mmconnect.domain.errors import NewerSchema, StoreError, StoreUnavailable
from mmconnect.store import before
from mmconnect.store.connection import unavailable

log = logging.getLogger(__name__)

HEADWAY = 100_000
"""Steps of SQLite's machine between two signs of headway: milliseconds, even on a slow one."""

ANEW, IN_PLACE = 2, 1
"""How many times the database a migration may write beside it, in its log and then in the file:
1.8 where the large tables are made anew (from schema 1; the old ones are wiped), else indexes."""


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


def outdated(db: sqlite3.Connection) -> bool:
    """Whether an older mmconnect has made this database, and it has to be brought up to date."""
    return 0 < version(db) < migrations()[-1][0]


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
            f"{path} was written by a newer mmconnect (schema {have}, this one knows {newest});"
            " nothing has been changed. Install that version again."
            f" {before.way_back(path, newest)}"
        )
    todo = [step for step in steps if step[0] > have]

    def step() -> int:
        gets_on()
        return 0  # anything else would interrupt

    db.set_progress_handler(step, HEADWAY)
    db.execute("PRAGMA foreign_keys = OFF")  # a table is changed by making it anew
    try:
        if todo and have:
            anew = any("DROP TABLE" in sql for _, _, sql in todo)
            before.keep_copy(db, path, have, ANEW if anew else IN_PLACE, gets_on)
        _take_steps(db, path, todo, have)
        if todo and have:
            before.tidy(path, have)
    finally:
        db.execute("PRAGMA foreign_keys = ON")
        db.set_progress_handler(None, 0)


def _take_steps(
    db: sqlite3.Connection, path: Path, todo: list[tuple[int, str, str]], have: int
) -> None:
    if not todo:
        return
    step = "to begin with"
    try:
        db.execute("BEGIN IMMEDIATE")
        there = version(db)  # another process may have been quicker
        for number, name, sql in todo:
            step = f"{number} ({name})"
            if number > there:
                for statement in _statements(sql):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if told := unavailable(error, path):
            raise StoreUnavailable(
                f"{told}: its data could not be brought up to date, and is as it was. Mend that"
                " (a full disk: free some space) and start again"
            ) from error
        raise StoreError(f"Migration {step} failed: {error}. The database is as it was") from error
    if have and there < todo[-1][0]:
        log.info("Database migrated from schema %d to %d", there, todo[-1][0])


def _statements(sql: str) -> Iterator[str]:
    """One after the other: executescript() would end the transaction."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement  # a comment, or a fault that SQLite names
