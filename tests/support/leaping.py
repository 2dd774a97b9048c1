"""A clock that leaps ahead with its loop.

So no test waits for a limit, and none meets one by chance: limits are made far longer than any
machine stands still, and leapt over.
"""

from __future__ import annotations

import asyncio

from mmconnect.domain.clock import SystemClock
from tests.support.loops import goes_ahead, settled


class Leap(SystemClock):
    """Its monotonic time is the loop's; called, it puts both forward, for good."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()

    async def __call__(self, seconds: float) -> None:
        """So many seconds later; what was due until then has been done."""
        goes_ahead(seconds)
        await settled()
