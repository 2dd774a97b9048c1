"""How a person reads a number of things, a moment, a duration, whoever shows them.

Knows no language but English, and no output.
"""

from __future__ import annotations

from datetime import datetime


def many(count: int, one: str, several: str) -> str:
    """`1 delivery is`, `2,000 deliveries are`."""
    return f"{count:,} {one if count == 1 else several}"


def local(ms: int | None, empty: str = "–") -> str:
    """A moment (UTC ms) in this machine's local time: `2026-06-12 14:32:00`; `empty` for None."""
    if ms is None:
        return empty
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A duration without false precision: `45 s`, `12 min`, `5 h`, `3 days`."""
    for size, most, unit in ((1, 120, "s"), (60, 7200, "min"), (3600, 172_800, "h")):
        if seconds < most:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 86_400)} days"


def ended(text: str) -> str:
    """As a sentence that has its end; nothing stays nothing."""
    return text if not text or text.endswith((".", "?", "!", ")")) else f"{text}."


def midnight(now: int) -> int:
    """When the day of `now` (UTC ms) began where this machine stands (UTC ms)."""
    today = datetime.fromtimestamp(now / 1000).astimezone()
    begun = datetime(today.year, today.month, today.day).astimezone()  # by that moment's own zone
    return round(begun.timestamp() * 1000)
