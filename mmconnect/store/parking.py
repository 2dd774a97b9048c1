"""Parked deliveries: what waits for an endpoint that is held or paused gets its place later.

The index `deliveries_due` is every endpoint's queue, so a text that waits for twenty endpoints goes
through twenty of its pages. While it cannot go out it needs no place there: parked, a text's
deliveries lie side by side in `deliveries_parked`, and many texts' are queued at once.
Invariant: whoever works through a queue queues first what is parked for it. Whoever only wants to
know what waits asks the view `waiting`, which holds both.
"""

from __future__ import annotations

import sqlite3

WAITING = "(SELECT id FROM waiting WHERE endpoint_id = ?) CROSS JOIN deliveries USING (id)"
"""The rows of what waits for an endpoint, its id to be bound."""


def queue(db: sqlite3.Connection, endpoint_id: str) -> None:
    """Queue what is parked for an endpoint."""
    db.execute(
        "UPDATE deliveries SET parked = 0"
        " WHERE state = 'pending' AND parked = 1 AND endpoint_id = ?",
        (endpoint_id,),
    )


def queue_all(db: sqlite3.Connection, limit: int = -1) -> int:
    """Queue what is parked, up to `limit` deliveries; how many there were."""
    return db.execute(
        "UPDATE deliveries SET parked = 0 WHERE id IN (SELECT id FROM deliveries"
        " WHERE state = 'pending' AND parked = 1 LIMIT ?)",
        (limit,),
    ).rowcount
