"""Points in time as options give them: `2h` ago, ISO 8601, or Unix seconds."""

from __future__ import annotations

from datetime import datetime

from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import UsageError

UNIX = 1_000_000_000
"""From here on a plain number is a Unix time rather than so many seconds ago: 2001 against 1995."""


def instant(option: str, text: str, now: int) -> int:
    """UTC ms of a time, or of so long before `now`. Raises UsageError naming the option."""
    if text.isascii() and text.isdigit() and UNIX <= int(text) < 10 * UNIX:
        return int(text) * 1000
    try:
        return max(0, now - parse_duration(text) * 1000)
    except ValueError:
        pass
    except OverflowError:
        return 0
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r}: write 2h, or 2026-06-12T14:00:00Z") from None
