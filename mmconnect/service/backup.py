"""Backups as files, written beside the service's work; service/restoring.py puts them in place.

Guards that a file appears under its name only when it is whole and on the disk, and takes the place
of none that mmconnect works with.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

from mmconnect.domain.errors import Refused, StoreError
from mmconnect.service.lock import FILE as LOCK
from mmconnect.service.tls import files
from mmconnect.store import backups
from mmconnect.store.backups import Contents, Pace
from mmconnect.store.connection import FILE

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite may have beside a database."""
Manner = Callable[[int], Pace]
"""What makes, of the descriptor of the file that is written, the pace at which that is done."""
BESIDE = (files.AUTHORITY_KEY, files.AUTHORITY, files.SERVER)
"""What lies beside the database and goes into a backup: phones trust this CA and no other."""


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
        with fresh(part) as fd:
            pace = None if manner is None else manner(fd)
            contents = backups.copy(directory / FILE, part, beside(directory), pace)
            os.fsync(fd)
            part.replace(file)
            to_disk(file.parent)
    except OSError as error:
        raise StoreError(unwritten(file, error)) from error
    return contents


def may_become(directory: Path, file: Path, *, force: bool) -> None:
    """Raises Refused when `file` is not to be written anew, OSError when it is no name at all.

    A device or a pipe is never replaced: for root, /dev/null would be a file from then on.
    """
    keep_off(directory, file)
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
        told += f". It is {us()} who writes it: name a file where that user may write"
    return told


def beside(directory: Path, prefix: str = "") -> dict[str, bytes]:
    """The CA's files, by name; `prefix` is before their names there. Raises OSError."""
    found = {}
    for name in BESIDE:
        with contextlib.suppress(FileNotFoundError):
            found[name] = (directory / f"{prefix}{name}").read_bytes()
    return found


def us() -> str:
    """As whom this process works."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container, say
        return str(os.geteuid())


def keep_off(directory: Path, file: Path) -> None:
    """A backup is another file than those that mmconnect works with. Raises Refused."""
    ours = [directory / name for name in (FILE, *(f"{FILE}{c}" for c in COMPANIONS), LOCK)]
    if file.exists() and any(one.exists() and one.samefile(file) for one in ours):
        raise Refused(f"{file} is a file that mmconnect works with. Name another one")


@contextlib.contextmanager
def fresh(path: Path) -> Iterator[int]:
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
    for companion in COMPANIONS:
        path.with_name(f"{path.name}{companion}").unlink(missing_ok=True)


def to_disk(path: Path) -> None:
    """What was written is on the disk, or of a directory, who is in it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
