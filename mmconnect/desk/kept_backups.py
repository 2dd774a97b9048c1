"""The backups that lie on this machine's disks: which there are, where, what each is; removing one.

Knows files by their names alone: what a name does not say is looked into elsewhere. A name that
comes from a page or a command leads to no other file than one of these.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmconnect.domain.clock import iso
from mmconnect.domain.errors import NotFound
from mmconnect.store import before

FOLDER = before.FOLDER
"""In the data directory: where backups go unless told, and always what was there before a restore
or a migration."""
SCHEDULED, BEFORE_RESTORE, BEFORE_SCHEMA = "mmconnect-", "before-restore-", before.PREFIX
PART = ".part"
AHEAD = 3_600_000
"""Milliseconds from which on a backup is from the future: a clock that was wrong has named it."""
_STAMP = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(
    r"mmconnect-(?P<at>\d{4}-\d\d-\d\dT\d{6}Z)\.db"
    r"|before-restore-\d{4}-\d\d-\d\dT\d+Z\.db|before-schema-\d+\.db",
    re.ASCII,
)
_COMPANIONS = ("-wal", "-shm", "-journal", "-ca.key", "-ca.pem", "-server.pem")
"""What may lie beside a database that was set aside."""


class Sort(StrEnum):
    """Why a backup was made."""

    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before-restore"
    BEFORE_UPGRADE = "before-upgrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One of them."""

    path: Path
    sort: Sort
    made_at: int
    """UTC ms: by its name where that tells, else when it was written last."""
    size: int
    """Bytes."""

    @property
    def name(self) -> str:
        """By which it is asked for."""
        return self.path.name

    def as_json(self) -> dict[str, Any]:
        """As `--json` and the API have it."""
        return {
            "id": self.name,
            "file": str(self.path),
            "why": self.sort.value,
            "madeAt": iso(self.made_at),
            "bytes": self.size,
        }


def folder(directory: Path, chosen: str | None) -> Path:
    """Where scheduled backups go; `chosen` is the setting `backup_folder`."""
    return directory / FOLDER if chosen is None else Path(chosen)


def every(directory: Path, chosen: str | None) -> list[Kept]:
    """All of them, newest first."""
    folders = dict.fromkeys((folder(directory, chosen), directory / FOLDER))
    found = [one for place in folders for one in _in(place)]
    return sorted(found, key=lambda one: (one.made_at, one.name), reverse=True)


def scheduled(place: Path) -> list[Kept]:
    """Those that the schedule made, in one folder, newest first."""
    found = [one for one in _in(place) if one.sort is Sort.SCHEDULED]
    return sorted(found, key=lambda one: one.made_at, reverse=True)


def believed(found: list[Kept], now: int) -> list[Kept]:
    """Newest first as of `now` (UTC ms); what bears a name from the future comes last."""
    return sorted(found, key=lambda one: (one.made_at > now + AHEAD, -one.made_at))


def find(directory: Path, chosen: str | None, name: str) -> Kept:
    """One by its name. Raises NotFound."""
    for one in every(directory, chosen):
        if one.name == name:
            return one
    raise NotFound(f"There is no backup {name[:100]!r} here", listed_by="backup list")


def remove(path: Path) -> None:
    """Remove one, with what lies beside it. Raises OSError."""
    path.unlink(missing_ok=True)
    for companion in _COMPANIONS:
        path.with_name(f"{path.name}{companion}").unlink(missing_ok=True)


def companions(path: Path) -> Iterator[tuple[str, Path]]:
    """What lies beside one: the ends of the names, and the files."""
    for companion in _COMPANIONS:
        beside = path.with_name(f"{path.name}{companion}")
        if beside.exists():
            yield companion, beside


def name_at(now: int) -> str:
    """The name of one that the schedule makes at that time (UTC ms)."""
    return f"{SCHEDULED}{datetime.fromtimestamp(now // 1000, UTC).strftime(_STAMP)}.db"


def _in(place: Path) -> Iterator[Kept]:
    with contextlib.suppress(OSError):  # a stick that is not plugged in holds none
        for path in place.iterdir():
            match = _NAME.fullmatch(path.name)
            if match is None or path.is_symlink():
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                there = path.stat()
                yield Kept(
                    path=path,
                    sort=_sort(path.name),
                    made_at=_at(match["at"]) if match["at"] else there.st_mtime_ns // 1_000_000,
                    size=there.st_size,
                )


def _sort(name: str) -> Sort:
    if name.startswith(SCHEDULED):
        return Sort.SCHEDULED
    return Sort.BEFORE_RESTORE if name.startswith(BEFORE_RESTORE) else Sort.BEFORE_UPGRADE


def _at(stamp: str) -> int:
    return int(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp() * 1000)
