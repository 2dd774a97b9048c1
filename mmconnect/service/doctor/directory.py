"""Whose is the data directory, and who can look into it? It holds texts, tokens and secrets."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.kept_backups import FOLDER

DIRECTORY = Check("directory", "Data directory")
_MOST = 1000
"""Files that are looked at."""
_ROOT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or directory."""

    path: Path
    owner: int
    mode: int
    """Permission bits alone."""


def check(directory: Entry, inside: Sequence[Entry], *, me: int, service: int | None) -> Findings:
    """Judge; `me` is the user who asks, `service` the one as whom mmconnect runs, if it does."""
    path, owner = directory.path, user(directory.owner)
    belongs = f"{path} belongs to {owner}"
    if me not in (directory.owner, _ROOT):
        yield DIRECTORY.problem(
            f"{belongs}, and you are {user(me)}: this user may not look into it.",
            f"Look as root: `sudo mmconnect doctor`. Should the service run as {user(me)}, give it"
            f" the directory: `sudo chown -R {user(me)}: {quote(str(path))}`.",
        )
        return
    wrong = False
    if service is not None and service != directory.owner:
        wrong = True
        yield DIRECTORY.problem(
            f"{belongs}, and the service runs as {user(service)}: what one writes, the other may"
            " not be able to read.",
            f"Stop the service, `sudo chown -R {owner}: {quote(str(path))}`, and start it as"
            f" {owner}.",
        )
    strangers = [one for one in inside if one.owner != directory.owner]
    if strangers:
        wrong = True
        yield DIRECTORY.problem(
            f"{_names(strangers, path)} in it {_be(strangers)} somebody else's"
            f" ({user(strangers[0].owner)}).",
            f"`sudo chown -R {owner}: {quote(str(path))}`.",
        )
    closed = [one for one in inside if one.mode & 0o600 != 0o600]
    if directory.mode & 0o700 != 0o700 or closed:
        wrong = True
        what = _names(closed, path) if closed else "It"
        yield DIRECTORY.problem(
            f"{what} may not be read and written by its owner.",
            f"`sudo chmod -R u+rwX {quote(str(path))}`.",
        )
    if directory.mode & 0o077:
        wrong = True
        shut = f"`sudo chmod 700 {quote(str(path))}`."
        open_to = [one for one in inside if one.mode & 0o044]
        if open_to and directory.mode & 0o011:
            yield DIRECTORY.problem(
                f"Other users of this machine can read {_names(open_to, path)} in {path}: texts,"
                " tokens and secrets.",
                shut,
            )
        else:
            yield DIRECTORY.note(f"Other users of this machine can look into {path}.", shut)
    if not wrong:
        yield DIRECTORY.ok(f"{belongs}, and nobody else can look into it.")


def missing(path: Path, source: str) -> Findings:
    """There is none."""
    yield DIRECTORY.problem(
        f"There is no mmconnect data in {path} (from {source}).",
        "Start the service once with `mmconnect serve`, or name the directory with --data-dir.",
    )


def look(directory: Path) -> tuple[Entry, list[Entry]]:
    """A directory and mmconnect's own in it: not a disk's lost+found. Raises OSError."""
    inside: list[Entry] = []
    copies = directory / FOLDER
    for folder in (directory, copies):
        try:
            found = sorted(folder.iterdir())[:_MOST]
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            continue
        for path in found:
            with contextlib.suppress(FileNotFoundError):  # logs and half-made copies come and go
                if (path.is_file() or path == copies) and not path.is_symlink():
                    inside.append(_entry(path))
    return _entry(directory), inside


def owner_of(pid: int) -> int | None:
    """As whom a process runs; None when it has ended."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def user(number: int) -> str:
    """A user's name, or the number of one who has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def me() -> int:
    """Who asks."""
    return os.geteuid()


def _entry(path: Path) -> Entry:
    found = path.stat()
    return Entry(path=path, owner=found.st_uid, mode=stat.S_IMODE(found.st_mode))


def _names(of: Iterable[Entry], below: Path) -> str:
    names = [str(one.path.relative_to(below)) for one in of]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _be(of: Sequence[Entry]) -> str:
    return "is" if len(of) == 1 else "are"
