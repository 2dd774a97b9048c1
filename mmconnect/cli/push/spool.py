"""The spool of `mmconnect push`: a directory in which each text that waits is one file.

A file is there whole or not at all (written aside, fsynced, renamed), and goes only when mmconnect
has said that the text is on its disk. Names sort in the order in which the texts were spooled,
whatever the clock does. Knows nothing of the network.
Invariant: what was spooled is never dropped; what cannot be read is set aside beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmconnect import paths
from mmconnect.cli.push.origin import Origin
from mmconnect.domain.clock import Clock, iso
from mmconnect.domain.errors import Refused

_TEXT, _ASIDE, _LOCK, _POKE, _LOG = ".text", ".unreadable", "drain.lock", "poke", "push.log"
LOG_SIZE = 64 * 1024
"""Bytes after which the log begins anew; the one before it is kept as push.log.1."""
_FORGOTTEN = 86_400_000
"""Milliseconds after which a file that somebody died writing is removed: it was never spooled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One text on its way to mmconnect."""

    id: str
    """Made once: mmconnect knows the text by it however often it comes."""
    sender: str
    text: str = field(repr=False)
    time: int
    """UTC ms."""
    to: str | None = None
    sim: str | None = None

    def body(self) -> bytes:
        """As it is pushed."""
        fields = {
            "from": self.sender,
            "text": self.text,
            "time": self.time,
            "id": self.id,
            "to": self.to,
            "sim": self.sim,
        }
        return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file: a text, and where it goes."""

    sms: Sms
    origin: Origin


class Spool:
    """The directory."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock = path, clock

    def prepare(self) -> None:
        """Make it; work as its owner when run as root. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.path.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            paths.let_others_read()
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"this user may not write to {self.path}")

    # -- texts ------------------------------------------------------------------------------------

    def add(self, entry: Entry) -> str:
        """Write a text down; its name. It is on the disk when this returns. Raises OSError."""
        names = self.names()
        last = int(names[-1][:20]) if names else 0
        stamp = max(self._clock.now() * 1_000_000, last + 1)
        name = f"{stamp:020d}-{os.urandom(6).hex()}{_TEXT}"
        self._write(name, entry)
        self._sync()
        return name

    def names(self) -> list[str]:
        """What waits, oldest first."""
        return sorted(path.name for path in self.path.iterdir() if _is_text(path.name))

    def read(self, name: str) -> Entry | None:
        """One of them; None when it is gone, or unreadable and now set aside."""
        path = self.path / name
        try:
            told = json.loads(path.read_bytes())
            return Entry(sms=Sms(**told["sms"]), origin=Origin(**told["origin"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            path.replace(path.with_suffix(_ASIDE))
            self.log(f"{name} cannot be read; it was set aside as {path.stem}{_ASIDE}")
            return None

    def remove(self, name: str) -> None:
        """It has arrived."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()

    def redirect(self, given: Origin) -> None:
        """Let everything that waits go to what is `given` instead."""
        for name in self.names():
            entry = self.read(name)
            if entry is not None:
                origin = Origin(**{**asdict(entry.origin), **given.named()})
                self._write(name, Entry(sms=entry.sms, origin=origin))
        self._sync()

    def _write(self, name: str, entry: Entry) -> None:
        aside = self.path / f".{name}.{os.getpid()}"
        content = json.dumps({"sms": asdict(entry.sms), "origin": asdict(entry.origin)})
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                with os.fdopen(file, "wb") as stream:
                    stream.write(content.encode())
                    stream.flush()
                    os.fsync(stream.fileno())
                aside.replace(self.path / name)
            except BaseException:
                aside.unlink()
                raise
        except FileNotFoundError as error:  # somebody took the directory away
            raise OSError(errno.ENOENT, f"{self.path} is gone") from error

    def _sync(self) -> None:
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def tidy(self) -> None:
        """Remove what somebody died writing, long ago."""
        before = self._clock.now() - _FORGOTTEN
        for path in self.path.iterdir():
            if path.name.startswith(".") and _TEXT in path.name:
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime * 1000 < before:
                        path.unlink()

    # -- who delivers -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process is now the one that delivers; it is until the end of the block."""
        file = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(file)

    def poke(self) -> None:
        """Tell whoever delivers that there is something new: it tries at once."""
        with contextlib.suppress(OSError):
            path = self.path / _POKE
            path.touch(mode=0o600)
            os.utime(path)

    def poked(self) -> int:
        """A number that moves with each poke()."""
        try:
            return (self.path / _POKE).stat().st_mtime_ns
        except OSError:
            return 0

    # -- what happened ----------------------------------------------------------------------------

    @property
    def logged(self) -> Path:
        """The log."""
        return self.path / _LOG

    def log(self, line: str) -> None:
        """One line for a person, without texts and tokens; what cannot be written is let go."""
        path = self.logged
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > LOG_SIZE:
                path.replace(path.with_name(_LOG + ".1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{iso(self._clock.now())} {line}\n")


def _is_text(name: str) -> bool:
    return name.endswith(_TEXT) and name[:20].isdigit()


def default_path(environ: Mapping[str, str], uid: int) -> Path:
    """Where the spool of this user is, unless told: of root, of a person, of a user without home.

    The last is made here. Raises Refused when somebody else has made it.
    """
    if uid == 0:
        return Path("/var/spool/mmconnect-push")
    state = environ.get("XDG_STATE_HOME")
    home = Path(environ.get("HOME") or "/nonexistent")
    base = Path(state) if state else home / ".local" / "state"
    above = next((p for p in (base, *base.parents) if p.exists()), base)
    if os.access(above, os.W_OK | os.X_OK) and home != Path("/"):
        return base / "mmconnect-push"
    path = Path(f"/var/tmp/mmconnect-push-{uid}")  # noqa: S108 (its owner is checked)
    try:
        path.mkdir(mode=0o700)  # looked at only once it is there, as anybody could be quicker
    except FileExistsError:
        pass
    except OSError:
        return path  # prepare() says so, and the text has its one chance
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
        raise Refused(f"{path} belongs to somebody else. Name a directory with --spool")
    return path
