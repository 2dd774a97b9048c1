"""How long answers took, as counts in buckets: what a percentile needs, and no more.

The bounds grow by a tenth each, from 1 ms to beyond the 15 s that a receiver is waited for, so what
is read between two of them is off by as much at the most. A bucket's number is what is stored: the
bounds stay as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

BOUNDS = tuple(round(1.1**n, 3) for n in range(106))
"""Upper bounds (ms), the last at 22.2 s; what took longer is in a bucket after it."""

Histogram = dict[int, int]
"""Number of the bucket to how many."""


def bucket(ms: float) -> int:
    """The number of the bucket that a time falls into."""
    return bisect_left(BOUNDS, ms)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The time (ms) within which this share of all answers came, 0 < share <= 1; None of none."""
    rank = share * sum(counts.values())
    below = 0
    for number in sorted(counts):
        count = counts[number]
        if count and below + count >= rank:
            low = BOUNDS[number - 1] if number else 0.0
            high = BOUNDS[min(number, len(BOUNDS) - 1)]
            return low + (high - low) * (rank - below) / count
        below += count
    return None
