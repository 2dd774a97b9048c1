"""How a person reads a number of things and a moment, whoever shows them.

Knows no language but English, and no output.
"""

from __future__ import annotations

from datetime import datetime


def many(count: int, one: str, several: str) -> str:
    """`1 delivery is`, `2 deliveries are`."""
    return f"{count} {one if count == 1 else several}"


def local(ms: int | None) -> str:
    """A moment (UTC ms) in this machine's local time: `2026-06-12 14:32:00`; `–` for None."""
    if ms is None:
        return "–"
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def midnight(now: int) -> int:
    """When the day of `now` (UTC ms) began where this machine stands (UTC ms)."""
    today = datetime.fromtimestamp(now / 1000).astimezone()
    begun = datetime(today.year, today.month, today.day).astimezone()  # by that moment's own zone
    return round(begun.timestamp() * 1000)
