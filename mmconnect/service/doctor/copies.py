"""Is there a backup, and how old is it?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.doctor import Check, Finding
from mmconnect.desk.kept_backups import FOLDER, SCHEDULED
from mmconnect.desk.wording import duration
from mmconnect.domain.days import DAY

BACKUP = Check("backup", "Backup")
OLD = 30 * DAY
"""Milliseconds, as on the overview."""
LATE = {"daily": 3 * DAY, "weekly": 15 * DAY}
"""Milliseconds after which one of these schedules has missed more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What is known of backups; times are UTC ms."""

    last: int | None
    """When the newest was made."""
    anything: bool
    """Whether there is what could be lost."""
    schedule: str
    """The setting `backup_schedule`: `daily`, `weekly` or `off`."""
    unsaved: bool = False
    """Whether texts that came before LATE of that schedule are in none."""
    apart: bool = False
    """Whether they are put into a folder that the owner has chosen."""


def check(known: Copies, now: int) -> Finding:
    """Judge, as of `now` (UTC ms)."""
    if known.last is None and not known.anything:
        return BACKUP.ok("There is none yet, and nothing to lose.")
    told = (
        "There is none"
        if known.last is None
        else f"The last one was made {duration(max(0, now - known.last) / 1000)} ago"
    )
    if known.schedule in LATE:
        if known.unsaved:
            return BACKUP.note(
                f"{told}, although they are made by themselves ({known.schedule}).",
                "See what the service's log says, and that there is room where they are put.",
            )
        if known.last is None:
            return BACKUP.ok(f"{told} yet: the first is made next night.")
        same = "" if known.apart else ", on the disk of the data: put some elsewhere"
        return BACKUP.ok(f"{told}{same}.")
    if known.last is None or now - known.last > OLD:
        return BACKUP.note(
            f"{told}, and none is made by itself.",
            "`mmconnect settings set backup_schedule daily`, or `mmconnect backup FILE` now.",
        )
    return BACKUP.ok(f"{told}.")


def at_hand(directory: Path) -> list[Path]:
    """Copies that lie in the data directory itself, the best first: scheduled, and new.

    Another was set aside before a restore or an upgrade, and may be of what was damaged.
    """
    try:
        found = [one for one in (directory / FOLDER).glob("*.db") if one.is_file()]
        found.sort(
            key=lambda one: (one.name.startswith(SCHEDULED), one.stat().st_mtime), reverse=True
        )
        return found
    except OSError:
        return []
