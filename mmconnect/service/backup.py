"""Backups as files: written beside the service's work, and put in the database's place.

Guards that a file appears under its name only when it is whole and on the disk, and that a restore
which is interrupted anywhere leaves either the database as it was or the restored one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mmconnect.desk import kept_backups
from mmconnect.desk.kept_backups import BEFORE_RESTORE
from mmconnect.domain.clock import Clock, iso
from mmconnect.domain.errors import MmconnectError, NotFound, Refused, StoreError
from mmconnect.service.lock import FILE as LOCK
from mmconnect.service.lock import Lock
from mmconnect.service.tls import files
from mmconnect.store import backups
from mmconnect.store.backups import Contents, Pace
from mmconnect.store.connection import FILE

KEPT = 3
"""Copies of databases that were replaced: the last ones stay."""
_COMPANIONS = ("-wal", "-shm", "-journal")
Manner = Callable[[int], Pace]
"""What makes, of the descriptor of the file that is written, the pace at which that is done."""
_BESIDE = (files.AUTHORITY_KEY, files.AUTHORITY, files.SERVER)
"""What lies beside the database and goes into a backup: phones trust this CA and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore has done."""

    contents: Contents
    before: Path | None
    """Where the database is that was there before."""
    authority: bool
    """Whether another CA than before is in place: the backup's."""


def back_up(
    directory: Path, file: Path, *, force: bool = False, manner: Manner | None = None
) -> Contents:
    """Write a copy of the database and the CA to `file`, readable for its owner alone.

    `manner`: gently, beside other work. Raises Refused when that is there already and not to be
    replaced, StoreError when it cannot be written; then nothing new is there.
    """
    try:
        may_become(directory, file, force=force)
        part = file.with_name(f"{file.name}.part")
        with _fresh(part) as fd:
            pace = None if manner is None else manner(fd)
            contents = backups.copy(directory / FILE, part, _beside(directory), pace)
            os.fsync(fd)
            part.replace(file)
            _to_disk(file.parent)
    except OSError as error:
        raise StoreError(unwritten(file, error)) from error
    return contents


def may_become(directory: Path, file: Path, *, force: bool) -> None:
    """Raises Refused when `file` is not to be written anew, OSError when it is no name at all.

    A device or a pipe is never replaced: for root, /dev/null would be a file from then on.
    """
    _keep_off(directory, file)
    if file.is_dir():
        raise Refused(f"{file} is a directory: name a file in it")
    if file.exists() and not file.is_file():
        raise Refused(f"{file} is a device or a pipe, which no file can replace. Name a file")
    if file.exists() and not force:
        raise Refused(f"{file} is there already. Choose another name, or replace it with --force")


def unwritten(file: Path, error: OSError) -> str:
    """Why a file that was named could not be written."""
    told = f"{file} cannot be written: {error.strerror or error}"
    if isinstance(error, PermissionError):
        told += f". It is {_us()} who writes it: name a file where that user may write"
    return told


def _beside(directory: Path, prefix: str = "") -> dict[str, bytes]:
    found = {}
    for name in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            found[name] = (directory / f"{prefix}{name}").read_bytes()
    return found


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

    `then` is handed the restored database; when it raises an MmconnectError, what was there before
    is put back.
    """
    try:
        _look_for(file, directory)
        _keep_off(directory, file)
        done = _restore(directory, file, clock)
        try:
            then(directory / FILE)
        except MmconnectError:
            _put_back(directory, done)
            raise
        return done
    except OSError as error:
        raise StoreError(
            f"{file} could not be restored: {error.strerror or error} ({error.filename})"
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
        user = _us()
        raise Refused(
            f"{file} may not be read by {user}, whose the data is. Hand over a copy, and restore"
            f" that: sudo install -o {user} -m 600 {quote(str(file))} {quote(str(directory))}"
        )


def _us() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container, say
        return str(os.geteuid())


def _restore(directory: Path, file: Path, clock: Clock) -> Restored:
    database, staged = directory / FILE, directory / f"{FILE}.restoring"
    with _fresh(staged):
        contents = backups.stage(file, staged)
        _to_disk(staged)
        before = _set_aside(directory, clock) if database.exists() else None
        # A log that is here now belongs to a damaged database, or to none. It must not be taken
        # for the new one's; what it held is kept beside the copy of its own.
        for companion in _COMPANIONS:
            (directory / f"{FILE}{companion}").unlink(missing_ok=True)
        _to_disk(directory)
        staged.replace(database)
        _to_disk(directory)
    authority = _put_authority(directory, _authority_for(file, contents), before)
    return Restored(contents=contents, before=before, authority=authority)


def _authority_for(file: Path, contents: Contents) -> dict[str, bytes]:
    """The CA's files that belong to a backup; those of one that was set aside lie beside it."""
    if contents.files:
        return {name: one for name, one in contents.files.items() if name in _BESIDE}
    return _beside(file.parent, f"{file.name}-")


