"""The service's time: the machine's clock, watched, and what may be concluded from it.

Handed round as the Clock. When the wall clock is set, that is noticed in a callback of its own: it
moves whatever waits by as much, and only then is the new time told to anybody, so the times of one
stretch of code agree, and what they write comes before the move or after it. Age is time lived:
what this very run has lived is certain; the time mmconnect was off counts once the clock is known
to be right, and until then is a gap.
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
from mmconnect.domain.clock import LivedClock, StepWatch
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import DELIVERY, Ids
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
from mmconnect.store.database import Database, unwatched
from mmconnect.store.gaps import Gap, Reason
from mmconnect.store.jumps import Jump
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
        ids: Ids,
        *,
        kernel: Callable[[], bool] = kernel_synchronised,
        dates: Dates | None = None,
    ) -> None:
        self.on_jump: Callable[[], None] = lambda: None
        """Called when the clock was set and all that waits has moved with it."""
        self._database, self._look, self._clock, self._ids = database, look, clock, ids
        self.belief = Belief(clock, look, kernel, dates or Dates())
        self._steps = StepWatch(clock)
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._noticing = False
        """Whether a look at a clock that seems to have been set will follow."""
        self._looked = self._written = clock.lived()
        self._start = clock.now()
        """When this run began, by the clock as it is set now."""
        self._seen = self._doubt = self._start
        """When mmconnect last ran; and from when on time before the start may not have passed."""
        self._settled = False
        """Whether the database knows that the clock is right."""
        self._undone: list[Jump] = []
        """Jumps whose move the database has refused, in their order."""
        self._shifting = 0
        """Moves that are being written."""
        self._gaps: list[Gap] = []
        self._cache: dict[str, tuple[float, int, int]] = {}
        self._revision = self._version = -1
        self._loading = False

    # -- the clock ------------------------------------------------------------------------------

    def now(self) -> int:
        """Wall time, UTC ms."""
        now, stepped = self._steps.now()
        if stepped and not self._noticing and threading.get_ident() == self._thread:
            self._noticing = True
            self._loop.call_soon(self._notice)
        return now

    def monotonic(self) -> float:
        """Seconds for durations."""
        return self._clock.monotonic()

    # -- what others ask ------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        """What is known of the clock."""
        return self.belief.standing

    @property
    def moving(self) -> bool:
        """Whether the clock was set, and what waits has not moved with it yet."""
        return bool(self._shifting or self._undone)

    def too_old(self, endpoint: Endpoint) -> int:
        """The time (UTC ms) at or before which what was made for an endpoint has expired.

        0 as long as that is not known: in the second after a jump.
        """
        if self._revision < 0:
            return 0
        lived = self._clock.lived()
        cached = self._cache.get(endpoint.id)
        if cached is not None and lived - cached[0] < _CACHED and cached[1] == endpoint.max_age:
            return cached[2]
        now, counted = self.now(), self._gaps
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

    def may_prune(self) -> bool:
        """Whether what is old by the clock may be deleted for ever."""
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
            self._shift(Jump(old=seen, new=now, start=None, first=self._ids.new(DELIVERY)))

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
        self._notice()
        if self._undone:
            self._shift()
        self._judge()
        self.belief.tell()
        if self.standing.known and not self._settled:
            await self._settle()
        if self._look().revision != self._revision and not self.moving:
            await self._load()
        lived = self._clock.lived()
        if lived - self._looked >= WRITE_BUSY:
            self._looked = lived
            await self._note(lived)

    async def _load(self) -> None:
        """Know the gaps; unless the clock is set meanwhile, and they move."""
        self._loading, revision = True, self._look().revision
        found = await self._database.read(gaps.load)
        if self._loading:
            self._gaps, self._revision = found, revision
            self._cache.clear()

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

    def _notice(self) -> None:
        """If the clock was set, what waits moves with it; the times told from now on are new.

        Never called in the midst of anything that has asked for the time.
        """
        self._noticing = False
        step = self._steps.look()
        if step is None:
            return
        first = self._ids.new(DELIVERY)
        jump = Jump(old=step.old, new=step.new, start=self._start, first=first)
        self._start += step.delta
        self._settled = False
        self.belief.jumped(step.delta)
        self._judge()
        way = "forward" if step.delta > 0 else "back"
        log.warning("The clock was set %s by %s; what waits moves with it", way, apart(step.delta))
        self._shift(jump)

    def _shift(self, *new: Jump) -> None:
        """Move what waits by every jump that it has not moved by."""
        all_of_them, self._undone = [*self._undone, *new], []
        doubt, start, longest = self._doubt, self._start, self._longest_wait()
        newest = self._ids.new(DELIVERY)
        self._shifting += 1
        self._revision, self._loading = -1, False  # the gaps move, too

        def shift(db: sqlite3.Connection) -> None:
            gaps.set_off(db, doubt, start)
            for jump in all_of_them:
                jumps.shift(db, jump, newest)
                jumps.clamp_due(db, jump.new, longest)

        def then(_: None, error: BaseException | None) -> None:
            self._shifting -= 1
            if error is not None:
                self._undone = [*all_of_them, *self._undone]
            elif not self.moving:
                self.on_jump()

        self._database.submit(shift, then, heavy=True).add_done_callback(
            unwatched
        )  # told by `then`

    def _longest_wait(self) -> int:
        """Milliseconds that any schedule may ask a delivery to wait."""
        known = self._look().endpoints.values()
        waits = [wait for e in known for wait in e.schedule or ()]
        longest = max([*schedule.DEFAULT, schedule.MAX_RETRY_AFTER, *waits])
        return round(longest * (1 + schedule.JITTER) * 1000)
