"""Where backups are put: whether it is there, may be written, and has room; else why not.

Guards that no backup takes the room that texts need.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from mmconnect.desk import kept_backups
from mmconnect.desk.kept_backups import Kept
from mmconnect.domain.errors import StoreError
from mmconnect.service.warnings import DISK_FINE

ELSEWHERE = 16 * 2**20
"""Bytes that stay free on a disk that is not the database's."""


class Failed(StoreError):
    """A backup could not be made; with what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"No backup could be made: {why}.")
        self.why, self.remedy = why, remedy


def failed(error: OSError, place: Path) -> Failed:
    """What an error of the system's means for a backup that was to go there."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return Failed(
                f"there is no folder {place}",
                "Plug its disk in or make the folder, or choose another (backup_folder).",
            )
        case PermissionError():
            return Failed(
                f"mmconnect may not write in {place}",
                "Let the user that it runs as write there, and its systemd unit"
                f" (ReadWritePaths=-{place}), or choose another folder (backup_folder).",
            )
    return Failed(
        f"{place} cannot be written ({error.strerror or error})",
        "Look at that disk, or choose a folder on another (backup_folder).",
    )


def prepared(place: Path, directory: Path, needed: int, default: bool) -> list[Kept]:
    """See that a copy can be put there; those that there are. Raises OSError, and Failed."""
    if default:
        place.mkdir(mode=0o700, exist_ok=True)
    for part in place.glob(f"{kept_backups.SCHEDULED}*.db{kept_backups.PART}*"):
        part.unlink(missing_ok=True)  # an end in mid-work has left it
    _try(place, directory, needed)
    return kept_backups.scheduled(place)


def obstacle(place: Path, directory: Path, needed: int, default: bool) -> Failed | None:
    """Why no copy of so many bytes could be put there now; nothing is made or removed."""
    try:
        _try(directory if default and not place.exists() else place, directory, needed)
    except Failed as error:
        return error
    except OSError as error:
        return failed(error, place)
    return None


def _try(place: Path, directory: Path, needed: int) -> None:
    if not os.access(place, os.W_OK | os.X_OK):
        place.stat()
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(place))
        raise PermissionError(errno.EACCES, "not for us to write", str(place))
    free = shutil.disk_usage(place).free
    if free < needed + margin(place, directory):
        raise Failed(
            f"it takes {_megabytes(needed)} MB, and of the {_megabytes(free)} MB that are free at"
            f" {place} {_megabytes(margin(place, directory))} have to stay free",
            "Free some space, or choose a folder on another disk (backup_folder).",
        )


def _megabytes(size: int) -> int:
    return -(-size // 2**20)


def margin(place: Path, directory: Path) -> int:
    """Bytes that have to stay free: on the database's own disk, those that texts need."""
    return ELSEWHERE if elsewhere(place, directory) else DISK_FINE


def elsewhere(place: Path, directory: Path) -> bool:
    """Whether it is another disk than the database's."""
    return place.stat().st_dev != directory.stat().st_dev
