"""Deliveries and attempts as people ask for them: lists, one in full, sending again, cancelling."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mmconnect.domain.models import Attempt, Delivery, DeliveryState, Trigger
from mmconnect.store.connection import Row

_COLUMNS = (
    "id, message_id, endpoint_id, state, trigger, sender, attempts, spent, due_at, started_at,"
    " created_at, renewed_at, finished_at, note"
)


def get(db: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    """One delivery, or None."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?",
        (delivery_id,),
    ).fetchone()
    return None if row is None else _delivery(row)


def of_message(db: sqlite3.Connection, message_id: str) -> list[Delivery]:
    """The deliveries of a message, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE message_id = ? ORDER BY id",
        (message_id,),
    )
    return [_delivery(row) for row in rows]


def latest(
    db: sqlite3.Connection,
    *,
    limit: int,
    state: DeliveryState | None = None,
    endpoint_id: str | None = None,
    since: int | None = None,
) -> list[Delivery]:
    """The newest deliveries that match, newest first; `since` is a creation time, UTC ms."""
    where, values = _filter(state, endpoint_id, since)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM deliveries WHERE {where} ORDER BY id DESC LIMIT ?",
        (*values, limit),
    )
    return [_delivery(row) for row in rows]


def attempts(db: sqlite3.Connection, delivery_id: str) -> list[Attempt]:
    """The attempts of a delivery, first to last."""
    rows = db.execute(
        "SELECT delivery_id, number, started_at, duration_ms, outcome, status, error, address,"
        " response_headers, response_body, probe, count, last_at FROM attempts"
        " WHERE delivery_id = ? ORDER BY number",
        (delivery_id,),
    )
    return [_attempt(row) for row in rows]


def retry(db: sqlite3.Connection, delivery_ids: Sequence[str], now: int) -> int:
    """Make deliveries due now, with a fresh budget and the same id and body; how many.

    One that waits already is only brought forward, and one in flight is left alone. Tests are never
    repeated; what was meant for a removed endpoint, or whose text was wiped, stays as it is.
    """
    count = 0
    for delivery_id in delivery_ids:
        count += db.execute(
            "UPDATE deliveries SET due_at = ?, state = 'pending', finished_at = NULL,"
            " trigger = CASE state WHEN 'pending' THEN trigger ELSE 'replay' END,"
            " spent = CASE state WHEN 'pending' THEN spent ELSE 0 END"
            " WHERE id = ? AND state <> 'in_flight' AND trigger <> 'test'"
            " AND endpoint_id IN (SELECT id FROM endpoints WHERE removed_at IS NULL)"
            " AND EXISTS (SELECT 1 FROM messages m WHERE m.id = message_id"
            " AND m.wiped_at IS NULL)",
            (now, delivery_id),
        ).rowcount
    _touch(db)
    return count


def retry_matching(
    db: sqlite3.Connection,
    now: int,
    *,
    state: DeliveryState,
    endpoint_id: str | None,
    since: int | None,
) -> int:
    """retry() for everything that matches; how many."""
    where, values = _filter(state, endpoint_id, since)
    rows = db.execute(f"SELECT id FROM deliveries WHERE {where}", values).fetchall()
    return retry(db, [row[0] for row in rows], now)


def cancel(db: sqlite3.Connection, delivery_ids: Sequence[str], now: int) -> int:
    """Cancel deliveries that wait; how many. They stay visible, and can be sent again."""
    count = 0
    for delivery_id in delivery_ids:
        count += db.execute(
            "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ?"
            " WHERE id = ? AND state = 'pending'",
            (now, delivery_id),
        ).rowcount
    return count


def cancel_waiting(
    db: sqlite3.Connection, endpoint_id: str, now: int, *, before: int | None = None
) -> int:
    """Cancel what waits for an endpoint, or those made `before` (UTC ms); how many."""
    return db.execute(
        "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ?"
        " WHERE endpoint_id = ? AND state = 'pending' AND created_at < ?",
        (now, endpoint_id, (1 << 62) if before is None else before),
    ).rowcount


def _touch(db: sqlite3.Connection) -> None:
    """Let a running service notice a change that another process made."""
    db.execute("UPDATE revision SET number = number + 1")


def _filter(
    state: DeliveryState | None, endpoint_id: str | None, since: int | None
) -> tuple[str, list[object]]:
    conditions: list[tuple[str, object]] = []
    if state is not None:
        conditions.append(("state = ?", state.value))
    if endpoint_id is not None:
        conditions.append(("endpoint_id = ?", endpoint_id))
    if since is not None:
        conditions.append(("created_at >= ?", since))
    return " AND ".join([c for c, _ in conditions]) or "1", [v for _, v in conditions]


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row[0],
        message_id=row[1],
        endpoint_id=row[2],
        state=DeliveryState(row[3]),
        trigger=Trigger(row[4]),
        sender=row[5],
        attempts=row[6],
        spent=row[7],
        due_at=row[8] if row[3] == DeliveryState.PENDING else None,
        started_at=row[9],
        created_at=row[10],
        renewed_at=row[11],
        finished_at=row[12],
        note=row[13],
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        delivery_id=row[0],
        number=row[1],
        started_at=row[2],
        duration_ms=row[3],
        outcome=row[4],
        status=row[5],
        error=row[6],
        address=row[7],
        response_headers=row[8],
        response_body=row[9],
        probe=bool(row[10]),
        count=row[11],
        last_at=row[12],
    )
