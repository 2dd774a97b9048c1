"""What phones give as the time of a text.

Knows no clock: a phone's time is not judged, only placed in UTC or not. A local time without its
zone cannot be placed, yet still tells two texts apart, so it is kept as a mark. A mark that might
be the same for every text (an epoch of 0, a bare date, an unfilled placeholder) would make
deduplication swallow real texts; such a one is dropped.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
EARLIEST = 946_684_800_000  # 2000-01-01: before that, a phone's clock was never set
LATEST = 7_289_654_400_000  # 2201-01-01
_MILLISECONDS_FROM = 10**11  # 1e11 s is the year 5138, 1e11 ms is 1973

_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?")
_STAMP = re.compile(r"20\d{12}")  # yyyyMMddHHmmss
_ISO = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[Tt ]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,30}))?)?\s*(.*)", re.DOTALL
)
# Android 6 and older write the sign of hours and minutes themselves, after a "+" of their own:
# +0000, +-5:00 (New York), +-3:-30 (St John's)
_ZONE = re.compile(
    r"(?:UTC|GMT)?([+\-\u2212])(-?)(\d\d?)(?::?(-?)(\d\d))?(?::\d\d)?", re.IGNORECASE
)
_MARK_DIGITS = 10
_MAX_LENGTH = 100

When = tuple[int | None, str | None]
"""UTC milliseconds or None, and the mark: what the phone gave, as given."""

_NEVER: When = (None, None)


def read_time(value: object) -> When:
    """ISO 8601 in all the ways phones write it, or an epoch in s or ms as a number or digits."""
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NEVER
    at = _from_epoch(value)
    return _NEVER if at is None else (at, str(value))


def _from_text(text: str) -> When:
    if not text or len(text) > _MAX_LENGTH:
        return _NEVER
    if _NUMBER.fullmatch(text):
        at = _from_epoch(float(text) if "." in text else int(text))
        if at is not None:
            return at, text
        return (None, text) if _STAMP.fullmatch(text) else _NEVER
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _from_odd_text(text)
    if moment.tzinfo is None:
        return _local(moment, text, has_clock=len(text) > 12)
    return _placed(moment, text)


def _from_odd_text(text: str) -> When:
    match = _ISO.fullmatch(text)
    if match is None:
        # words and digits: "12 June 2026 at 14:31:05"; fewer digits lack the year or the minute
        marks = sum(character.isdigit() for character in text) >= _MARK_DIGITS
        return (None, text) if marks else _NEVER
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micro = int((match[7] or "")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micro, UTC)
    except ValueError:
        return _NEVER
    zone = match[8].strip()
    if zone.upper() in ("Z", "UTC", "GMT"):
        return _placed(moment, text)
    offset = _ZONE.fullmatch(zone)
    if offset is None:
        return _local(moment, text, has_clock=True)
    away = timedelta(hours=int(offset[3]), minutes=int(offset[5] or 0))
    if away >= timedelta(hours=24):
        return _local(moment, text, has_clock=True)
    west = offset[1] != "+" or "-" in (offset[2], offset[4])
    return _placed(moment.replace(tzinfo=timezone(-away if west else away)), text)


def _placed(moment: datetime, text: str) -> When:
    if not 1999 <= moment.year <= 2201:  # far from both ends of what datetime can add to
        return _NEVER
    at = (moment - _EPOCH) // _MS
    return (at, text) if EARLIEST <= at < LATEST else _NEVER


def _local(moment: datetime, text: str, *, has_clock: bool) -> When:
    return (None, text) if has_clock and 2000 <= moment.year <= 2200 else _NEVER


def _from_epoch(number: float) -> int | None:
    if not 0 < number < 10**15:  # NaN is in no range either
        return None
    at = int(number) if number >= _MILLISECONDS_FROM else round(number * 1000)
    return at if EARLIEST <= at < LATEST else None
