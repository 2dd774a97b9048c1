"""Is there a backup, how old is it, and can the next one be made?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk import kept_backups
from mmconnect.desk.doctor import Check, Finding
from mmconnect.desk.kept_backups import FOLDER, SCHEDULED
from mmconnect.desk.wording import duration
from mmconnect.domain.days import DAY
from mmconnect.service import backup_place
from mmconnect.store import inspection, upkeep
from mmconnect.store.connection import FILE
from mmconnect.store.preferences import Preferences

BACKUP = Check("backup", "Backup")
OLD = 30 * DAY
"""Milliseconds, as on the overview."""
LATE = {"daily": 3 * DAY, "weekly": 15 * DAY}
"""Milliseconds after which one of these schedules has missed more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What is known of backups; times are UTC ms."""

    made: int | None
    """When the newest was made, wherever it is."""
    away: int | None
    """When the newest was made that is on another disk, or was taken away."""
    anything: bool
    """Whether there is what could be lost."""
    schedule: str
    """The setting `backup_schedule`: `daily`, `weekly` or `off`."""
    unsaved: bool = False
    """Whether texts that came before LATE of that schedule are in none."""
    obstacle: tuple[str, str] | None = None
    """Why the next of the schedule cannot be made where those are put, and what to do."""


def check(known: Copies, now: int) -> Finding:
    """Judge, as of `now` (UTC ms)."""
    told = (
        "There is none"
        if known.made is None
        else f"The last one was made {duration(max(0, now - known.made) / 1000)} ago"
    )
    if known.obstacle is not None and known.schedule in LATE:
        why, remedy = known.obstacle
        yet = f" yet: {why}" if known.made is None else f". Another cannot be made: {why}"
        return BACKUP.note(f"{told}{yet}.", remedy)
    if known.made is None and not known.anything:
        return BACKUP.ok("There is none yet, and nothing to lose.")
    if known.schedule in LATE:
        if known.unsaved:
            return BACKUP.note(
                f"{told}, although they are made by themselves ({known.schedule}).",
                "See that the service runs, what its log says, and that there is room where they"
                " are put.",
            )
        if known.made is None:
            return BACKUP.ok(f"{told} yet: the first is made in some minutes.")
        apart = known.away is not None and now - known.away <= OLD
        here = "" if apart else ", on the disk of the data: put some elsewhere"
        return BACKUP.ok(f"{told}{here}.")
    if known.made is None or now - known.made > OLD:
        return BACKUP.note(
            f"{told}, and none is made by itself.",
            "`mmconnect settings set backup_schedule daily`, or `mmconnect backup FILE` now.",
        )
    return BACKUP.ok(f"{told}.")


def hangs(place: str) -> Finding:
    """Where they are put does not answer."""
    return BACKUP.note(
        f"The disk of {place} does not answer.",
        "Look at that disk, or choose a folder on another (backup_folder).",
    )


def look(
    directory: Path, wanted: Preferences, away: int | None, now: int, anything: bool
) -> Copies:
    """Look at where they are put, and at the database. `away` as in Copies; `anything`: whether a
    text ever came. Raises StoreError."""
    default = wanted.backup_folder is None
    place = kept_backups.folder(directory, wanted.backup_folder)
    found = [
        one.made_at
        for one in kept_backups.every(directory, wanted.backup_folder)
        if one.sort is kept_backups.Sort.SCHEDULED and one.made_at <= now + kept_backups.AHEAD
    ]
    made = max([*found, *([] if away is None else [away])], default=None)
    late, unsaved = LATE.get(wanted.backup_schedule), False
    with inspection.opened(directory / FILE) as db:
        needed = upkeep.bytes_copied(db)
        if late is not None:
            # names have whole seconds: what came within that one is most likely in it
            since = 0 if made is None else made + 1000
            unsaved = inspection.came_between(db, since, now - late)
    error = backup_place.obstacle(place, directory, needed, default)
    return Copies(
        made=made,
        away=away,
        anything=anything,
        schedule=wanted.backup_schedule,
        unsaved=unsaved,
        obstacle=None if error is None else (error.why, error.remedy),
    )


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
