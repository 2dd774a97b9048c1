"""Is there room on the disk of the database, what kind of disk is it, and does it complain?"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.status import SMALLEST_DISK
from mmconnect.service.warnings import DISK_LOW

DISK = Check("disk", "Disk")
SYS = Path("/sys")
FEWEST_FILES = 100
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")
_MEMORY = ("tmpfs", "ramfs")
_WORN = 0x09
"""JEDEC eMMC 5.0, DEVICE_LIFE_TIME_EST: 0x01 is up to 10 % of its life used, 0x0A up to 100 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A file system, as statvfs(3) has it."""

    free: int
    """Bytes that are left for us."""
    size: int
    files: int | None
    """Files that can still be made; None where there is no such limit."""
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a file system is on."""

    kind: str
    """Of file system: `ext4`, `tmpfs`, `nfs4`."""
    name: str | None = None
    """Of the block device, the partition's as the kernel has it: `mmcblk0p2`."""
    card: str | None = None
    """`SD` or `MMC`, where the kernel says that it is one of these."""
    life: int | None = None
    """eMMC's estimate of the life it has used, in tenths (0x01 to 0x0B), of its more worn part."""
    errors: int = 0
    """Errors that ext4 has noted in the file system."""

    @property
    def words(self) -> str:
        """What a person calls it."""
        if self.card is not None:
            return f"an {'SD card' if self.card == 'SD' else 'eMMC'} ({self.name})"
        return self.name if self.name is not None else self.kind


def check(space: Space, device: Device | None) -> Findings:
    """Judge a disk."""
    where = "" if device is None else f" on {device.words}"
    free = f"{_size(space.free)} of {_size(space.size)} are free{where}."
    if space.read_only:
        yield DISK.problem(
            f"The disk of the database can only be read{where}.",
            "After an error Linux makes a disk read-only to save it: `sudo dmesg` says why. Make a"
            " backup, restart the machine, and replace the disk or card if it happens again.",
        )
    elif space.free < SMALLEST_DISK:
        yield DISK.problem(f"Only {free}", "Free some space: no text can be taken in when it is 0.")
    elif space.files is not None and space.files < FEWEST_FILES:
        yield DISK.problem(
            f"Only {space.files} more files can be made on it, however much space is free.",
            "`sudo du --inodes -x / | sort -n | tail` finds where the many small files are.",
        )
    elif space.free < DISK_LOW:
        yield DISK.note(f"Only {free}", "Free some space before it is full.")
    else:
        yield DISK.ok(free)
    if device is not None:
        yield from _kind(device)


def _kind(device: Device) -> Findings:
    if device.kind in _MEMORY:
        yield DISK.problem(
            f"The data directory is in memory ({device.kind}): a restart of the machine loses all.",
            "Choose a directory on a disk with --data-dir.",
        )
    if device.kind in _NETWORK:
        yield DISK.problem(
            f"The data directory is on a network share ({device.kind}), which loses databases.",
            "Choose a directory on a disk of this machine with --data-dir.",
        )
    if device.kind == "overlay":
        yield DISK.note(
            "The data directory is in a container's own layer: it goes when the container goes.",
            "Mount a volume there.",
        )
    if device.errors:
        yield DISK.problem(
            f"The file system has noted errors ({device.errors} so far).",
            "Make a backup now, and restart the machine: it mends a file system with errors before"
            " it uses it. Replace the card or disk if they come back.",
        )
    if device.life is not None and device.life >= _WORN:
        yield DISK.note(
            f"The memory of {device.words} says that its life is nearly used up.",
            "Make a backup, and move to a new one.",
        )


def space(directory: Path) -> Space:
    """Look at a directory's file system. Raises OSError."""
    found = os.statvfs(directory)
    return Space(
        free=found.f_bavail * found.f_frsize,
        size=found.f_blocks * found.f_frsize,
        files=found.f_favail if found.f_files else None,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def mounts() -> str:
    """What is mounted where (proc(5)). Raises OSError."""
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")


def device(directory: Path, mounts: str, sys: Path = SYS) -> Device | None:
    """What a directory is on; `mounts` is /proc/self/mountinfo (proc(5)). Raises OSError."""
    number = directory.stat().st_dev
    numbers = f"{os.major(number)}:{os.minor(number)}"
    fields = [line.split() for line in mounts.splitlines()]
    kind = next((f[f.index("-") + 1] for f in fields if len(f) > 3 and f[2] == numbers), None)
    if kind is None:
        return None
    at = sys / "dev" / "block" / numbers
    if not at.exists():
        return Device(kind=kind)
    real = at.resolve()
    name = real.name
    whole = real.parent if (real / "partition").exists() else real
    life = re.findall(r"0x([0-9a-fA-F]+)", _read(whole / "device" / "life_time"))
    return Device(
        kind=kind,
        name=name,
        card=_read(whole / "device" / "type") if name.startswith("mmcblk") else None,
        life=max((int(used, 16) for used in life), default=None),
        errors=int(_read(sys / "fs" / "ext4" / name / "errors_count") or 0),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _size(count: int) -> str:
    if count < 10 * 2**30:
        return f"{count / 2**20:,.0f} MB"
    return f"{count / 2**30:,.0f} GB"
