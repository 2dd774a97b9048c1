"""How much one key may ask for: a token bucket each, so that a script in a loop harms nobody else.

Remembers a bounded number of keys; time is handed in.
"""

from __future__ import annotations

from collections import OrderedDict

RATE = 20.0
"""Requests a second that a key may make for ever."""
BURST = 100
"""Requests that it may make at once, after a rest."""
_KEYS = 1024


class Limits:
    """Counts the requests of each key."""

    def __init__(self, *, rate: float = RATE, burst: int = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By key: how many it has left, and as of when."""

    def take(self, key_id: str, now: float) -> float:
        """Count a request at `now` (monotonic seconds).

        Returns how many seconds the key has to wait; 0 when it may go on. Who has to wait is not
        counted: asking too early makes it no longer.
        """
        left, then = self._left.pop(key_id, (float(self._burst), now))
        left = min(float(self._burst), left + max(0.0, now - then) * self._rate)
        allowed = left >= 1
        self._left[key_id] = (left - 1 if allowed else left, now)
        if len(self._left) > _KEYS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate
