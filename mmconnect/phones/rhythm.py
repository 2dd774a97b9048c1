"""How often a phone's heartbeat usually comes, learned from the gaps between beats.

Pure. One odd gap changes nothing: phones sleep, people try the address in a browser, Wi-Fi goes
away. Two in a row that are odd in the same direction are a new rhythm.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST = 20_000
"""Milliseconds; beats that follow each other faster are tries and repetitions."""
LONGEST = 14 * 86_400_000
_ODD = 2.0
"""How many times longer or shorter than usual a gap is odd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What has been learned so far."""

    usual: int | None = None
    """Milliseconds between two beats; None until two gaps are known."""
    odd: int | None = None
    """The last gap, when it was odd, or the only one."""

    def learn(self, gap: int) -> Rhythm:
        """What is known after one more gap (ms)."""
        if not SHORTEST <= gap <= LONGEST:
            return self
        usual, odd = self.usual, self.odd
        if usual is None:
            if odd is None:
                return Rhythm(odd=gap)
            return Rhythm(usual=max(odd, gap))  # who waits longer raises no false alarm
        if usual / _ODD <= gap <= usual * _ODD:
            return Rhythm(usual=round((3 * usual + gap) / 4))
        if odd is not None and (odd > usual) == (gap > usual):
            nearer = min(odd, gap) if gap > usual else max(odd, gap)
            return Rhythm(usual=nearer)
        return Rhythm(usual=usual, odd=gap)
