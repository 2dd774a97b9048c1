"""The service's time: the machine's clock, watched, and what may be concluded from it.

Handed round as the Clock. When the wall clock is set, whatever waits is moved by as much, before
anything is written by the new time. Age is time lived: what this very run has lived is certain; the
time mmconnect was off counts once the clock is known to be right, and until then is a gap.
Invariant: jumps of the clock neither lose, storm, expire nor prune.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from functools import partial

from mmconnect.delivery.sender import Answer
from mmconnect.domain.clock import LivedClock, Step, StepWatch
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Endpoint
from mmconnect.service.clock_belief import Belief
from mmconnect.service.clock_sync import (
    DIFFERS_BY,
    EARLIEST,
    Dates,
    Standing,
    apart,
    kernel_synchronised,
)
from mmconnect.store import gaps, jumps
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.store.gaps import Gap, Reason
from mmconnect.store.jumps import Cursor, Jump
from mmconnect.webhook import schedule

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds from one look at the clock to the next, when nothing else asks it."""
WRITE_BUSY, WRITE_WAITING = 60.0, 600.0
"""Seconds from one note of when mmconnect ran to the next: while other things are written, and
while texts wait. With neither, nothing is written at all."""
_CACHED = 1.0


class Timekeeper:
    """Use it as the Clock. start() it before anything is delivered; in the end, stop() it."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: LivedClock,
        *,
        kernel: Callable[[], bool] = kernel_synchronised,
        dates: Dates | None = None,
    ) -> None:
        self.on_jump: Callable[[], None] = lambda: None
        """Called when the clock was set and all that waits has been moved."""
        self._database, self._look, self._clock = database, look, clock
        self.belief = Belief(clock, look, kernel, dates or Dates())
        self._steps = StepWatch(clock)
        self._thread = threading.get_ident()
        self._looked = self._written = clock.lived()
        self._start = clock.now()
        """When this run began, by the clock as it is set now."""
        self._seen = self._doubt = self._start
        """When mmconnect last ran; and from when on time before the start may not have passed."""
        self._settled = False
        """Whether the database knows that the clock is right."""
        self._undone: list[tuple[Jump, Cursor | None]] = []
        self._gaps: list[Gap] = []
        self._cache: dict[str, tuple[float, int, int]] = {}
        self._revision = self._version = -1

    # -- the clock ------------------------------------------------------------------------------

    def now(self) -> int:
        """Wall time, UTC ms. Notices when it was set."""
        if threading.get_ident() != self._thread:
            return self._clock.now()  # the loop's own looks, every second at least, notice
        now, step = self._steps.look()
        if step is not None:
            self._jumped(step)
        return now

    def monotonic(self) -> float:
        """Seconds for durations."""
        return self._clock.monotonic()

    # -- what others ask ------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        """What is known of the clock."""
        return self.belief.standing

    def too_old(self, endpoint: Endpoint) -> int:
        """The time (UTC ms) at or before which what was made for an endpoint has expired."""
        lived = self._clock.lived()
        cached = self._cache.get(endpoint.id)
        if cached is not None and lived - cached[0] < _CACHED and cached[1] == endpoint.max_age:
            return cached[2]
        now, counted = self.now(), self._gaps  # now() first: it may notice a jump
        if self.standing.known:
            counted = [gap for gap in counted if gap.reason is not Reason.OFF]
        elif self._start > self._doubt:
            off = Gap(endpoint_id=None, from_at=self._doubt, to_at=self._start, reason=Reason.OFF)
            counted = [*counted, off]
        found = gaps.threshold(counted, endpoint.id, now, endpoint.max_age * 1000)
        self._cache[endpoint.id] = (lived, endpoint.max_age, found)
        return found

    def saw(self, answer: Answer) -> None:
        """A receiver has answered just now, with a `Date` perhaps."""
        if answer.address is not None:
            lived, dates = self._clock.lived(), self.belief.dates
            if dates.wants(answer.address, lived):
                dates.saw(answer.address, answer.date, self.now(), answer.duration_ms, lived)

    def may_count_off_time(self) -> bool:
        """Whether time in which mmconnect did not run is known to have passed."""
        self.now()  # may notice a jump
        return self.standing.known

    def may_prune(self) -> bool:
        """Whether what is old by the clock may be deleted for ever."""
        self.now()  # may notice a jump
        return self.belief.may_prune()

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Compare the clock with when mmconnect last ran, and put right what follows."""
        seen = await self._database.read(jumps.last_seen)
        now = self._start = self.now()
        self._seen = self._doubt = seen = now if seen is None else seen
        self.belief.started(now - seen)
        self._judge()
        if now < seen - StepWatch.SMALLEST:
            self._shift(Jump(old=seen, new=now, start=None), None)

        def begin(db: sqlite3.Connection) -> None:
            jumps.clamp_due(db, now, self._longest_wait())
            jumps.seen(db, now)
            gaps.set_off(db, self._doubt, now)

        try:
            await self._database.write(begin, heavy=True)
            await self._turn()
        except StoreUnavailable as error:
            log.warning("What the clock's state asks for waits for the database: %s", error)

    async def run(self) -> None:
        """Look at the clock for ever."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self._turn()
            except Exception as error:
                log.warning("Keeping the time failed; it is tried again: %s", error)
                await asyncio.sleep(INTERVAL)

    async def stop(self) -> None:
        """Write down that mmconnect ran until now."""
        with contextlib.suppress(StoreUnavailable):
            await self._database.write(partial(jumps.seen, now=self.now()))

    async def _turn(self) -> None:
        self.now()
        undone, self._undone = self._undone, []
        for jump, cursor in undone:
            self._shift(jump, cursor)
        self._judge()
        self.belief.tell()
        if self.standing.known and not self._settled:
            await self._settle()
        if self._look().revision != self._revision:
            self._revision = self._look().revision
            self._gaps = await self._database.read(gaps.load)
            self._cache.clear()
        lived = self._clock.lived()
        if lived - self._looked >= WRITE_BUSY:
            self._looked = lived
            await self._note(lived)

    async def _note(self, lived: float) -> None:
        """Write down that mmconnect runs, if that may matter."""
        version = await self._database.read(jumps.version)
        busy, self._version = version != self._version, version
        waiting = lived - self._written >= WRITE_WAITING and await self._database.read(jumps.waits)
        if busy or waiting:
            oldest = min([self.too_old(e) for e in self._look().endpoints.values()] or [0])

            def note(db: sqlite3.Connection) -> None:
                jumps.seen(db, self._clock.now())
                gaps.forget(db, oldest)

            await self._database.write(note)
            self._written = lived
            self._version = await self._database.read(jumps.version)

    # -- what follows ---------------------------------------------------------------------------

    def _judge(self) -> None:
        self.belief.look(behind=self._start < self._seen - DIFFERS_BY)

    async def _settle(self) -> None:
        """The clock is right, so time in which mmconnect was off has passed."""
        now = self.now()

        def settle(db: sqlite3.Connection) -> None:
            gaps.drop_off(db)
            jumps.clamp_ages(db, now, EARLIEST)

        self._settled = True  # a jump meanwhile says otherwise
        self._seen, self._doubt = min(self._seen, self._start), self._start
        try:
            await self._database.write(settle, heavy=True)
        except BaseException:
            self._settled = False
            raise
        self._revision = -1
        self._cache.clear()

    def _jumped(self, step: Step) -> None:
        """The clock was set: whatever waits moves with it, before anything else is written."""
        jump = Jump(old=step.old, new=step.new, start=self._start)
        self._start += step.delta
        self._settled = False
        self._cache.clear()
        self.belief.jumped(step.delta)
        self._judge()
        way = "forward" if step.delta > 0 else "back"
        log.warning("The clock was set %s by %s; what waits moves with it", way, apart(step.delta))
        self._shift(jump, None)

    def _shift(self, jump: Jump, cursor: Cursor | None) -> None:
        doubt, start = self._doubt, self._start

        def shift(db: sqlite3.Connection) -> Cursor | None:
            if cursor is None:
                gaps.set_off(db, doubt, start)
            return jumps.shift(db, jump, cursor)

        def then(rest: Cursor | None, error: BaseException | None) -> None:
            if error is not None:
                self._undone.append((jump, cursor))
            elif rest is not None:
                self._shift(jump, rest)
            else:
                self._revision = -1  # the gaps have moved, too
                self._cache.clear()
                self.on_jump()

        self._database.submit(shift, then, heavy=True).add_done_callback(_looked_at)

    def _longest_wait(self) -> int:
        """Milliseconds that any schedule may ask a delivery to wait."""
        known = self._look().endpoints.values()
        waits = [wait for e in known for wait in e.schedule or ()]
        longest = max([*schedule.DEFAULT, schedule.MAX_RETRY_AFTER, *waits])
        return round(longest * (1 + schedule.JITTER) * 1000)


def _looked_at(future: asyncio.Future[Cursor | None]) -> None:
    if not future.cancelled():
        future.exception()  # told by `then` already
