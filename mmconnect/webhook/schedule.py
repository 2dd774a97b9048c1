"""When a delivery is tried again: a schedule, jitter, and what Retry-After may add.

The default is the schedule that Standard Webhooks suggests: ten attempts over three days, so that a
receiver that was off for a weekend still gets Friday's texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil

DEFAULT = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds to wait before each attempt, the first included."""
JITTER = 0.1
MAX_RETRY_AFTER = 86400
DEFAULT_MAX_AGE = 14 * 86400


def next_attempt(
    schedule: Sequence[int], spent: int, now: int, jitter: float, retry_after: int | None = None
) -> int | None:
    """When (UTC ms) to try again after `spent` attempts of the schedule; None when it is used up.

    `jitter` is a random number in [-1, 1]; Retry-After (seconds) only ever lengthens the wait.
    """
    if spent >= len(schedule):
        return None
    wait = schedule[spent] * (1 + JITTER * jitter)
    if retry_after is not None:
        wait = max(wait, min(retry_after, MAX_RETRY_AFTER))
    return now + round(wait * 1000)


def parse_retry_after(value: str | None, now: int) -> int | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110 §10.2.3: a number or a date).

    `now` is UTC ms. None for anything else, and for a time that has passed.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:12]), MAX_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    seconds = when.timestamp() - now / 1000
    return min(ceil(seconds), MAX_RETRY_AFTER) if seconds > 0 else None
