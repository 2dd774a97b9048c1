"""A file that root names, for a command that works as the data's owner, who may not read it.

A backup lies in somebody's home, say. It is opened while the command still is root, and its content
is copied into the data directory. Guards that the owner of the data leads root to no file: neither
by a link nor by a folder of his.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from mmconnect.desk import passing
from mmconnect.domain.errors import MmconnectError


@contextlib.contextmanager
def opened_as_root(file: Path, directory: Path) -> Iterator[int | None]:
    """The descriptor of `file`, for readable(); None where that is of no use, or not safe."""
    fd = _open(file, directory)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _open(file: Path, directory: Path) -> int | None:
    if os.geteuid() != 0:
        return None
    try:
        owner = directory.stat().st_uid
        way = [step.lstat() for step in (file, *file.parents)]
        if ".." in file.parts or any(
            stat.S_ISLNK(step.st_mode) or step.st_uid == owner != 0 for step in way
        ):
            return None
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None  # it is found again, and told
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


@contextlib.contextmanager
def readable(file: Path, fd: int | None, directory: Path) -> Iterator[Path]:
    """`file`, or what can be read instead of it; errors name `file`. Raises OSError."""
    if fd is None or os.access(file, os.R_OK):
        yield file
        return
    copy = passing.download(directory)
    try:
        with open(fd, "rb", closefd=False) as source, copy.open("xb") as target:
            os.fchmod(target.fileno(), 0o600)
            shutil.copyfileobj(source, target)
        yield copy
    except MmconnectError as error:
        error.args = (str(error).replace(str(copy), str(file)),)
        raise
    finally:
        copy.unlink(missing_ok=True)
