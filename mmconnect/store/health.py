"""What the service has learnt of each endpoint, kept so that a restart forgets nothing.

Written in the transaction that records an attempt, and only when something has changed: a healthy
endpoint costs nothing.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHealth:
    """An endpoint's counters and the timer of its probes; times are UTC ms."""

    not_reached: int
    failing: tuple[str, ...]
    refused: tuple[str, ...]
    since: int | None
    probes: int
    probe_at: int | None


def save(db: sqlite3.Connection, endpoint_id: str, health: StoredHealth | None) -> None:
    """Keep what is known; None when all is well and nothing needs to be."""
    if health is None:
        db.execute("DELETE FROM endpoint_health WHERE endpoint_id = ?", (endpoint_id,))
        return
    db.execute(
        "INSERT OR REPLACE INTO endpoint_health VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            endpoint_id,
            health.not_reached,
            json.dumps(health.failing),
            json.dumps(health.refused),
            health.since,
            health.probes,
            health.probe_at,
        ),
    )


def load(db: sqlite3.Connection) -> dict[str, StoredHealth]:
    """Everything known, by endpoint."""
    rows = db.execute(
        "SELECT endpoint_id, not_reached, failing, refused, since, probes, probe_at"
        " FROM endpoint_health"
    )
    return {
        row[0]: StoredHealth(
            not_reached=row[1],
            failing=tuple(json.loads(row[2])),
            refused=tuple(json.loads(row[3])),
            since=row[4],
            probes=row[5],
            probe_at=row[6],
        )
        for row in rows
    }
