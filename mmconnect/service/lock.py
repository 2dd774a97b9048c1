"""The lock file: one `serve` per data directory, and where the running one can be reached.

An advisory lock that ends with the process, however it ends; the file's content is a note that
says who holds it and the actual addresses of the listeners, for the CLI. Commands, which work
beside the service, share another lock, on the directory: a restore takes the database from under
none of them, as what such a command wrote would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmconnect.domain.errors import AlreadyRunning, DataDirError, Refused

log = logging.getLogger(__name__)

FILE = "mmconnect.lock"
PATIENCE = 120.0
"""Seconds that a service waits for a command that has the data to itself, as a restore does."""
_TURN = 0.5
SHARED_PATIENCE, ALONE_PATIENCE = 10.0, 2.0
"""Seconds that a command waits for a restore, and a restore for commands."""
_LOOK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The running service, as it says of itself."""

    pid: int
    version: str
    admin: list[str] = field(default_factory=list)
    """`host:port` of the admin listeners."""
    phone: list[str] = field(default_factory=list)
    """`host:port` of the phone listeners."""
    phone_tls: list[str] = field(default_factory=list)
    """The same for HTTPS; empty while there is no certificate."""
    admin_tls: list[str] = field(default_factory=list)
    certificate: str | None = None
    """The file of a certificate that was brought along (--tls-cert)."""


class Lock:
    """Held while the service runs."""

    def __init__(self, directory: Path) -> None:
        """Take the lock. Raises AlreadyRunning with the pid that holds it, DataDirError."""
        file = directory / FILE
        try:
            self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirError(
                f"{file} cannot be opened: {error.strerror}. Whoever runs mmconnect has to own all"
                f" that is in {directory}, on a disk that can be written: see `mmconnect doctor`"
            ) from error
        if not _locked(self._fd):
            os.close(self._fd)
            other = _note(directory)
            who = f"pid {other.pid}" if other else "another process"
            raise AlreadyRunning(
                f"mmconnect is already running on {directory} ({who}). Stop that one first, or"
                " choose another directory with --data-dir"
            )
        os.ftruncate(self._fd, 0)

    def tell(self, running: Running) -> None:
        """Write down who holds the lock and where it listens."""
        note = json.dumps(asdict(running)).encode()
        os.pwrite(self._fd, note, 0)
        os.ftruncate(self._fd, len(note))

    def release(self) -> None:
        """Let go; the file stays, empty."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


@contextlib.contextmanager
def at_work(directory: Path, *, alone: bool = False) -> Iterator[None]:
    """A command has the database open meanwhile; `alone`: another one takes its place.

    Raises Refused when the one waits too long for the other; then nothing has been done.
    """
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    end = time.monotonic() + (ALONE_PATIENCE if alone else SHARED_PATIENCE)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while not _taken(fd, how):
            if time.monotonic() > end:
                who = "Another command is working on" if alone else "A backup is being restored to"
                raise Refused(f"{who} {directory}. Try again when it is through")
            time.sleep(_LOOK)
        yield
    finally:
        os.close(fd)


def _taken(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that locks no directories: it goes without
        return True
    return True


async def lock_for_service(
    directory: Path, stop: asyncio.Event, gets_on: Callable[[], None]
) -> Lock | None:
    """Take the lock; wait a while for whoever has it and says of himself nothing: a command that
    will soon be through, or a service that is only starting. None when `stop` is set meanwhile.
    Raises AlreadyRunning."""
    end, told = time.monotonic() + PATIENCE, False
    while True:
        try:
            return Lock(directory)
        except AlreadyRunning:
            if stop.is_set():
                return None
            if _note(directory) is not None or time.monotonic() > end:
                raise
        if not told:
            told = True
            log.info("Waiting for a command that has %s to itself", directory)
        gets_on()
        await asyncio.sleep(_TURN)


def _locked(fd: int) -> bool:
    """Take the lock. A command that only looks has it for a moment, so try for a while."""
    for _ in range(10):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.03)
        else:
            return True
    return False


def held(directory: Path) -> bool:
    """Whether a service has the data directory, also one that is only just starting."""
    try:
        fd = os.open(directory / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def running(directory: Path) -> Running | None:
    """The service that runs on a data directory, or None."""
    return _note(directory) if held(directory) else None


def poke(directory: Path) -> None:
    """Let the running service, if there is one, look at the database at once."""
    service = running(directory)
    if service is not None:
        with contextlib.suppress(OSError):  # it will look by itself within half a second
            os.kill(service.pid, signal.SIGUSR1)


def _note(directory: Path) -> Running | None:
    try:
        return Running(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