def _put_authority(directory: Path, found: dict[str, bytes], before: Path | None) -> bool:
    """The backup's CA takes the present one's place, which is set aside; whether it is another."""
    present = _beside(directory)
    of = (files.AUTHORITY_KEY, files.AUTHORITY)
    if not found or all(found.get(name) == present.get(name) for name in of):
        return False
    if before is not None:
        for name, content in present.items():
            files.write(before.with_name(f"{before.name}-{name}"), content)
    for name in _BESIDE:
        if name in found:
            files.write(directory / name, found[name])
        else:
            (directory / name).unlink(missing_ok=True)
    return True


def _put_back(directory: Path, done: Restored) -> None:
    """What a restore has replaced takes its place again, and is no copy any more."""
    if done.before is None:
        return
    before = done.before
    beside = _beside(before.parent, f"{before.name}-")
    for companion in _COMPANIONS:
        (directory / f"{FILE}{companion}").unlink(missing_ok=True)
    _to_disk(directory)
    for companion in ("", *_COMPANIONS):  # a log only when its own database is there
        kept = before.with_name(f"{before.name}{companion}")
        if kept.exists():
            staged = directory / f"{FILE}.restoring{companion}"
            _second_name(kept, staged)
            staged.replace(directory / f"{FILE}{companion}")
            _to_disk(directory)
    if done.authority:
        for name in _BESIDE:
            if name in beside:
                files.write(directory / name, beside[name])
            else:
                (directory / name).unlink(missing_ok=True)
    kept_backups.remove(before)


def _set_aside(directory: Path, clock: Clock) -> Path:
    """Keep the present database under `backups/`; where it is then."""
    database, folder = directory / FILE, directory / kept_backups.FOLDER
    whole = backups.settle(database)
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = iso(clock.now()).replace(":", "").replace(".", "")
    kept = folder / f"{BEFORE_RESTORE}{stamp}.db"
    for old in folder.glob(f"{BEFORE_RESTORE}*.db"):
        if old.samefile(database):  # a restore was killed just before its end
            old.unlink()
    for companion in ("", *(() if whole else _COMPANIONS)):
        here = directory / f"{FILE}{companion}"
        if here.exists():
            _second_name(here, kept.with_name(f"{kept.name}{companion}"))
    _to_disk(folder)
    for old in sorted(folder.glob(f"{BEFORE_RESTORE}*.db"))[:-KEPT]:
        kept_backups.remove(old)
    return kept


def _second_name(here: Path, there: Path) -> None:
    """The same file under another name, which costs no space; a copy where that cannot be."""
    there.unlink(missing_ok=True)
    try:
        os.link(here, there)
    except OSError:
        shutil.copyfile(here, there)
        there.chmod(0o600)
        _to_disk(there)


def _keep_off(directory: Path, file: Path) -> None:
    """A backup is another file than those that mmconnect works with."""
    ours = [directory / name for name in (FILE, *(f"{FILE}{c}" for c in _COMPANIONS), LOCK)]
    if file.exists() and any(one.exists() and one.samefile(file) for one in ours):
        raise Refused(f"{file} is a file that mmconnect works with. Name another one")


@contextlib.contextmanager
def _fresh(path: Path) -> Iterator[int]:
    """An empty file for our owner's eyes that nobody else is filling; gone if that fails."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"Another command is writing {path} just now") from None
        with contextlib.suppress(PermissionError):  # a memory stick's FAT knows no such thing
            os.fchmod(fd, 0o600)
        os.ftruncate(fd, 0)  # what a command that was killed has left
        _alone(path)
        try:
            yield fd
        except BaseException:
            path.unlink(missing_ok=True)
            _alone(path)
            raise
    finally:
        os.close(fd)


def _alone(path: Path) -> None:
    """No journal of an earlier file of that name stays: it would be taken for this one's."""
    for companion in _COMPANIONS:
        path.with_name(f"{path.name}{companion}").unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """What was written is on the disk, or of a directory, who is in it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
