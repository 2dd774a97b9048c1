"""How much upkeep may do at once, and how long it then stands back. Pure; times are in seconds.

A push that comes while a step has the writer waits for it. So a step is as large as it may be
without its own work taking longer than AIM; what its commit costs is the disk's affair, varies, and
says nothing about the size. Between two steps the writer is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

AIM = 0.002
"""What the work of one step may take. A commit on an SSD takes about as long."""
SHARE = 0.02
"""Of the writer's time, what upkeep takes at most, but for very slow disks."""
LONGEST = 0.5
"""What one stands back at most: 500,000 messages are to go within hours on a memory card, too."""


@dataclass(slots=True)
class Pace:
    """Adapts to what the steps of one kind take."""

    size: int = 8
    """Rows (or pages) of the next step."""
    most: int = 2000
    share: float = SHARE

    def took(self, work: float, held: float, size: int) -> float:
        """A step of `size` worked so long and held the writer so long; how long to stand back."""
        if work > AIM:
            self.size = max(1, min(self.size, size) * 3 // 4)
        elif work < AIM / 2 and size >= self.size:
            self.size = min(self.most, self.size + self.size // 4 + 1)
        return min(LONGEST, held * (1 / self.share - 1))
