"""Whether the event loop turns: a task that wakes every second and notes how late it was.

A loop that something holds up answers nobody, so the only one who can tell of it is the loop
itself, afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque

from mmconnect.domain.clock import Clock

BEAT = 1.0
REMEMBERED = 60.0
"""Seconds for which a standstill can be told."""


class Heartbeat:
    """How late the loop has been lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected = clock.monotonic() + BEAT
        self._late: deque[tuple[float, float]] = deque(maxlen=int(REMEMBERED / BEAT) + 1)
        """(when, seconds late)"""

    def worst(self, within: float = REMEMBERED) -> float:
        """The longest that the loop has stood still in the last `within` seconds, in seconds."""
        now = self._clock.monotonic()
        late = [seconds for when, seconds in self._late if now - when <= within]
        return max(0.0, now - self._expected, *late)

    def beat(self) -> None:
        """The loop has come round."""
        now = self._clock.monotonic()
        self._late.append((now, max(0.0, now - self._expected)))
        self._expected = now + BEAT

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await asyncio.sleep(BEAT)
            self.beat()
