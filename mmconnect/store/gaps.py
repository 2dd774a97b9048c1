"""Gaps in age: time in which no delivery grows older, and what follows for a maximum age.

A gap is a pause of one endpoint, or (`off`, for all) time in which mmconnect did not run as told by
a clock that is not known to be right. The arithmetic is pure; only load() and what follows it touch
the database. Invariant: a wrong clock makes nothing expire.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why time does not count."""

    PAUSED = "paused"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From when to when (UTC ms) nothing grew older."""

    endpoint_id: str | None
    """None for every endpoint."""
    from_at: int
    to_at: int | None
    """None while it lasts."""
    reason: Reason


def threshold(gaps: Iterable[Gap], endpoint_id: str, now: int, max_age_ms: int) -> int:
    """The time (UTC ms) at or before which everything made has lived `max_age_ms` by `now`."""
    at, left = now, max_age_ms
    for begin, end in _backwards(gaps, endpoint_id, now):
        if at - end >= left:
            break
        left -= max(0, at - end)
        at = min(at, begin)
    return at - left


def _backwards(gaps: Iterable[Gap], endpoint_id: str, now: int) -> list[tuple[int, int]]:
    """The gaps that count for an endpoint, the latest first, none overlapping another."""
    spans = sorted(
        (gap.from_at, now if gap.to_at is None else min(gap.to_at, now))
        for gap in gaps
        if gap.endpoint_id in (None, endpoint_id) and gap.from_at < now
    )
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if end <= begin:
            continue
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined[::-1]


def load(db: sqlite3.Connection) -> list[Gap]:
    """Every gap that may still matter."""
    rows = db.execute("SELECT endpoint_id, from_at, to_at, reason FROM age_gaps ORDER BY number")
    return [
        Gap(endpoint_id=row[0], from_at=row[1], to_at=row[2], reason=Reason(row[3])) for row in rows
    ]


def set_off(db: sqlite3.Connection, from_at: int, to_at: int) -> None:
    """Write down (anew, for the same `from_at`) that mmconnect may have been off all that time."""
    db.execute("DELETE FROM age_gaps WHERE reason = 'off' AND from_at = ?", (from_at,))
    if to_at > from_at:
        db.execute(
            "INSERT INTO age_gaps (from_at, to_at, reason) VALUES (?, ?, 'off')", (from_at, to_at)
        )


def drop_off(db: sqlite3.Connection) -> None:
    """The clock is right: time when mmconnect was off has passed for its texts, too."""
    db.execute("DELETE FROM age_gaps WHERE reason = 'off'")


def shift(db: sqlite3.Connection, start: int, old: int, delta: int) -> None:
    """Pauses of this run (since `start`) keep their length and place when the clock is set."""
    db.execute(
        "UPDATE age_gaps SET from_at = iif(from_at BETWEEN ?1 AND ?2, from_at + ?3, from_at),"
        " to_at = iif(to_at BETWEEN ?1 AND ?2, to_at + ?3, to_at) WHERE reason = 'paused'",
        (start, old, delta),
    )


def forget(db: sqlite3.Connection, before: int) -> None:
    """Delete gaps that ended before a time (UTC ms) from when nothing waits any more."""
    db.execute(
        "DELETE FROM age_gaps WHERE to_at < ? OR (endpoint_id IS NOT NULL AND endpoint_id IN"
        " (SELECT id FROM endpoints WHERE removed_at IS NOT NULL))",
        (before,),
    )
