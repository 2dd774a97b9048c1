"""Picking values out of what a phone sent: scalars, senders, times, ids, SIM slots, attachments.

Nothing is invented: what is not a plain value is not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from mmconnect.domain.models import Attachment
from mmconnect.phones.apps.times import When, read_time
from mmconnect.phones.apps.wire import Fields

MAX_ID = 500
_SLOT = re.compile(r"(?:sim[ _-]?)?([1-9])(?![0-9])(?:[\W_].*)?", re.IGNORECASE | re.DOTALL)
_LOST_PLUS = re.compile(r" \d{5,15}")


def scalar(value: object) -> str | None:
    """A string as it is, a number as its digits; None for anything else."""
    if value is None or isinstance(value, str):  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value) if math.isfinite(value) else None


def first(fields: Fields, names: Iterable[str]) -> str | None:
    """The first of `names` that holds something; else "" when one is there but empty."""
    empty: str | None = None
    for name in names:
        if name in fields:
            value = scalar(fields[name])
            if value:
                return value
            empty = value if empty is None else empty
    return empty


def sender_of(fields: Fields, names: Iterable[str], *, spaced: bool = False) -> str | None:
    """The first of `names` that holds a number or a name; never blank.

    `spaced`: the value came through form decoding, where a `+` that the phone did not encode has
    become a space; no phone writes a number with a space before it, so the plus is put back.
    """
    for name in names:
        value = name in fields and scalar(fields[name])
        if value and not value.isspace():
            return "+" + value[1:] if spaced and _LOST_PLUS.fullmatch(value) else value
    return None


def time_of(fields: Fields, names: Iterable[str]) -> When:
    """The first time that can be placed, else the first that at least is a mark."""
    found: When = (None, None)
    for name in names:
        if name in fields:
            when = read_time(fields[name])
            if when[0] is not None:
                return when
            if found[1] is None:
                found = when
    return found


def id_of(fields: Fields, names: Iterable[str]) -> str | None:
    """The first of `names` that is an id: not blank, not 0, not a document of its own."""
    for name in names:
        value = name in fields and scalar(fields[name])
        if value and value != "0" and len(value) <= MAX_ID and not value.isspace():
            return value
    return None


def sim_of(fields: Fields, names: Iterable[str]) -> int | None:
    """The first of `names` that is a SIM slot."""
    for name in names:
        if name in fields and (found := slot(fields[name])):
            return found
    return None


def slot(value: object) -> int | None:
    """The 1-based SIM slot of 1, "1", "sim1" or "SIM2_Work"."""
    text = scalar(value)
    match = _SLOT.fullmatch(text) if text else None
    return int(match[1]) if match else None


def attachments(listed: object) -> tuple[Attachment, ...]:
    """`[{name, contentType, size, …}]` without the contents."""
    if not isinstance(listed, list):
        return ()
    return tuple(
        Attachment(
            name=first(item, ("name", "filename")) or None,
            content_type=first(item, ("contentType", "content_type", "type")) or None,
            size=_size(item.get("size")),
        )
        for item in listed
        if isinstance(item, dict)
    )


LEFT_OUT = "(left out: contents are not kept)"


def without_contents(payload: object) -> object:
    """A payload without the `data` of its attachments, which says so; itself if there is none."""
    listed = payload.get("attachments") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(listed, list):
        return payload
    slim = [
        {**item, "data": LEFT_OUT} if isinstance(item, dict) and item.get("data") else item
        for item in listed
    ]
    return payload if slim == listed else {**payload, "attachments": slim}


def _size(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**53 else None
