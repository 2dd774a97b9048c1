"""What the service believes of its clock, as it goes on: evidence gathered, judged, told once.

Knows nothing of the database; whoever keeps the time asks it and says what happened. Invariant: a
jump of more than a day is believed only once the clock is known to be right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from mmconnect.domain.clock import LivedClock
from mmconnect.service.clock_sync import ClockState, Dates, Evidence, Standing, judge
from mmconnect.store.configuration import Look

log = logging.getLogger(__name__)

SURE_AFTER = 600.0
"""Seconds of being synchronised after which even a jump of more than a day is believed."""
_GRACE = 180.0
"""Seconds after a start in which a clock that is not synchronised yet is nothing to log."""
_DAY = 86_400.0
_BIG = 86_400_000
_AGE = 366 * _BIG
"""Milliseconds for which nobody leaves mmconnect off: a start so much later is a jump."""


class Belief:
    """Ask `standing`; look() again every second or so."""

    def __init__(
        self, clock: LivedClock, look: Look, kernel: Callable[[], bool], dates: Dates
    ) -> None:
        self.on_warning: Callable[[str | None], None] = lambda sentence: None
        """Called with a sentence when the clock turns out to be wrong, or has jumped a day; with
        None when that is over."""
        self.dates = dates
        self.standing = Standing(state=ClockState.UNKNOWN)
        self._clock, self._look, self._kernel = clock, look, kernel
        self._begun = clock.lived()
        self._jump = (-_DAY, 0)
        """When (lived) the clock last jumped by more than a day, and by how many ms."""
        self._gap = -_DAY
        """When this run began (lived), if that was more than a day after the last one."""
        self._synchronised: float | None = None
        """Since when (lived) the kernel has said so without a break."""
        self._told: tuple[ClockState, bool] | None = None

    def started(self, off: int) -> None:
        """The clock says that mmconnect was off for that many ms."""
        if off > _BIG:
            self._gap = self._begun
        if off > _AGE:
            self._jump = (self._begun, off)

    def jumped(self, delta: int) -> None:
        """The clock was set by that many ms: what was known of it was known of another."""
        if abs(delta) > _BIG:
            self._jump = (self._clock.lived(), delta)
        self.dates.forget()
        self._synchronised = None

    def look(self, *, behind: bool) -> Standing:
        """Find out how the clock stands; `behind`: this run began before the last one ended."""
        lived, kernel = self._clock.lived(), self._kernel()
        if not kernel:
            self._synchronised = None
        elif self._synchronised is None:
            self._synchronised = lived
        self.standing = judge(
            Evidence(
                now=self._clock.now(),
                behind=behind,
                kernel=kernel,
                dates=self.dates.verdict(lived),
                trusted=self._look().preferences.clock_trusted,
                jumped=self._jump[1] if self._jumped_lately(lived) else None,
            )
        )
        return self.standing

    def may_prune(self) -> bool:
        """Whether what is old by the clock may be deleted for ever."""
        lived = self._clock.lived()
        if not self.standing.known:
            return False
        if self._synchronised is not None and lived - self._synchronised >= SURE_AFTER:
            return True
        return lived - max(self._gap, self._jump[0]) >= _DAY

    def tell(self) -> None:
        """Log, and warn of, what has changed since the last time."""
        lived, state = self._clock.lived(), self.standing.state
        jumped = self._jumped_lately(lived)
        early = state is ClockState.UNKNOWN and lived - self._begun < _GRACE
        if (state, jumped) == self._told or (early and not jumped):
            return
        self._told = (state, jumped)
        if self.standing.sentence is None:
            log.info("The clock is right (%s)", state)
        else:
            log.warning("%s", self.standing.sentence)
        self.on_warning(self.standing.sentence if jumped or state is ClockState.WRONG else None)

    def _jumped_lately(self, lived: float) -> bool:
        return lived - self._jump[0] < _DAY
