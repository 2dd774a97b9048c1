"""How much upkeep may do at once, and how long it then stands back. Pure; times are in seconds.

A push that comes while a step has the writer waits for it. So steps become as large as they may be
without holding the writer longer than AIM beyond what any commit costs on this disk, and between
two of them the writer is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

AIM = 0.005
"""What a step may take beyond the cheapest one seen lately, which is mostly the disk's fsync."""
SHARE = 0.1
"""Of the writer's time, what upkeep takes at most."""


@dataclass(slots=True)
class Pace:
    """Adapts to what the steps of one kind take."""

    size: int = 8
    """Rows (or pages) of the next step."""
    most: int = 2000
    share: float = SHARE
    _cheapest: float = 1.0

    def took(self, seconds: float, size: int) -> float:
        """A step of `size` held the writer that long; how long to stand back now."""
        self._cheapest = min(seconds, self._cheapest * 1.02 + 0.0001)
        limit = self._cheapest + AIM
        if seconds > limit:
            self.size = max(1, min(self.size, size) // 2)
        elif seconds < limit - AIM / 2 and size >= self.size:
            self.size = min(self.most, self.size + self.size // 4 + 1)
        return seconds * (1 / self.share - 1)
