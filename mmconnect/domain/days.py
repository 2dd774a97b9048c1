"""Days and hours as the machine's own clock strikes them, in UTC milliseconds.

Figures are kept by hours that begin where local ones do, so that in any zone (India is half an hour
off) a day is a row of whole ones. `zone` is for tests: None is the machine's own time. Days are as
long as they are: 23 and 25 hours where the clocks change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo

HOUR = 3_600_000
DAY = 24 * HOUR


def phase(at: int, zone: tzinfo | None = None) -> int:
    """Milliseconds after the full hour of UTC at which local hours begin: 0 in most zones."""
    local = _local(at, zone)
    return (at - (local.minute * 60_000 + local.second * 1000 + at % 1000)) % HOUR


def hour_of(at: int, phase: int) -> int:
    """When the hour of `at` began."""
    return at - (at - phase) % HOUR


def days(now: int, count: int, zone: tzinfo | None = None) -> Sequence[int]:
    """When the last `count` days began, today the last, and when tomorrow does."""
    today = _local(now, zone).date()
    return [_at(today - timedelta(days=back), zone) for back in range(count - 1, -2, -1)]


def same_time(now: int, weeks_back: int, zone: tzinfo | None = None) -> tuple[int, int]:
    """(midnight, this time of day) on today's weekday some weeks ago."""
    local = _local(now, zone)
    day = local.date() - timedelta(weeks=weeks_back)
    then = datetime.combine(day, local.time(), zone)
    return _at(day, zone), round(then.timestamp() * 1000)


def day_of(at: int, zone: tzinfo | None = None) -> date:
    """The local date of a time."""
    return _local(at, zone).date()


def _local(at: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(at // 1000, zone)


def _at(day: date, zone: tzinfo | None) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
