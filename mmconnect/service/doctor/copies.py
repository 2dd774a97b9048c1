"""Is there a backup, and how old is it?"""

from __future__ import annotations

from pathlib import Path

from mmconnect.desk.doctor import Check, Finding
from mmconnect.desk.wording import duration
from mmconnect.domain.days import DAY

BACKUP = Check("backup", "Backup")
OLD = 30 * DAY
"""Milliseconds, as on the overview."""


def check(last: int | None, now: int, *, anything: bool) -> Finding:
    """Judge; `last`: when the newest was made (UTC ms), `anything`: whether there is what to lose.

    `now` is UTC ms.
    """
    make = "`mmconnect backup FILE` makes one, onto another disk or machine; so does cron."
    if last is None:
        if not anything:
            return BACKUP.ok("There is none yet, and nothing to lose.")
        return BACKUP.note("There is none: what is on this machine's disk is all there is.", make)
    age = duration(max(0, now - last) / 1000)
    if now - last > OLD:
        return BACKUP.note(f"The last one was made {age} ago.", make)
    return BACKUP.ok(f"The last one was made {age} ago.")


def at_hand(directory: Path) -> list[Path]:
    """Copies that lie in the data directory itself, the newest first."""
    try:
        found = [one for one in (directory / "backups").glob("*.db") if one.is_file()]
        return sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)
    except OSError:
        return []
