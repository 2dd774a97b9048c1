"""Time, passed in rather than looked up.

Wall time (UTC milliseconds) is for what people and receivers see and for due times; monotonic
seconds are for durations. Nothing else in mmconnect asks the system for the time, so a test can
jump the clock by a day.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Clock(Protocol):
    """What needs the time is given one of these."""

    def now(self) -> int:
        """Wall time, milliseconds since 1970 UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever move forward."""
        ...


class LivedClock(Clock, Protocol):
    """A clock that also knows how much time has really passed."""

    def lived(self) -> float:
        """Seconds that pass while the machine sleeps, too; nobody can set them."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def lived(self) -> float:
        return time.clock_gettime(_LIVED)


_LIVED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The wall clock was set: at one moment it changed from `old` to `new` (UTC ms)."""

    old: int
    new: int

    @property
    def delta(self) -> int:
        """Milliseconds it moved; negative for one that was set back."""
        return self.new - self.old


class StepWatch:
    """Tells the time, and notices that the wall clock was set, by the time that has really passed.

    Synchronisation that only runs it a little faster or slower moves both alike, so what differs
    was set. Small steps add up until they count.
    """

    SMALLEST = 2000
    """Milliseconds; smaller steps matter to nobody."""
    _TOGETHER = 0.1
    """Seconds within which both clocks must have been read to be compared."""

    def __init__(self, clock: LivedClock) -> None:
        self._clock = clock
        self._offset = self._measure() or clock.now() - clock.lived() * 1000

    def now(self) -> tuple[int, bool]:
        """Wall time, UTC ms, and whether the clock seems to have been set since the last look().

        If so, the time is told by the clock as it was: only a look() changes that.
        """
        now, lived = self._clock.now(), self._clock.lived() * 1000
        if abs(now - lived - self._offset) <= self.SMALLEST:
            return now, False
        return round(lived + self._offset), True

    def look(self) -> Step | None:
        """The step since the last look, if there was one."""
        offset = self._measure()
        if offset is None or abs(offset - self._offset) <= self.SMALLEST:
            return None
        before, self._offset = self._offset, offset
        lived = self._clock.lived() * 1000
        return Step(old=round(lived + before), new=round(lived + offset))

    def _measure(self) -> float | None:
        """Wall time less time passed; None when the machine was too busy to tell."""
        for _ in range(5):
            begun = self._clock.lived()
            now = self._clock.now()
            if self._clock.lived() - begun < self._TOGETHER:
                return now - begun * 1000
        return None


def iso(ms: int) -> str:
    """UTC with milliseconds, as every time that leaves mmconnect: `2026-06-12T14:32:00.000Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


_last_second = (0, "1970-01-01T00:00:00")


def _second(seconds: int) -> str:
    """The text of a whole second; the last one is remembered, as neighbours mostly share it."""
    global _last_second
    known, text = _last_second
    if known != seconds:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _last_second = (seconds, text)
    return text


def parse_duration(text: str) -> int:
    """Seconds of `90s`, `15m`, `24h`, `14d`, `2w` or a plain number of seconds.

    Raises ValueError with a sentence that says what is accepted.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write it like 30s, 15m, 24h or 14d")
    seconds = float(match[1]) * _UNITS[match[2] or "s"]
    return round(seconds) or int(seconds > 0)  # a little is never nothing, which may mean much


def short_duration(seconds: int) -> str:
    """The reverse of parse_duration(), in the largest unit that leaves no rest: `15m`, `14d`."""
    for unit in ("d", "h", "m"):
        count, rest = divmod(seconds, _UNITS[unit])
        if count and not rest:
            return f"{count}{unit}"
    return f"{seconds}s"
