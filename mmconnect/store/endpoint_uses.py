"""Whether anything was ever sent to endpoints, and what their latest answers have shown.

Bounded: looks at the newest deliveries and at figures, never through history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

LOOKED_AT = 500
"""Deliveries, the newest of all."""


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
