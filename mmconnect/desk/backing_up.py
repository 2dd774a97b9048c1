"""What an owner does with the backups that are kept here: see them, make, take away, remove one.

For the pages and the API alike. Whoever takes one away has everything: that is for the caller to
think of, who knows whether it was the administrator or a key with its scope.
"""

from __future__ import annotations

import asyncio
import sqlite3

from mmconnect.desk import kept_backups
from mmconnect.desk.actor import Actor
from mmconnect.desk.desk import Desk
from mmconnect.desk.kept_backups import Kept, Sort
from mmconnect.domain.errors import NotFound, Refused, StoreError, StoreUnavailable
from mmconnect.store import backups

LATEST = "latest"
"""Instead of a name: the newest that the schedule, or somebody, has made."""


async def every(desk: Desk) -> list[Kept]:
    """All of them, newest first."""
    chosen = desk.look().preferences.backup_folder
    return await asyncio.to_thread(kept_backups.every, desk.directory, chosen)


async def named(desk: Desk, name: str) -> Kept:
    """One by its name. Raises NotFound."""
    chosen = desk.look().preferences.backup_folder
    return await asyncio.to_thread(kept_backups.find, desk.directory, chosen, name)


async def latest(desk: Desk) -> Kept:
    """The newest that was made to be kept. Raises NotFound."""
    made = [one for one in await every(desk) if one.sort is Sort.SCHEDULED]
    for one in kept_backups.believed(made, desk.clock.now()):
        return one
    raise NotFound("There is no backup yet: none is the latest")


async def make(desk: Desk, by: Actor) -> Kept:
    """Make one now, where the schedule puts them. Raises Refused with the reason."""
    try:
        kept = await desk.machine.back_up_now()
    except StoreUnavailable:
        raise
    except StoreError as error:
        raise Refused(str(error)) from error
    now = desk.clock.now()
    await desk.change(lambda db: by.note(db, now, "backup.made", None, kept.name))
    return kept


async def taken(desk: Desk, by: Actor, name: str) -> None:
    """Write down that one has left the machine."""
    now = desk.clock.now()

    def note(db: sqlite3.Connection) -> None:
        backups.note_made(db, now)
        by.note(db, now, "backup.downloaded", None, name)

    await desk.change(note)


async def remove(desk: Desk, name: str, by: Actor) -> Kept:
    """Remove one for good. Raises NotFound, and Refused where it cannot be."""
    kept = await named(desk, name)
    try:
        await asyncio.to_thread(kept_backups.remove, kept.path)
    except OSError as error:
        raise Refused(f"{kept.name} cannot be deleted: {error.strerror or error}") from error
    now = desk.clock.now()
    await desk.change(lambda db: by.note(db, now, "backup.deleted", None, kept.name))
    return kept
