"""Deliveries and attempts as people ask for them: one in full, sending again, cancelling."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from mmconnect.domain.models import Attempt, Delivery, DeliveryState, Trigger
from mmconnect.store import endpoints
from mmconnect.store.connection import Row
from mmconnect.store.parking import WAITING

COLUMNS = (
    "id, message_id, endpoint_id, state, trigger, sender, attempts, spent, due_at, started_at,"
    " created_at, renewed_at, finished_at, note"
)

_OF_ATTEMPT = (
    "delivery_id, number, started_at, duration_ms, outcome, status, error, address,"
    " response_headers, response_body, probe, count, last_at, note, request"
)


def get(db: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    """One delivery, or None."""
    row = db.execute(
        f"SELECT {COLUMNS} FROM deliveries WHERE id = ?",
        (delivery_id,),
    ).fetchone()
    return None if row is None else of_row(row)


def of_message(db: sqlite3.Connection, message_id: str) -> list[Delivery]:
    """The deliveries of a message, oldest first."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM deliveries WHERE message_id = ? ORDER BY id",
        (message_id,),
    )
    return [of_row(row) for row in rows]


def count_of(db: sqlite3.Connection, message_id: str) -> int:
    """How many deliveries a message has; none when nobody wanted it."""
    (count,) = db.execute(
        "SELECT count(*) FROM deliveries WHERE message_id = ?", (message_id,)
    ).fetchone()
    return int(count)


def payload(db: sqlite3.Connection, delivery_id: str) -> bytes | None:
    """The body of a delivery where it is its own, and not that of its message."""
    row = db.execute("SELECT payload FROM deliveries WHERE id = ?", (delivery_id,)).fetchone()
    return None if row is None else row[0]


def attempts(db: sqlite3.Connection, delivery_id: str) -> list[Attempt]:
    """The attempts of a delivery, first to last."""
    rows = db.execute(
        f"SELECT {_OF_ATTEMPT} FROM attempts WHERE delivery_id = ? ORDER BY number",
        (delivery_id,),
    )
    return [_attempt(row) for row in rows]


def attempt(db: sqlite3.Connection, delivery_id: str, number: int) -> Attempt | None:
    """One attempt, or None."""
    row = db.execute(
        f"SELECT {_OF_ATTEMPT} FROM attempts WHERE delivery_id = ? AND number = ?",
        (delivery_id, number),
    ).fetchone()
    return None if row is None else _attempt(row)


def body(db: sqlite3.Connection, delivery_id: str) -> bytes | None:
    """What each attempt of a delivery sends; None when the text was wiped."""
    row = db.execute(
        "SELECT coalesce(d.payload, m.payload) FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id WHERE d.id = ?",
        (delivery_id,),
    ).fetchone()
    return None if row is None or row[0] is None else bytes(row[0])


def retry(db: sqlite3.Connection, delivery_ids: Sequence[str], now: int) -> int:
    """Make deliveries due now, with a fresh budget and the same id and body; how many.

    One that waits already is only brought forward, and one in flight is left alone. Tests are never
    repeated, a text that was wiped is gone, and what was meant for a removed endpoint stays. Where
    the endpoint is held it is probed: so a person who has mended the receiver sees it at once.
    """
    count = sum(offer(db, delivery_id, now) for delivery_id in delivery_ids)
    for delivery_id in delivery_ids:
        delivery = get(db, delivery_id)
        if delivery is not None:
            endpoints.retried(db, delivery.endpoint_id, now)
    touch(db)
    return count


def offer(
    db: sqlite3.Connection,
    delivery_id: str,
    now: int,
    *,
    only: Collection[DeliveryState] = frozenset(),
) -> bool:
    """retry() for one delivery, if any in one of those states; False when it was left as it is.

    Tells nobody: whoever calls this wakes the dispatcher.
    """
    wanted = f" AND state IN ({', '.join('?' * len(only))})" if only else ""
    changed = db.execute(
        "UPDATE deliveries SET due_at = ?1, state = 'pending', parked = 0, finished_at = NULL,"
        " note = NULL,"
        " trigger = iif(state = 'pending', trigger, 'replay'),"
        " spent = iif(state = 'pending', spent, 0),"
        " renewed_at = iif(state = 'pending', renewed_at, ?1)"
        " WHERE id = ?2 AND state <> 'in_flight'"
        " AND trigger <> 'test'"
        " AND endpoint_id IN (SELECT id FROM endpoints WHERE removed_at IS NULL)"
        " AND NOT EXISTS"
        " (SELECT 1 FROM messages m WHERE m.id = message_id AND m.wiped_at IS NOT NULL)" + wanted,
        (now, delivery_id, *[state.value for state in only]),
    ).rowcount
    return changed == 1


def wiped_at(db: sqlite3.Connection, delivery_id: str) -> int | None:
    """When the text of a delivery was wiped (UTC ms); None while it is there."""
    row = db.execute(
        "SELECT m.wiped_at FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.id = ?",
        (delivery_id,),
    ).fetchone()
    return None if row is None else row[0]


BY_HAND = "Cancelled by hand"


def cancel(db: sqlite3.Connection, delivery_ids: Sequence[str], now: int) -> int:
    """Cancel deliveries that wait; how many. They stay visible, and can be sent again.

    A running service notices: in strict order others may have waited for them.
    """
    count = 0
    for delivery_id in delivery_ids:
        count += db.execute(
            "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ?, note = ?"
            " WHERE id = ? AND state = 'pending'",
            (now, BY_HAND, delivery_id),
        ).rowcount
    if count:
        touch(db)
    return count


def waiting(
    db: sqlite3.Connection, endpoint_id: str, *, before: int | None = None, limit: int
) -> list[str]:
    """Up to `limit` ids of what waits for an endpoint, or of those made `before` (UTC ms)."""
    rows = db.execute(
        f"SELECT id FROM {WAITING} WHERE created_at < ? LIMIT ?",
        (endpoint_id, (1 << 62) if before is None else before, limit),
    )
    return [row[0] for row in rows]


def cancel_waiting(
    db: sqlite3.Connection,
    endpoint_id: str,
    now: int,
    *,
    before: int | None = None,
    limit: int = -1,
) -> int:
    """Cancel what waits for an endpoint, or those made `before` (UTC ms), up to `limit`; how many.

    For many rows beside a running service, do it in several writes with a limit.
    """
    return db.execute(
        "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ?, note = ?"
        f" WHERE id IN (SELECT id FROM {WAITING} WHERE created_at < ? LIMIT ?)",
        (now, BY_HAND, endpoint_id, (1 << 62) if before is None else before, limit),
    ).rowcount


def touch(db: sqlite3.Connection) -> None:
    """Let a running service notice a change that another process made."""
    db.execute("UPDATE revision SET number = number + 1")


def of_row(row: Row) -> Delivery:
    """A delivery from a row of COLUMNS."""
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
        note=row[13],
        request=row[14],
    )
