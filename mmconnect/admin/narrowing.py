"""What a list is narrowed by, as the address of its page says it: read once, for every list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mmconnect.domain.errors import Invalid, Issue

MINUTE = 60_000


def as_given(values: Mapping[str, str], names: Collection[str], longest: int) -> dict[str, str]:
    """What was written, right or wrong, for links that ask the same; what is empty is left out."""
    return {name: text for name in names if (text := values.get(name, "").strip()[:longest])}


def since(given: Mapping[str, str]) -> int | None:
    """From when on (UTC ms). Raises Invalid."""
    return _moment("since", given)


def until(given: Mapping[str, str]) -> int | None:
    """Until before when (UTC ms): the minute that was written counts whole. Raises Invalid."""
    moment = _moment("until", given)
    return None if moment is None else moment + MINUTE


def _moment(name: str, given: Mapping[str, str]) -> int | None:
    """A time as browsers send it, in this machine's zone."""
    if name not in given:
        return None
    try:
        return round(datetime.fromisoformat(given[name]).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise Invalid(
            Issue(path=name, message="Write a day and a time, like 2026-06-12T14:00")
        ) from None
