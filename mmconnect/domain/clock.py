"""Time, passed in rather than looked up.

Wall time (UTC milliseconds) is for what people and receivers see and for due times; monotonic
seconds are for durations. Nothing else in mmconnect asks the system for the time, so a test can
jump the clock by a day.
"""

from __future__ import annotations

import re
import time
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


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


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
    return round(float(match[1]) * _UNITS[match[2] or "s"])
