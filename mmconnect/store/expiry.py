"""Waiting deliveries that are older than their endpoint's maximum age become `expired`.

They stay visible, and can be sent again. Found on the reader, as that looks at everything that
waits; expired on the writer, which looks at each once more. Age counts from when a delivery was
made or offered anew (`renewed_at`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mmconnect.domain.clock import short_duration
from mmconnect.store.parking import WAITING

_MADE = "coalesce(renewed_at, created_at)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What waits for one endpoint, by its age."""

    ids: Sequence[str]
    """Those that are too old, as far as they were asked for."""
    oldest: int | None
    """When the oldest of the others was made (UTC ms); None when nothing else waits, or when more
    may be too old."""


def find(db: sqlite3.Connection, endpoint_id: str, threshold: int, limit: int) -> Found:
    """Up to `limit` waiting deliveries that were made at or before `threshold` (UTC ms)."""
    rows = db.execute(
        f"SELECT id FROM {WAITING} WHERE {_MADE} <= ? LIMIT ?",
        (endpoint_id, threshold, limit),
    ).fetchall()
    oldest = None
    if len(rows) < limit:
        (oldest,) = db.execute(
            f"SELECT min({_MADE}) FROM {WAITING} WHERE {_MADE} > ?",
            (endpoint_id, threshold),
        ).fetchone()
    return Found(ids=[row[0] for row in rows], oldest=oldest)


def expire(
    db: sqlite3.Connection,
    endpoint_id: str,
    ids: Sequence[str],
    *,
    threshold: int,
    max_age: int,
    now: int,
) -> list[str]:
    """Expire those of `ids` that still wait and are too old; which.

    `max_age` (seconds) is what is said to be exceeded. None when the endpoint is paused, which
    stops the time.
    """
    if db.execute(
        "SELECT 1 FROM endpoints WHERE id = ? AND state = 'paused'", (endpoint_id,)
    ).fetchone():
        return []
    return [one for one in ids if expire_one(db, one, max_age, now, threshold=threshold)]


def expire_one(
    db: sqlite3.Connection, delivery_id: str, max_age: int, now: int, *, threshold: int = 1 << 62
) -> bool:
    """Expire a delivery that still waits and was made at or before `threshold`; whether it did."""
    return (
        db.execute(
            "UPDATE deliveries SET state = 'expired', note = ?, finished_at = ?, due_at = NULL"
            f" WHERE id = ? AND state = 'pending' AND {_MADE} <= ?",
            (too_old(max_age), now, delivery_id, threshold),
        ).rowcount
        == 1
    )


def too_old(max_age: int) -> str:
    """Why a delivery has expired, for a person; `max_age` in seconds."""
    return f"older than the endpoint's maximum age ({short_duration(max_age)})"
