"""What waits for each endpoint: asked of the waiting deliveries alone, never of history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 50_000
"""Deliveries that are counted for one endpoint: a bound on what a question costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one endpoint."""

    waiting: int
    """How many, up to MOST."""
    oldest_due: int | None
    """When the first of them is or was due (UTC ms)."""
    oldest: int | None = None
    """Since when the one that came first waits (UTC ms); of the first MOST that are due."""


def backlog(db: sqlite3.Connection, endpoint_ids: Iterable[str]) -> dict[str, Backlog]:
    """What waits for each of these endpoints."""
    return {
        endpoint_id: Backlog(waiting=count, oldest_due=_oldest_due(db, endpoint_id), oldest=oldest)
        for endpoint_id in endpoint_ids
        for count, oldest in [_walk(db, endpoint_id)]
    }


def waiting(db: sqlite3.Connection, endpoint_id: str) -> int:
    """How many deliveries wait for an endpoint, up to MOST."""
    (count,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM waiting WHERE endpoint_id = ? LIMIT ?)",
        (endpoint_id, MOST),
    ).fetchone()
    return int(count)


def waiting_since(db: sqlite3.Connection, endpoint_id: str, since: int) -> int:
    """How many of those that wait were made at `since` (UTC ms) or later, of the first MOST."""
    (count,) = db.execute(
        "SELECT count(*) FROM (SELECT id FROM waiting WHERE endpoint_id = ? LIMIT ?) CROSS JOIN"
        " deliveries USING (id) WHERE created_at >= ?",
        (endpoint_id, MOST, since),
    ).fetchone()
    return int(count)


def _walk(db: sqlite3.Connection, endpoint_id: str) -> tuple[int, int | None]:
    """How many wait, up to MOST, and since when the oldest of them does."""
    count, first = db.execute(
        "SELECT count(*), min(id) FROM (SELECT id FROM waiting WHERE endpoint_id = ? LIMIT ?)",
        (endpoint_id, MOST),
    ).fetchone()
    if not count:
        return 0, None
    (since,) = db.execute(
        "SELECT coalesce(renewed_at, created_at) FROM deliveries WHERE id = ?", (first,)
    ).fetchone()
    return int(count), int(since)


def _oldest_due(db: sqlite3.Connection, endpoint_id: str) -> int | None:
    (due,) = db.execute(
        "SELECT min(due_at) FROM waiting WHERE endpoint_id = ?", (endpoint_id,)
    ).fetchone()
    return None if due is None else int(due)


def open_replays(db: sqlite3.Connection) -> int:
    """How many replays in bulk are under way."""
    (count,) = db.execute("SELECT count(*) FROM replays WHERE finished_at IS NULL").fetchone()
    return int(count)
