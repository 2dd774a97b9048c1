"""A backup takes the database's place, and what was there is kept under `backups/`.

Guards that a restore which fails, or is interrupted anywhere, leaves either the database as it was
or the restored one; that a command has neither of them open meanwhile; and that what was set aside
just now stays, whatever the clock says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mmconnect.desk import kept_backups
from mmconnect.desk.kept_backups import BEFORE_RESTORE
from mmconnect.domain.clock import Clock, iso
from mmconnect.domain.errors import NotFound, Refused, StoreError
from mmconnect.service.backup import BESIDE, COMPANIONS, beside, fresh, keep_off, to_disk, us
from mmconnect.service.lock import Lock, at_work
from mmconnect.service.tls import files
from mmconnect.store import backups
from mmconnect.store.backups import Contents
from mmconnect.store.connection import FILE

KEPT = 3
"""Copies of databases that were replaced: the last ones stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore has done."""

    contents: Contents
    before: Path | None
    """Where the database is that was there before."""
    authority: bool
    """Whether another CA than before is in place: the backup's."""


def restore(directory: Path, file: Path, clock: Clock) -> Restored:
    """Put a backup in the database's place; the service must not run, and cannot start meanwhile.

    Raises AlreadyRunning, NotFound, Refused, NewerSchema or StoreError; then nothing has changed.
    """
    lock = Lock(directory)
    try:
        return restore_held(directory, file, clock)
    finally:
        lock.release()


def restore_held(
    directory: Path, file: Path, clock: Clock, then: Callable[[Path], None] = lambda database: None
) -> Restored:
    """restore() for whoever holds the directory's lock, with the database closed.

    `then` is handed the restored database; when it raises, what was there before is put back.
    """
    try:
        _look_for(file, directory)
        keep_off(directory, file)
        staged = directory / f"{FILE}.restoring"
        with fresh(staged):
            contents = backups.stage(file, staged)
            to_disk(staged)
            authority = _authority_for(file, contents)
            with at_work(directory, alone=True):
                return _exchange(directory, staged, contents, authority, clock, then)
    except OSError as error:
        at = f" ({error.filename})" if error.filename else ""
        raise StoreError(
            f"{file} could not be restored: {error.strerror or error}{at}. Nothing has been changed"
        ) from error


def _look_for(file: Path, directory: Path) -> None:
    """Raises NotFound, and Refused when it is there, but not for us to read."""
    try:
        if not file.is_file():
            raise NotFound(f"There is no file {file}")
        readable = os.access(file, os.R_OK)
    except PermissionError:
        readable = False
    if not readable:
        user = us()
        raise Refused(
            f"{file} may not be read by {user}, whose the data is. Hand over a copy, and restore"
            f" that: sudo install -o {user} -m 600 {quote(str(file))} {quote(str(directory))}"
        )


def _authority_for(file: Path, contents: Contents) -> dict[str, bytes]:
    """The CA's files that belong to a backup; those of one that was set aside lie beside it."""
    if contents.files:
        return {name: one for name, one in contents.files.items() if name in BESIDE}
    return beside(file.parent, f"{file.name}-")


def _exchange(
    directory: Path,
    staged: Path,
    contents: Contents,
    authority: dict[str, bytes],
    clock: Clock,
    then: Callable[[Path], None],
) -> Restored:
    """What is there is set aside, and the backup takes its place; if that fails, the other way."""
    database, present = directory / FILE, beside(directory)
    of = (files.AUTHORITY_KEY, files.AUTHORITY)
    another = bool(authority) and any(authority.get(name) != present.get(name) for name in of)
    had = database.exists()
    whole = not had or backups.settle(database)
    kept = _fresh_name(directory, clock)
    try:
        _set_aside(database, kept, () if whole else COMPANIONS, present if another else {})
    except BaseException:  # nothing has been replaced yet
        kept_backups.remove(kept)
        raise
    try:
        # A log that is here now belongs to a damaged database, or to none. It must not be taken
        # for the new one's; what it held is kept beside the copy of its own.
        _drop_logs(directory)
        staged.replace(database)
        to_disk(directory)
        if another:
            _put_authority(directory, authority)
        then(database)
    except BaseException as error:
        try:
            if another:
                _put_authority(directory, present)
            _put_back(database, kept)
        except OSError as again:
            raise StoreError(
                f"The restore failed ({error}), and what was there could not be put back ({again})."
                f" It is in {kept}: see that mmconnect can write, and restore that one"
            ) from error
        kept_backups.remove(kept)
        raise
    _forget_older(kept)
    return Restored(contents=contents, before=kept if had else None, authority=another)


def _fresh_name(directory: Path, clock: Clock) -> Path:
    """Where the present database is kept from now on."""
    folder = directory / kept_backups.FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    now = clock.now()
    while True:
        stamp = iso(now).replace(":", "").replace(".", "")
        kept = folder / f"{BEFORE_RESTORE}{stamp}.db"
        if not kept.exists():
            return kept
        now += 1


def _set_aside(
    database: Path, kept: Path, companions: Sequence[str], authority: dict[str, bytes]
) -> None:
    """Keep the database, if there is one, with its logs and these files."""
    if database.exists():
        for old in kept.parent.glob(f"{BEFORE_RESTORE}*.db"):
            if old.samefile(database):  # a restore was killed before its end
                kept_backups.remove(old)
    for companion in ("", *companions):
        here = database.with_name(f"{database.name}{companion}")
        if here.exists():
            _second_name(here, kept.with_name(f"{kept.name}{companion}"))
    for name, content in authority.items():
        files.write(kept.with_name(f"{kept.name}-{name}"), content)
    to_disk(kept.parent)


def _forget_older(kept: Path) -> None:
    """Of the copies that were set aside, the last ones stay; this one is the last, even if it is
    named by a clock that is behind."""
    others = [one for one in kept.parent.glob(f"{BEFORE_RESTORE}*.db") if one != kept]
    for old in sorted(others)[: -(KEPT - 1)]:
        kept_backups.remove(old)


def _put_authority(directory: Path, wanted: dict[str, bytes]) -> None:
    for name in BESIDE:
        if name in wanted:
            files.write(directory / name, wanted[name])
        else:
            (directory / name).unlink(missing_ok=True)


def _put_back(database: Path, kept: Path) -> None:
    """The database that was set aside takes its place again; without one there is none again."""
    _drop_logs(database.parent)
    if not kept.exists():
        database.unlink(missing_ok=True)
    for companion in ("", *COMPANIONS):  # a log only when its own database is there
        found = kept.with_name(f"{kept.name}{companion}")
        if found.exists():
            staged = database.with_name(f"{database.name}.restoring{companion}")
            _second_name(found, staged)
            staged.replace(database.with_name(f"{database.name}{companion}"))
            to_disk(database.parent)


def _drop_logs(directory: Path) -> None:
    for companion in COMPANIONS:
        (directory / f"{FILE}{companion}").unlink(missing_ok=True)
    to_disk(directory)


def _second_name(here: Path, there: Path) -> None:
    """The same file under another name, which costs no space; a copy where that cannot be."""
    there.unlink(missing_ok=True)
    try:
        os.link(here, there)
    except OSError:
        shutil.copyfile(here, there)
        there.chmod(0o600)
        to_disk(there)
