"""Whether anything was ever sent to endpoints, and what their latest answers have shown.

Bounded: looks at the newest deliveries and at figures, never through history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

LOOKED_AT = 500
"""Deliveries, the newest of all."""
FEW = 20
"""Waiting deliveries that are asked what was wrong."""


def tried(db: sqlite3.Connection, endpoint_ids: Iterable[str]) -> set[str]:
    """Those of the endpoints to which anything was sent, tests included."""
    lately = {
        endpoint_id
        for (endpoint_id,) in db.execute(
            "SELECT DISTINCT endpoint_id FROM (SELECT endpoint_id, attempts FROM deliveries"
            " ORDER BY id DESC LIMIT ?) WHERE attempts > 0",
            (LOOKED_AT,),
        )
    }
    return {
        endpoint_id
        for endpoint_id in endpoint_ids
        if endpoint_id in lately
        or db.execute(
            "SELECT 1 FROM endpoint_hours WHERE endpoint_id = ? LIMIT 1", (endpoint_id,)
        ).fetchone()
    }


def remark(db: sqlite3.Connection, endpoint_id: str, since: int) -> tuple[str, int] | None:
    """What an attempt since then (UTC ms) has shown besides its answer, and when it was made."""
    row = db.execute(
        "SELECT a.note, a.started_at FROM (SELECT id, endpoint_id FROM deliveries"
        " ORDER BY id DESC LIMIT ?) d JOIN attempts a ON a.delivery_id = d.id"
        " WHERE d.endpoint_id = ? AND a.note IS NOT NULL AND a.started_at >= ?"
        " ORDER BY a.started_at DESC LIMIT 1",
        (LOOKED_AT, endpoint_id, since),
    ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What was last wrong with a text that waits for its next attempt."""

    delivery_id: str
    error: str
    """In words, with the remedy."""
    at: int
    """When that attempt began (UTC ms)."""


def trouble(db: sqlite3.Connection, endpoint_id: str) -> Trouble | None:
    """The latest of them, of a few that were tried and wait; None where nothing does."""
    row = db.execute(
        "SELECT d.id, a.error, a.started_at FROM (SELECT id FROM deliveries WHERE endpoint_id = ?"
        " AND state = 'pending' AND attempts > 0 LIMIT ?) d JOIN attempts a ON a.delivery_id = d.id"
        " WHERE a.error IS NOT NULL ORDER BY a.started_at DESC LIMIT 1",
        (endpoint_id, FEW),
    ).fetchone()
    return None if row is None else Trouble(delivery_id=row[0], error=row[1], at=row[2])
