"""Copies of the database: made while it is in use, checked, and made ready to take its place.

A copy is one file without a log beside it. Guards that nothing is taken for a database of ours
that is not whole or that works by itself, and that a write-ahead log never meets a database that it
does not belong to.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mmconnect.domain.errors import NewerSchema, Refused, StoreError
from mmconnect.store import accounts, links, migrate, pairings, settings
from mmconnect.store.connection import connect, unavailable

_OURS = ("devices", "device_tokens", "endpoints", "messages", "deliveries", "settings", "revision")
_MAGIC = b"SQLite format 3\0"
"""How every database begins (sqlite.org/fileformat.html)."""
MADE = "backup_made_at"
"""The setting that says when the last copy was made."""
_FULL_OR_BROKEN = "Free some space, or choose another place"
_ENCLOSED = "enclosed_files"
"""A table that only copies have: what lies beside the database and cannot be made again."""
_STEPS = 1000
"""Steps of SQLite's machine between two looks at whether a copy is to wait or to stop."""

Pace = Callable[[], bool]
"""Called again and again while a copy is made, in its thread: may wait; True ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a copy holds."""

    schema: int
    waiting: int
    """Deliveries that had not been delivered when it was made."""
    linked: int = 0
    """Phones that mmconnect fetches from."""
    pairings: bool = False
    """Whether it may hold pairing codes: its schema has them."""
    sessions: bool = False
    """The same for browsers that are logged in."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What lay beside the database, by name: the local CA, with its key."""


def copy(
    source: Path, target: Path, files: Mapping[str, bytes] | None = None, pace: Pace | None = None
) -> Contents:
    """Copy the database at `source`, which may be in use, into the empty file `target`; check it.

    `files` go along. Raises StoreError, and leaves a `target` that is worth nothing.
    """
    with _opened(source, whole=True) as db:
        if pace is not None:
            db.set_progress_handler(pace, _STEPS)
        _vacuum_into(db, target)
    if files:
        _enclose(target, files)
    return check(target, pace)


def check(path: Path, pace: Pace | None = None) -> Contents:
    """What a file holds. Raises Refused when it is no whole database of ours, NewerSchema when it
    was made by a newer mmconnect."""
    with _opened(path) as db:
        if pace is not None:
            db.set_progress_handler(pace, _STEPS)
        try:
            db.execute("PRAGMA trusted_schema = OFF")  # a stranger may have made it
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            found = {name for (name,) in tables}
            schema = migrate.version(db)
            if not found.issuperset(_OURS) or schema < 1:
                raise Refused(f"{path} is a database, but not one of mmconnect")
            newest = migrate.migrations()[-1][0]
            if schema > newest:
                raise NewerSchema(
                    f"{path} was made by a newer mmconnect (schema {schema}, this one knows"
                    f" {newest}). Install that version; nothing has been changed"
                )
            if foreign := migrate.working(db).items() - migrate.at_work(schema).items():
                raise Refused(
                    f"{path} was changed by somebody: it has a trigger or a view that no mmconnect"
                    f" has made ({min(name for name, _ in foreign)[:80]!r}), and that would work on"
                    " your texts by itself"
                )
            (first,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if first != "ok":
                raise Refused(f"{path} is damaged ({str(first).splitlines()[-1]})")
            (waiting,) = db.execute(
                "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'in_flight')"
            ).fetchone()
            linked = 0
            if "phone_links" in found:
                (linked,) = db.execute("SELECT count(*) FROM phone_links").fetchone()
            files: dict[str, bytes] = {}
            if _ENCLOSED in found:
                rows = db.execute(f"SELECT name, content FROM {_ENCLOSED} LIMIT 10")
                files = {name: one for name, one in rows if isinstance(one, bytes)}
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, error) from error
    return Contents(
        schema=schema,
        waiting=waiting,
        linked=linked,
        pairings="pairings" in found,
        sessions="sessions" in found,
        files=files,
    )


def _enclose(target: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a copy, each as a row."""
    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = MEMORY")  # who is interrupted begins anew
            db.execute(f"CREATE TABLE {_ENCLOSED} (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
            db.executemany(f"INSERT INTO {_ENCLOSED} VALUES (?, ?)", files.items())
    except sqlite3.Error as error:
        raise _unwritable(target, error) from error


def stage(file: Path, staged: Path) -> Contents:
    """Make of a backup, in the empty file `staged`, a database that can take the present one's
    place. Raises what check() raises, and StoreError."""
    check(file)
    with _opened(file) as db:
        _vacuum_into(db, staged)
    contents = check(staged)
    try:
        db = sqlite3.connect(staged, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = MEMORY")  # nobody needs it if this is interrupted
            db.execute("PRAGMA synchronous = FULL")
            if contents.files:
                db.execute("PRAGMA secure_delete = ON")  # a key is in one place only
                db.execute(f"DROP TABLE {_ENCLOSED}")
            if contents.pairings:
                pairings.forget(db)  # a code that was used since then is not good again
            if contents.sessions:
                accounts.forget(db)  # nor is a browser let in that was sent out since then
            if contents.linked:
                # texts that came after the backup are in the phones still, but perhaps delivered
                links.ask_before_old_texts(db)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise _unwritable(staged, error) from error
    return contents


def settle(path: Path) -> bool:
    """Work the write-ahead log of a database that nobody uses into it, so that it is one file.

    Whether that was possible; False for one that is damaged, whose log stays. Raises Refused while
    another program has it open.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False  # SQLite would throw the log of such a file away
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA synchronous = FULL")
            (mode,) = db.execute("PRAGMA journal_mode = DELETE").fetchone()
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        ):
            raise _in_use(path) from error
        return False
    if mode != "delete":
        raise _in_use(path)
    return True


def _in_use(path: Path) -> Refused:
    return Refused(f"Another command is working on {path}. Try again when it is through")


@contextlib.contextmanager
def _opened(path: Path, *, whole: bool = False) -> Iterator[sqlite3.Connection]:
    """`whole`: the living database; else a file that is only read, wherever it lies."""
    if whole:
        db = connect(path, patience=10.0)
    else:
        log = path.with_name(f"{path.name}-wal")
        # without a log nothing beside the file is looked at, or made
        alone = "" if log.exists() and log.stat().st_size else "&immutable=1"
        try:
            where = f"file:{quote(str(path.absolute()))}?mode=ro{alone}"
            db = sqlite3.connect(where, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
    try:
        yield db
    finally:
        db.close()


def _vacuum_into(db: sqlite3.Connection, target: Path) -> None:
    try:
        db.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise StoreError(
                f"the database is damaged, so no copy of it can be made ({error}). `mmconnect"
                " doctor` says what to do, `mmconnect backup list` which backups there are"
            ) from error
        raise _unwritable(target, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> Refused:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return Refused(f"{path} is no backup of mmconnect: it is no database at all")
    if code == sqlite3.SQLITE_CORRUPT:
        return Refused(f"{path} is damaged ({error})")
    return Refused(f"{path} cannot be read: {error}")


def _unwritable(path: Path, error: sqlite3.Error) -> StoreError:
    why = unavailable(error) or error
    return StoreError(f"{path} could not be written: {why}. {_FULL_OR_BROKEN}")


def note_made(db: sqlite3.Connection, now: int) -> None:
    """Remember that a copy was made and handed over (UTC ms), so that nobody has to be reminded."""
    settings.put(db, MADE, str(now))


def last_made(db: sqlite3.Connection) -> int | None:
    """When the last one was (UTC ms); None: never."""
    at = settings.value(db, MADE)
    return None if at is None else int(at)
