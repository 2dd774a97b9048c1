"""Backups that nobody has to think of: made at night, checked, and only then an old one removed.

What there is and when it was made is read off the files, so restarts change nothing. By a clock
that is known to be right one is due when the last night has none; by another, when a day of running
has passed. Nothing that happened since the last one, no new one: a memory card wears. Invariants:
texts do not wait for it; a failure is told with its remedy, tried again, and removes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path

from mmconnect.desk import kept_backups
from mmconnect.desk.kept_backups import Kept
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import MmconnectError, Refused, StoreError, StoreUnavailable
from mmconnect.domain.facts import facts
from mmconnect.service.backup import back_up
from mmconnect.service.backup_place import Failed, elsewhere, failed, margin, prepared
from mmconnect.service.gentle import Gentle
from mmconnect.service.warnings import Warnings
from mmconnect.store import backup_marks, backups, upkeep
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

TURN = 60.0
"""Seconds between two looks at whether one is due."""
SETTLED = 600.0
"""Seconds after a start in which there are other things to do."""
APART = 3600.0
"""Seconds between two tries, whatever the clock says."""
HOUR = 3
"""Of the night, by local time: when a day's backup is due. A week's is on Sunday."""
PERIODS = {"daily": 86_400.0, "weekly": 7 * 86_400.0}
WARNING = "backup"


class BackupSchedule:
    """Runs beside the dispatcher for as long as the service does."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: Clock,
        directory: Path,
        warnings: Warnings,
        *,
        known: Callable[[], bool],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        """`known` says whether the clock is known to be right; `flush` writes down what is in
        memory only."""
        self._database, self._look, self._clock = database, look, clock
        self._directory, self._warnings = directory, warnings
        self._known, self._flush = known, flush
        self._at_work = asyncio.Lock()
        self._begun = clock.monotonic()
        self._tried = -APART
        """When one was last tried (monotonic seconds)."""
        self._made: float | None = None
        """When one was last made, or not needed, in this run (monotonic seconds)."""
        self._looked_after = 0
        """The night (UTC ms) for which none was needed, as nothing had changed."""
        self._wished: tuple[str, int, str | None] | None = None

    async def turn(self) -> None:
        """Make one if it is due."""
        wished = self._look().preferences
        now = (wished.backup_schedule, wished.backup_keep, wished.backup_folder)
        if now != self._wished:
            self._wished, self._tried = now, -APART  # a person waits to see whether it works
        if wished.backup_schedule == "off":
            self._warnings.end(WARNING)
            return
        monotonic = self._clock.monotonic()
        if monotonic - self._begun < SETTLED or monotonic - self._tried < APART:
            return
        night = last_night(self._clock.now(), weekly=wished.backup_schedule == "weekly")
        place = kept_backups.folder(self._directory, wished.backup_folder)
        newest = self._newest(await asyncio.to_thread(kept_backups.scheduled, place))
        if not self._due(newest, night, PERIODS[wished.backup_schedule]):
            return
        if not await self._changed(newest):
            self._made, self._looked_after = monotonic, night
            return
        try:
            await self.make()
        except MmconnectError:
            return  # make() has told

    async def make(self) -> Kept:
        """Make one now. Raises Refused and StoreError with the reason, which stands as a warning,
        too."""
        if self._at_work.locked():
            raise Refused("A backup is being made just now. Wait until it is through")
        async with self._at_work:
            self._tried = self._clock.monotonic()
            wished = self._look().preferences
            place = kept_backups.folder(self._directory, wished.backup_folder)
            try:
                await self._flush()
                made = await self._make(place, default=wished.backup_folder is None)
            except Failed as error:
                self._warn(str(error), error.remedy)
                raise StoreError(f"{error} {error.remedy}") from error
            except MmconnectError as error:
                self._warn(f"No backup could be made: {_whole(str(error))}", _LOOK)
                raise
            self._warnings.end(WARNING)
            self._made = self._clock.monotonic()
            log.info("Backup made", extra=facts(file=made.name, bytes=made.size))
            await asyncio.to_thread(self._tidy, place, wished.backup_keep, made)
            await self._note(place)
            return made

    async def _note(self, place: Path) -> None:
        """One that lies on another disk counts as taken away."""
        now = self._clock.now()
        try:
            if await asyncio.to_thread(elsewhere, place, self._directory):
                await self._database.write(lambda db: backups.note_made(db, now))
        except (OSError, StoreUnavailable) as error:
            log.warning("That a backup was made could not be noted: %s", error)

    def _due(self, newest: Kept | None, night: int, period: float) -> bool:
        if newest is None:
            return True
        if self._known():
            believed = newest.made_at <= self._clock.now() + kept_backups.AHEAD
            return max(newest.made_at if believed else 0, self._looked_after) < night
        since = self._begun if self._made is None else self._made
        return self._clock.monotonic() - since >= period

    def _newest(self, found: list[Kept]) -> Kept | None:
        """The newest that can be believed, where one can; by a clock that may be wrong, the newest
        at all."""
        return next(iter(self._in_order(found)), None)

    def _in_order(self, found: list[Kept]) -> list[Kept]:
        """Newest first, as far as that is known."""
        return kept_backups.believed(found, self._clock.now()) if self._known() else found

    async def _changed(self, newest: Kept | None) -> bool:
        """Whether something has happened since the newest, or since ever."""
        look = partial(backup_marks.mark, apart_from=backups.MADE)
        present = await self._database.read(look)
        if present is None or newest is None:
            return present is not None
        return present != await asyncio.to_thread(
            backup_marks.mark_of, newest.path, apart_from=backups.MADE
        )

    async def _make(self, place: Path, *, default: bool) -> Kept:
        needed = await self._database.read(upkeep.bytes_copied)
        now = self._clock.now()
        try:
            present = await asyncio.to_thread(prepared, place, self._directory, needed, default)
        except OSError as error:
            raise failed(error, place) from error
        newest = max((one.made_at for one in present), default=0)
        if not self._known():
            now = max(now, newest + 1000)  # so that the order of names is that of their making
        now -= now % 1000  # as its name has it
        while (file := place / kept_backups.name_at(now)).exists():
            now += 1000
        gentle = Gentle(self._clock)
        work = asyncio.create_task(asyncio.to_thread(back_up, self._directory, file, manner=gentle))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            gentle.stop()
            await asyncio.wait([work])
            raise
        except StoreError as error:
            if isinstance(error.__cause__, OSError):
                raise failed(error.__cause__, place) from error
            raise
        size = file.stat().st_size
        return Kept(path=file, sort=kept_backups.Sort.SCHEDULED, made_at=now, size=size)

    def _tidy(self, place: Path, keep: int, made: Kept) -> None:
        """Remove what is too old, and what the next one would find no room beside."""
        old = [
            one for one in self._in_order(kept_backups.scheduled(place)) if one.path != made.path
        ]
        try:
            while old and (
                len(old) >= keep
                or shutil.disk_usage(place).free < made.size + margin(place, self._directory)
            ):
                last = old.pop()
                kept_backups.remove(last.path)
                log.info("An old backup was removed", extra=facts(file=last.name))
        except OSError as error:
            log.warning("An old backup could not be removed: %s", error)

    def _warn(self, sentence: str, remedy: str) -> None:
        shown = "No backup could be made. What to do is told on the overview."
        other = any(one.code == WARNING and one.remedy != remedy for one in self._warnings.now)
        self._warnings.begin(WARNING, sentence, remedy, shown=shown, anew=other)


_LOOK = "Mend that; it is tried again within an hour."


def last_night(now: int, *, weekly: bool) -> int:
    """The last time, before `now` (both UTC ms), that a backup was due by local time."""
    here = datetime.fromtimestamp(now / 1000).astimezone()
    days = (here.weekday() + 1) % 7 if weekly else 0
    for back in (days, days + (7 if weekly else 1)):
        day = here.date() - timedelta(days=back)
        due = datetime.combine(day, time(HOUR)).astimezone()
        if due <= here:
            break
    return int(due.timestamp() * 1000)


def _whole(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
