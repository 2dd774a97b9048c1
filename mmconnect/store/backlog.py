"""What waits for each endpoint: asked of the waiting deliveries alone, never of history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from mmconnect.domain.ids import DELIVERY, first_at

MOST = 50_000
"""Deliveries that are counted for one endpoint: a bound on what a question costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one endpoint."""

    waiting: int
    """How many, as far as was counted."""
    more: bool = False
    """Whether there are more than were counted."""
    oldest_due: int | None
    """When the first of them is or was due (UTC ms)."""
    oldest: int | None = None
    """Since when the one that came first waits (UTC ms), of those that were counted."""


def backlog(
    db: sqlite3.Connection, endpoint_ids: Iterable[str], most: int | None = None
) -> dict[str, Backlog]:
    """What waits for each of these endpoints, counted up to `most` (MOST unless told)."""
    most = MOST if most is None else most
    return {
        endpoint_id: Backlog(
            waiting=count,
            more=count == most,
            oldest_due=_oldest_due(db, endpoint_id),
            oldest=oldest,
        )
        for endpoint_id in endpoint_ids
        for count, oldest in [_walk(db, endpoint_id, most)]
    }


def waiting(db: sqlite3.Connection, endpoint_id: str) -> int:
    """How many deliveries wait for an endpoint, up to MOST."""
    (count,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM waiting WHERE endpoint_id = ? LIMIT ?)",
        (endpoint_id, MOST),
    ).fetchone()
    return int(count)


def waiting_since(
    db: sqlite3.Connection, endpoint_id: str, early: int, late: int
) -> tuple[int, int]:
    """How many of those that wait were made since `early`, and since `late` (UTC ms), of MOST.

    By the time in their ids, so without a look at each: where the clock has been set since, it may
    differ from what was made then.
    """
    first, second = db.execute(
        "SELECT total(id >= ?), total(id >= ?) FROM"
        " (SELECT id FROM waiting WHERE endpoint_id = ? LIMIT ?)",
        (first_at(DELIVERY, early), first_at(DELIVERY, late), endpoint_id, MOST),
    ).fetchone()
    return int(first), int(second)


def _walk(db: sqlite3.Connection, endpoint_id: str, most: int) -> tuple[int, int | None]:
    """How many wait, up to `most`, and since when the oldest of them does."""
    count, first = db.execute(
        "SELECT count(*), min(id) FROM (SELECT id FROM waiting WHERE endpoint_id = ? LIMIT ?)",
        (endpoint_id, most),
    ).fetchone()
    if not count:
        return 0, None
    (since,) = db.execute(
        "SELECT coalesce(renewed_at, created_at) FROM deliveries WHERE id = ?", (first,)
    ).fetchone()
    return int(count), int(since)


def _oldest_due(db: sqlite3.Connection, endpoint_id: str) -> int | None:
    # the queue is in the order of its due times; of what is parked there is little (parking.py)
    (due,) = db.execute(
        "SELECT min(due_at) FROM (SELECT * FROM (SELECT due_at FROM deliveries WHERE"
        " endpoint_id = ?1 AND state = 'pending' AND parked = 0 ORDER BY due_at LIMIT 1) UNION ALL"
        " SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND parked = 1"
        " AND endpoint_id = ?1)",
        (endpoint_id,),
    ).fetchone()
    return None if due is None else int(due)


def open_replays(db: sqlite3.Connection) -> int:
    """How many replays in bulk are under way."""
    (count,) = db.execute("SELECT count(*) FROM replays WHERE finished_at IS NULL").fetchone()
    return int(count)
