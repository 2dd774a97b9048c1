"""The copy that is kept of a database before its schema changes, and the way back to it.

Guards that nothing is migrated which was not copied whole first, on the disk and not only in a
cache, and that copies do not pile up: of several upgrades the last few stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shlex
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mmconnect.domain.errors import StoreError
from mmconnect.store.likeness import same
from mmconnect.store.upkeep import bytes_copied

log = logging.getLogger(__name__)

FOLDER = "backups"
"""In the data directory."""
PREFIX = "before-schema-"
"""And the number of the schema that was about to be made."""
KEPT = 3
"""Copies of that kind."""
ROOM = 16 * 2**20
"""Bytes that stay free beside the copy and what the migration writes."""
_TURN = 0.1
"""Seconds between two looks at whether another process is through."""
_NAME = re.compile(rf"{PREFIX}(\d+)\.db")


def keep_copy(
    db: sqlite3.Connection, path: Path, have: int, growth: int, gets_on: Callable[[], None]
) -> None:
    """Copy the database at `path`, of schema `have`, beside it, for its owner's eyes alone.

    Room is asked for it, and for `growth` times the database, which the migration may write.
    Nothing is copied when another process has migrated it meanwhile, nor when there is a copy that
    still holds the same: a service that fails at this is started again and again, and each copy
    wears a memory card. Raises StoreError, with what to do; then nothing new is there.
    """
    folder = path.parent / FOLDER
    target = folder / f"{PREFIX}{have + 1}.db"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder, gets_on):
            for part in folder.glob(f"{PREFIX}*.part*"):
                part.unlink()  # an end in mid-work has left it
            if _version(db) != have:
                return
            kept = target if target.is_file() and same(path, target, gets_on) else None
            needed = bytes_copied(db) * (growth if kept else growth + 1)
            _find_room(folder, needed, kept=kept)
            if kept:
                log.info("Backup before migrating: %s holds all of it already", target)
            else:
                _make(db, target, have)
    except (OSError, sqlite3.Error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise StoreError(
            f"The backup before migrating could not be written to {target}: {why}."
            " Free some space, or see that mmconnect may write there, and start again;"
            " nothing has been changed"
        ) from error


def _make(db: sqlite3.Connection, target: Path, have: int) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        if _copied(db, part, have):
            part.replace(target)
            _to_disk(target.parent)
            _to_disk(target.parent.parent)  # the folder may be new
            log.info("Backup before migrating: %s", target)
    finally:
        part.unlink(missing_ok=True)


def tidy(path: Path, have: int) -> None:
    """Remove all but the last few copies; of the one that was made just now, of schema `have`, it
    is not asked when it was made, as the clock may be wrong."""
    just_made = f"{PREFIX}{have + 1}.db"
    try:
        found = [(one.name == just_made, one.stat().st_mtime_ns, one) for _, one in _every(path)]
        for *_, old in sorted(found, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)
            log.info("An old copy from before an upgrade was removed: %s", old)
    except OSError as error:
        log.warning("An old copy from before an upgrade could not be removed: %s", error)


def way_back(path: Path, newest: int) -> str:
    """How to go on with a program that knows schemas up to `newest`, in a sentence."""
    fits = [(number, one) for number, one in _every(path) if number <= newest + 1]
    if not fits:
        return (
            "A backup that this version or an older one has made can be put in its place with"
            " `mmconnect restore FILE`"
        )
    _, copy = max(fits)
    where = shlex.quote(str(path.parent.absolute()))
    return (
        "To go back to how it was before the upgrade, without what came since, stop mmconnect and"
        f" say: mmconnect restore {shlex.quote(str(copy.absolute()))} --data-dir {where}"
    )


def _every(path: Path) -> Iterator[tuple[int, Path]]:
    with contextlib.suppress(OSError):  # no folder: none
        for one in (path.parent / FOLDER).iterdir():
            if (match := _NAME.fullmatch(one.name)) and one.is_file():
                yield int(match[1]), one


def _version(db: sqlite3.Connection) -> int:
    (number,) = db.execute("PRAGMA user_version").fetchone()
    return int(number)


def _copied(db: sqlite3.Connection, part: Path, have: int) -> bool:
    """Whether the copy is one of schema `have`, and not of what another process made of it."""
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        db.execute("VACUUM INTO ?", (str(part),))
        os.fsync(fd)
    finally:
        os.close(fd)
    with contextlib.closing(
        sqlite3.connect(f"{part.absolute().as_uri()}?immutable=1", uri=True)
    ) as copy:
        return _version(copy) == have


def _find_room(folder: Path, needed: int, *, kept: Path | None) -> None:
    """Raises StoreError when there is none; `kept` is the copy, where one is there already."""
    free = shutil.disk_usage(folder).free
    if free < needed + ROOM:
        raise StoreError(
            f"Bringing the data up to date{'' if kept else ', with a copy of it before,'} takes"
            f" {-(-(needed + ROOM) // 2**20)} MB, and {free // 2**20} MB are free. Free some space"
            f" where {folder} is{_old(folder, kept)}, and start again; nothing has been changed"
        )


def _old(folder: Path, kept: Path | None) -> str:
    """Which copies from before earlier upgrades may go."""
    names = sorted(one.name for _, one in _every(folder.parent / FOLDER) if one != kept)
    return f" (what is there from earlier upgrades may go: {', '.join(names)})" if names else ""


@contextlib.contextmanager
def _alone(folder: Path, gets_on: Callable[[], None]) -> Iterator[None]:
    """No other process makes one meanwhile: a command and the service may be started together."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                gets_on()
                time.sleep(_TURN)
        yield
    finally:
        os.close(fd)


def _to_disk(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
