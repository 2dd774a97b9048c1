"""Is the database whole, of a version that is known here, and its log of a sensible size?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from mmconnect.desk.doctor import Check, Finding, Findings
from mmconnect.store.connection import WAL_LIMIT
from mmconnect.store.inspection import Damage, Schema

DATABASE = Check("database", "Database")
SCHEMA = Check("schema", "Version of the data")
LOG = Check("log", "Logs")
WAL_LARGE = 4 * WAL_LIMIT
"""Bytes of the write-ahead log: beyond WAL_LIMIT each commit tries to shorten it, so four times
that says that somebody keeps it from being shortened."""
JOURNAL_LARGE = 4 * 2**30
"""Bytes: journald's own limit where nobody has set another (journald.conf(5), SystemMaxUse=)."""
PLAIN_LARGE = 2**30


def check(
    damage: Damage,
    size: int,
    *,
    whole: bool,
    seconds: float,
    copies: Sequence[Path] = (),
) -> Finding:
    """Judge what SQLite has found in a database of `size` bytes; `whole`: it took its time.

    `copies` as for broken().
    """
    told = _size(size)
    if damage.first:
        return broken(f"It is damaged: {'; '.join(damage.first)}.", copies)
    if not damage.finished:
        return DATABASE.note(
            f"{told}: no damage was found in {seconds:.0f} s, but that was not all of it.",
            "`mmconnect doctor --full` looks at everything, however long that takes.",
        )
    how = "every page, index and reference" if whole else "every page"
    return DATABASE.ok(f"{told}, and whole ({how} was looked at).")


def broken(found: str, copies: Sequence[Path]) -> Finding:
    """It cannot be used; `copies` are backups that are at hand, the newest first."""
    at_hand = f", {quote(str(copies[0]))} say" if copies else ""
    return DATABASE.problem(
        found,
        f"Stop the service, and put a backup in its place{at_hand}: `mmconnect restore FILE`. The"
        " damaged file is kept beside it. Then look at the disk: it is the usual reason.",
    )


def closed(why: str) -> Finding:
    """It cannot be opened, and nothing says that it is damaged."""
    return DATABASE.problem(
        f"It cannot be opened: {why}.", "See what is found of the data directory and of the disk."
    )


def none(path: Path) -> Finding:
    """There is no database."""
    return DATABASE.problem(
        f"There is no database in {path.parent} yet.", "`mmconnect serve` makes it."
    )


def version(schema: Schema, *, running: bool) -> Findings:
    """Judge what made the database."""
    if schema.number < 1:
        yield SCHEMA.problem(
            "Nothing of mmconnect is in the database: it is empty, or somebody else's.",
            "If there were texts in it, put a backup in its place: `mmconnect restore FILE`. Else"
            " the next start begins a new one in it.",
        )
    elif schema.number > schema.newest:
        yield SCHEMA.problem(
            f"The data was written by a newer mmconnect (schema {schema.number}; this one knows"
            f" {schema.newest}).",
            "Install that version again, or restore a backup that was made before; nothing has been"
            " changed.",
        )
    elif schema.number < schema.newest:
        again = "Start the service anew: it" if running else "The next start"
        yield SCHEMA.note(
            f"The data is of schema {schema.number}, and this mmconnect has {schema.newest}.",
            f"{again} brings it up to date, after a backup.",
        )
    else:
        yield SCHEMA.ok(f"Schema {schema.number}, the one that this mmconnect makes.")
    if schema.foreign:
        yield SCHEMA.problem(
            f"Somebody has put something into the database that works by itself"
            f" ({', '.join(schema.foreign)}).",
            "Find out who it was. Restore a backup that was made before.",
        )


def logs(wal: int, journal: int, disk: int, plain: dict[str, int]) -> Findings:
    """Judge sizes in bytes: of the write-ahead log, of journald's files, of the disk that they are
    on, and of other logs of the system, by name."""
    fine = True
    if wal > WAL_LARGE:
        fine = False
        yield LOG.problem(
            f"The database's write-ahead log has grown to {wal / 2**20:,.0f} MB.",
            "Another program keeps the database open, a copy or a shell say: end it. If there is"
            " none, start the service anew.",
        )
    if journal > min(JOURNAL_LARGE, disk // 10 or JOURNAL_LARGE) * 1.1:
        fine = False
        yield LOG.note(
            f"The system's journal takes {journal / 2**20:,.0f} MB.",
            "`sudo journalctl --vacuum-size=200M` makes it smaller; `SystemMaxUse=200M` in"
            " /etc/systemd/journald.conf keeps it so.",
        )
    for name, size in plain.items():
        if size > PLAIN_LARGE:
            fine = False
            yield LOG.note(
                f"{name} takes {size / 2**20:,.0f} MB.", "See that `logrotate` does its work."
            )
    if fine:
        beside = f", the system's journal {journal / 2**20:,.0f} MB" if journal else ""
        yield LOG.ok(f"The database's log takes {wal / 2**20:,.1f} MB{beside}.")


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MB" if count >= 2**20 else f"{count // 1024} KB"


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a directory; 0 for what may not be looked at."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    except OSError:
        return 0
