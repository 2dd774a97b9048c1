"""A bound on how often one address may fail. Remembers a bounded number of addresses."""

from __future__ import annotations

from collections import OrderedDict

_ADDRESSES = 1024


class Throttle:
    """Counts failures per address; more than `most` within `window` seconds is too many."""

    def __init__(self, *, most: int, window: float) -> None:
        self._most, self._window = most, window
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def fail(self, address: str, now: float) -> float:
        """Count a failure at `now` (monotonic seconds).

        Returns how many seconds the address has to wait; 0 while it has not failed too often.
        """
        begun, count = self._failures.pop(address, (now, 0))
        if now - begun >= self._window:
            begun, count = now, 0
        self._failures[address] = (begun, count + 1)
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
        return max(1.0, begun + self._window - now) if count >= self._most else 0.0

    def wait(self, address: str, now: float) -> float:
        """How many seconds the address still has to wait; counts nothing."""
        begun, count = self._failures.get(address, (now, 0))
        left = begun + self._window - now
        return max(1.0, left) if count >= self._most and left > 0 else 0.0
