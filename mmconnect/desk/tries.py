"""How often passwords and codes may be tried: first by address, then by all strangers together.

Who has logged in before, and this machine itself, are bounded by their own tries alone: a flood
from elsewhere never keeps the owner out.
"""

from __future__ import annotations

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Refused
from mmconnect.web.forwarded import is_loopback
from mmconnect.web.throttle import Bucket, Throttle

WRONG, WINDOW = 10, 600.0
"""Tries of one address within so many seconds; after that it waits until they are over."""
AT_ONCE, ONE_EVERY = 20, 10.0
"""Tries of all strangers together: so many at once, then one every so many seconds."""


class SlowDown(Refused):
    """There were too many tries."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"Too many tries. Wait {_some_time(wait)}, then try again")
        self.wait = wait
        """Seconds."""


class Tries:
    """Counts tries of one kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._one = Throttle(most=WRONG, window=WINDOW)
        self._all = Bucket(most=AT_ONCE, every=ONE_EVERY)

    def count(self, address: str, *, known: bool = False) -> None:
        """Count a try, before it is judged: many at once are as many. Raises SlowDown.

        `known`: somebody is logged in from that address.
        """
        at = self._clock.monotonic()
        wait = self._one.wait(address, at)
        if not wait and not known and not is_loopback(address):
            wait = self._all.take(at)
        if wait:
            raise SlowDown(wait)
        self._one.fail(address, at)

    def forgive(self, address: str) -> None:
        """It was right."""
        self._one.forgive(address)


def _some_time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes > 1:
        return f"{minutes} minutes"
    return "a minute" if seconds > 30 else f"{max(1, round(seconds))} s"
