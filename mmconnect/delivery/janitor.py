"""The janitor: retention, wiping, and a small log and file, a little at a time beside the texts.

Every second it looks after what may not wait (texts to wipe once they are delivered, a log that
grows), every minute after what has become too old. Nothing here is on a text's way: rows are found
by the reader and removed in short steps when no write waits (`pace`). Never dies.
Invariants: nothing that still waits is touched; while the clock is not known to be right nothing is
pruned.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mmconnect.delivery.pace import Pace
from mmconnect.delivery.wiper import Wiper
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import audit, erasure, retention, tallies, upkeep
from mmconnect.store.configuration import Look
from mmconnect.store.connection import CHECKPOINT, transaction
from mmconnect.store.database import Database, Write
from mmconnect.store.remains import log_size
from mmconnect.store.retention import Found

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

QUICK = 1.0
SWEEP = 60.0
"""Seconds between two looks at what may not wait, and at what has become old."""
ROWS = 500
"""Rows of one look; and of dedupe keys per sweep KEYS, so that a round of 3 million takes hours."""
KEYS, KEYS_EVERY = 20_000, 3600.0
"""Seconds from the beginning of one round to the next: keys live for 90 days, and who has few of
them is not to look at every one each minute."""
ROUND = 86_400.0
"""Seconds after which a walk begins anew, for what it had to leave."""
CARRY, CARRY_SHARE = 0.5, 0.05
"""Seconds from one carrying over of the log to the next while steps go on, and which share of the
time it may take."""
ODDMENTS = 3600.0
SPARE_PAGES = 4096
"""Empty pages that the file may keep, as may a quarter of it: the next texts fill them again."""

Find = Callable[[sqlite3.Connection, int, str, int], Found]
"""(before, after this id, how many to look at)."""
Remove = Callable[[sqlite3.Connection, Sequence[str], int], int]


@dataclass(slots=True, kw_only=True)
class _Walk:
    """A way through one table by its ids, which goes on where the last sweep ended."""

    find: Find
    remove: Remove
    after: str = ""
    begun: float = 0.0
    removed: int = 0
    """How many, since it was last at the end."""
    pace: Pace = field(default_factory=Pace)


class Janitor:
    """Runs beside the dispatcher for as long as the service does."""

    def __init__(
        self, database: Database, look: Look, clock: Clock, may_prune: Callable[[], bool]
    ) -> None:
        """`may_prune` says whether the clock is known to be right."""
        self._database, self._look, self._clock = database, look, clock
        self._may_prune = may_prune
        self._messages = _Walk(find=retention.old_messages, remove=retention.prune_messages)
        self._attempts = _Walk(find=retention.old_attempts, remove=retention.prune_attempts)
        self._notices = _Walk(find=retention.old_notices, remove=retention.prune_notices)
        self._texts = _Walk(find=erasure.to_wipe, remove=self._wipe)
        self._key, self._keys = b"", Pace(size=100)
        self._keys_at: float | None = None
        self._pages = Pace(size=4, most=64)
        self._oddments_at: float | None = None
        self._wiper = Wiper(database, clock, self.step)
        self._carrying = asyncio.Lock()
        self._carry_at = 0.0
        """When the log may be carried over again between two steps (monotonic seconds)."""
        self.longest = 0.0
        """The longest that one step has held the writer (seconds)."""

    async def run(self) -> None:
        """Look after everything for ever."""
        await asyncio.gather(
            self._for_ever(QUICK, self.quick),
            self._for_ever(QUICK, self.clean),
            self._for_ever(SWEEP, self.sweep),
        )

    async def quick(self) -> None:
        """What may not wait."""
        await self._carry_over()
        await self._wiper.turn(delivered=self._look().preferences.wipe_delivered)

    async def clean(self) -> None:
        """The bytes of wiped texts leave the files, too."""
        await self._wiper.clean()

    async def sweep(self) -> None:
        """What has become old, as far as the clock can be believed."""
        preferences = self._look().preferences
        now = self._clock.now()
        if self._may_prune() and preferences.wipe_after is not None:
            await self._walk(self._texts, now - preferences.wipe_after * 1000)
        before = now - preferences.retention_messages * 1000
        for walk, bound in (
            (self._messages, before),
            (self._notices, before),
            (self._attempts, now - preferences.retention_attempts * 1000),
        ):
            if await self._walk(walk, bound):
                self._wiper.pruned = True
        await self._forget_keys(now)
        await self._sweep_oddments(before)
        await self._give_back()

    async def step(self, function: Write[T], pace: Pace, size: int) -> T:
        """One short transaction on the writer, when nothing waits for it; then stand back."""

        timed = self._timed(function)

        def write(db: sqlite3.Connection) -> tuple[T, float]:
            with transaction(db):
                return timed(db)

        (result, work), held = await self._database.maintain(self._timed(write))
        await self._stand_back(pace, work, held, size)
        return result

    def _timed(self, function: Write[T]) -> Write[tuple[T, float]]:
        """The same, and how many seconds it took."""

        def timed(db: sqlite3.Connection) -> tuple[T, float]:
            begun = self._clock.monotonic()
            result = function(db)
            return result, self._clock.monotonic() - begun

        return timed

    async def _stand_back(self, pace: Pace, work: float, held: float, size: int) -> None:
        self.longest = max(self.longest, held)
        if self._clock.monotonic() >= self._carry_at:
            await self._carry_over(0)
        await asyncio.sleep(pace.took(work, held, size))

    async def _carry_over(self, beyond: int = CHECKPOINT) -> None:
        """Keep the log short, before a commit has to.

        Between steps, which fill it quickly, little at a time: a text's own sync waits for the disk
        to be through with it.
        """
        if log_size(self._database.path) > beyond:
            async with self._carrying:
                began = self._clock.monotonic()
                await asyncio.to_thread(upkeep.checkpoint, self._database.path)
                now = self._clock.monotonic()
                self._carry_at = now + max(CARRY, (now - began) / CARRY_SHARE)

    async def _walk(self, walk: _Walk, before: int) -> bool:
        """Remove what is old; whether that is done, and there was something."""
        if self._clock.monotonic() - walk.begun > ROUND:
            walk.after, walk.begun = "", self._clock.monotonic()
        while self._may_prune():
            found = await self._database.read(_look(walk, before))
            for chunk in _chunks(found.old, walk.pace):
                if not self._may_prune():
                    return False
                removal = _removal(walk, chunk, before)
                walk.removed += await self.step(removal, walk.pace, len(chunk))
            walk.after = found.last
            if not found.more:
                removed, walk.removed = walk.removed, 0
                return removed > 0
        return False

    def _wipe(self, db: sqlite3.Connection, message_ids: Sequence[str], before: int) -> int:
        count = erasure.wipe(db, message_ids, self._clock.now())
        self._wiper.wiped = self._wiper.wiped or count > 0
        return count

    async def _forget_keys(self, now: int) -> None:
        """A part of a round through all dedupe keys."""
        if not self._key and self._may_prune():
            monotonic = self._clock.monotonic()
            if self._keys_at is not None and monotonic - self._keys_at < KEYS_EVERY:
                return
            self._keys_at = monotonic
        for _ in range(0, KEYS, ROWS):
            if not self._may_prune():
                return
            found = await self._database.read(_look_at_keys(now, self._key))
            for keys, write in (
                (found.unset, retention.stamp_keys),
                (found.old, retention.prune_keys),
            ):
                for chunk in _chunks(keys, self._keys):
                    await self.step(partial(write, keys=chunk, now=now), self._keys, len(chunk))
            self._key = found.last if found.more else b""
            if not found.more:
                return

    async def _sweep_oddments(self, before: int) -> None:
        monotonic = self._clock.monotonic()
        if self._oddments_at is not None and monotonic - self._oddments_at < ODDMENTS:
            return
        if self._may_prune():
            self._oddments_at = monotonic
            if await self._database.read(lambda db: retention.old_oddments(db, before)):
                await self.step(lambda db: retention.prune_oddments(db, before), Pace(), 1)
            now = self._clock.now()
            if await self._database.read(lambda db: audit.is_old(db, now)):
                await self.step(lambda db: audit.prune(db, now), Pace(), 1)
            await self._forget_figures(self._clock.now() - tallies.KEPT)

    async def _forget_figures(self, before: int) -> None:
        pace = Pace()
        while rows := await self._database.read(lambda db: tallies.old(db, before, ROWS)):
            if not self._may_prune():
                return
            for chunk in _chunks(rows, pace):
                await self.step(partial(tallies.prune, rows=chunk), pace, len(chunk))

    async def _give_back(self) -> None:
        """Shorten the file when far more of it is empty than the next texts will fill.

        After a minute the rest is left to the next sweep: a gigabyte takes long, and what has
        become old meanwhile is not to wait for it.
        """
        until = self._clock.monotonic() + SWEEP
        free, pages = await self._database.read(upkeep.free_pages)
        if free < SPARE_PAGES or free * 4 < pages:
            return
        while free * 8 > pages and free > SPARE_PAGES // 2 and self._clock.monotonic() < until:
            size = self._pages.size
            _, held = await self._database.maintain(self._timed(partial(upkeep.vacuum, pages=size)))
            await self._stand_back(self._pages, held / 2, held, size)
            free, pages = await self._database.read(upkeep.free_pages)

    async def _for_ever(self, interval: float, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
            except StoreUnavailable as error:
                log.warning("Tidying waits, as the database cannot commit: %s", error)
                await asyncio.sleep(interval)
            except Exception:
                log.exception("Tidying up failed; it is tried again")
                await asyncio.sleep(SWEEP)
            await asyncio.sleep(interval)


def _look(walk: _Walk, before: int) -> Write[Found]:
    after, find = walk.after, walk.find
    return lambda db: find(db, before, after, ROWS)


def _look_at_keys(now: int, after: bytes) -> Write[retention.FoundKeys]:
    return lambda db: retention.old_keys(db, now, after, ROWS)


def _removal(walk: _Walk, ids: Sequence[str], before: int) -> Write[int]:
    return lambda db: walk.remove(db, ids, before)


def _chunks(found: Sequence[R], pace: Pace) -> Iterator[Sequence[R]]:
    """As many at once as the pace allows by then."""
    at = 0
    while at < len(found):
        size = pace.size
        yield found[at : at + size]
        at += size
