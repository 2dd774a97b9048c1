"""Looking at a database that may be damaged, newer, or in use, and changing nothing in it.

What is found of damage is SQLite's own word for it. How long a look may take is bounded, as one
through gigabytes on an SD card takes minutes.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mmconnect.domain.errors import StoreError, StoreUnavailable
from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.store import migrate
from mmconnect.store.connection import unavailable
from mmconnect.store.delivery_lists import FLYING

PATIENCE = 5.0
"""Seconds to wait for another's lock."""
_AGAIN = 0.005
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(StoreError):
    """The file is no database, or not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What a check has found."""

    first: tuple[str, ...] = ()
    """SQLite's words for the first few faults; none when it is whole."""
    finished: bool = True
    """Whether it came to the end in the time that it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What made a database."""

    number: int
    newest: int
    """What this mmconnect would make."""
    foreign: tuple[str, ...] = ()
    """Triggers and views that no mmconnect has made."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises Damaged, or StoreUnavailable with the reason."""
    try:
        # after a stop in good order nothing beside the file is looked at, or made; but an empty log
        # alone says nothing: whoever works with the file may have carried it over just now
        log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
        used = log.exists() and (shared.exists() or log.stat().st_size)
        alone = "" if used else "&immutable=1"
        db = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro{alone}",
            uri=True,
            isolation_level=None,
            timeout=PATIENCE,
            check_same_thread=False,
        )
    except (sqlite3.Error, OSError) as error:
        raise _told(error, path) from error
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield db
    except sqlite3.Error as error:
        raise _told(error, path) from error
    finally:
        db.close()


def damage(db: sqlite3.Connection, seconds: float, *, whole: bool = False) -> Damage:
    """Check the database for `seconds` at the most; `whole`: its indexes and references, too.

    Raises sqlite3.Error when the disk, and not the file, is the matter.
    """
    kind = "integrity_check" if whole else "quick_check"
    done = threading.Event()
    watch = threading.Thread(target=_interrupt, args=(db, seconds, done), daemon=True)
    watch.start()
    try:
        found = [str(row[0]) for row in db.execute(f"PRAGMA {kind}(5)")]
        if whole and found == ["ok"]:
            lost = db.execute("PRAGMA foreign_key_check").fetchmany(5)
            found += [f"a row of {row[0]} refers to none of {row[2]}" for row in lost]
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return Damage(finished=False)
        if code in _DAMAGED:
            return Damage(first=(str(error),))
        raise
    finally:
        done.set()
        watch.join()  # or it would interrupt what comes next
    lines = [line for text in found for line in text.splitlines() if line != "ok"]
    return Damage(first=tuple(line for line in lines if not line.startswith("*** in database"))[:5])


def schema(db: sqlite3.Connection) -> Schema:
    """What made it, and what works in it by itself."""
    number, newest = migrate.version(db), migrate.migrations()[-1][0]
    foreign: tuple[str, ...] = ()
    if 1 <= number <= newest:
        ours = migrate.at_work(number).items()
        foreign = tuple(sorted(name for name, _ in migrate.working(db).items() - ours))
    return Schema(number=number, newest=newest, foreign=foreign)


def in_flight(db: sqlite3.Connection) -> dict[str, int]:
    """Since when (UTC ms) the oldest attempt of each endpoint is under way, where there is one."""
    rows = db.execute(
        "SELECT endpoint_id, min(coalesce(started_at, created_at)) FROM deliveries"
        f" WHERE id IN ({FLYING}) GROUP BY endpoint_id"
    )
    return {endpoint_id: int(since) for endpoint_id, since in rows}


def came_between(db: sqlite3.Connection, since: int, until: int) -> bool:
    """Whether any message that is still there came between two times (UTC ms), as its id tells."""
    row = db.execute(
        "SELECT 1 FROM messages WHERE id >= ? AND id < ? LIMIT 1",
        (first_at(MESSAGE, max(0, since)), first_at(MESSAGE, max(0, until))),
    ).fetchone()
    return row is not None


def _interrupt(db: sqlite3.Connection, seconds: float, done: threading.Event) -> None:
    """End what `db` does, again and again, as only what has begun can be ended."""
    if done.wait(seconds):
        return
    while not done.wait(_AGAIN):
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed just now
            db.interrupt()


def _told(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    if isinstance(error, OSError):
        return StoreUnavailable(f"{path}: {error.strerror or error}")
    told = unavailable(error, path)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return Damaged(str(told))
    return told or StoreError(f"{path} cannot be used: {error}")
