"""The outbox: what waits, what is in flight, and what came of it.

A delivery is `in_flight` from before its POST until the result is committed; what an earlier boot
left there is swept back, marked as interrupted. Invariant: each committed delivery reaches its
endpoint or stays visible and replayable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import field

from mmconnect.domain.models import Attempt, DeliveryState, Trigger
from mmconnect.domain.values import value_type
from mmconnect.store import parking
from mmconnect.webhook.outcome import OutcomeClass

INTERRUPTED = "mmconnect stopped in the middle of this attempt: it may have been delivered"


@value_type(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery to add: born in flight when `boot_id` is set, else pending and due at once."""

    id: str
    message_id: str
    endpoint_id: str
    sender: str
    trigger: Trigger
    created_at: int
    boot_id: str | None = None
    payload: bytes | None = field(default=None, repr=False)
    """The body, where it differs from the message's own."""
    parked: bool = False
    """Whether its place in the queue can wait, as its endpoint takes nothing now."""


def add(db: sqlite3.Connection, *new: NewDelivery) -> None:
    """Add deliveries. Those for an endpoint that was removed this very moment are cancelled."""
    gone = {id for (id,) in db.execute("SELECT id FROM endpoints WHERE removed_at IS NOT NULL")}
    db.executemany(
        "INSERT INTO deliveries (id, message_id, endpoint_id, state, trigger, sender, attempts,"
        " spent, due_at, started_at, boot_id, created_at, finished_at, payload, parked)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        [_row(one, gone=one.endpoint_id in gone) for one in new],
    )


def _row(new: NewDelivery, *, gone: bool) -> tuple[object, ...]:
    flying = new.boot_id is not None
    # without a due time it is found by its id alone, and a test is not this process's
    waits = not flying or new.trigger is Trigger.TEST
    state = "cancelled" if gone else "in_flight" if flying else "pending"
    return (
        new.id,
        new.message_id,
        new.endpoint_id,
        state,
        new.trigger.value,
        new.sender,
        int(flying),
        new.created_at if waits and not gone else None,
        new.created_at if flying else None,
        None if gone else new.boot_id,
        new.created_at,
        new.created_at if gone else None,
        new.payload,
        int(new.parked),
    )


def _cancel_if_removed(db: sqlite3.Connection, delivery_id: str, now: int) -> None:
    db.execute(
        "UPDATE deliveries SET state = 'cancelled', due_at = NULL, boot_id = NULL, finished_at = ?"
        " WHERE id = ? AND EXISTS (SELECT 1 FROM endpoints e WHERE e.id = endpoint_id"
        " AND e.removed_at IS NOT NULL)",
        (now, delivery_id),
    )


def settle(
    db: sqlite3.Connection,
    attempt: Attempt,
    state: DeliveryState,
    *,
    spent: int,
    due_at: int | None,
    now: int,
) -> None:
    """Record an attempt and what follows for its delivery, in one transaction.

    `spent`: attempts of the schedule that are used up. One that is to be tried again, but whose
    endpoint was removed meanwhile, is cancelled.
    """
    if not (attempt.probe and _joined(db, attempt)):
        record(db, attempt)
    finished = None if state is DeliveryState.PENDING else now
    db.execute(
        "UPDATE deliveries SET state = ?, spent = ?, due_at = ?, finished_at = ?, boot_id = NULL"
        " WHERE id = ? AND (state = 'in_flight' OR ? = 'delivered')",
        (state.value, spent, due_at, finished, attempt.delivery_id, state.value),
    )
    if state is DeliveryState.PENDING:
        _cancel_if_removed(db, attempt.delivery_id, now)


def _joined(db: sqlite3.Connection, attempt: Attempt) -> bool:
    """Whether a probe that reached nobody was added to the row of those before it."""
    if attempt.outcome != OutcomeClass.NOT_REACHED:
        return False
    return bool(
        db.execute(
            "UPDATE attempts SET count = count + 1, last_at = ?, duration_ms = ?, status = ?,"
            " error = ?, address = ?, response_headers = ?, response_body = ?, request = ?"
            " WHERE delivery_id = ? AND probe AND outcome = 'not_reached'"
            " AND number = (SELECT max(number) FROM attempts WHERE delivery_id = ?)",
            (
                attempt.started_at,
                attempt.duration_ms,
                attempt.status,
                attempt.error,
                attempt.address,
                attempt.response_headers,
                attempt.response_body,
                attempt.request,
                attempt.delivery_id,
                attempt.delivery_id,
            ),
        ).rowcount
    )


def record(db: sqlite3.Connection, attempt: Attempt) -> None:
    """The attempt's own row."""
    db.execute(
        "INSERT OR REPLACE INTO attempts (delivery_id, number, started_at, duration_ms, outcome,"
        " status, error, address, response_headers, response_body, probe, note,"
        " request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            attempt.delivery_id,
            attempt.number,
            attempt.started_at,
            attempt.duration_ms,
            attempt.outcome,
            attempt.status,
            attempt.error,
            attempt.address,
            attempt.response_headers,
            attempt.response_body,
            int(attempt.probe),
            attempt.note,
            attempt.request,
        ),
    )


def sweep(
    db: sqlite3.Connection,
    *,
    boot_id: str,
    now: int,
    budgets: Mapping[str, int],
    budget: int,
    oldest: str = "",
) -> int:
    """Take back what earlier boots left in flight; how many there were.

    Each gets an attempt row that says so and is due again at once, as the interruption was ours, in
    its old place, before its sender's later texts. It counts, so that a text that brings us down
    cannot do so for ever (`budgets`: attempts of each endpoint's schedule, where that is not the
    usual `budget`). A test is never repeated. `oldest` is an id below all that this boot will make:
    see mark().
    """
    parking.queue_all(db)
    columns = "id, attempts, started_at, spent, trigger, endpoint_id FROM deliveries"
    rows = db.execute(
        f"SELECT {columns} WHERE state = 'in_flight' AND due_at IS NOT NULL AND boot_id IS NOT ?1"
        f" UNION ALL SELECT {columns} WHERE state = 'in_flight' AND due_at IS NULL"
        " AND id >= (SELECT oldest FROM flights) AND boot_id IS NOT ?1",
        (boot_id,),
    ).fetchall()
    for delivery_id, number, started_at, spent, trigger, endpoint_id in rows:
        record(
            db,
            Attempt(
                delivery_id=delivery_id,
                number=number,
                started_at=started_at,
                duration_ms=None,
                outcome=OutcomeClass.INTERRUPTED,
                status=None,
                error=INTERRUPTED,
                address=None,
            ),
        )
        over = trigger == Trigger.TEST or spent >= budgets.get(endpoint_id, budget)
        db.execute(
            "UPDATE deliveries SET state = ?, finished_at = ?, boot_id = NULL,"
            " due_at = iif(?, NULL, min(coalesce(renewed_at, created_at), ?)) WHERE id = ?",
            ("failed" if over else "pending", now if over else None, over, now, delivery_id),
        )
    db.execute(
        "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ? WHERE"
        " state = 'pending' AND parked = 0"
        " AND endpoint_id IN (SELECT id FROM endpoints WHERE removed_at IS NOT NULL)",
        (now,),
    )
    mark(db, oldest)
    return len(rows)


def mark(db: sqlite3.Connection, oldest: str) -> None:
    """No delivery that was born in flight and still is has an id below `oldest`.

    Written now and then, so that a sweep need not look through all of the history, and no index
    has to be kept for it with every text.
    """
    db.execute("UPDATE flights SET oldest = ?", (oldest,))


def put_back(
    db: sqlite3.Connection, delivery_id: str, *, spent: int, due_at: int, now: int
) -> None:
    """Let a delivery wait again that could not be tried: it has spent nothing."""
    db.execute(
        "UPDATE deliveries SET state = 'pending', due_at = ?, attempts = attempts - 1,"
        " spent = ?, started_at = NULL, boot_id = NULL WHERE id = ? AND state = 'in_flight'",
        (due_at, spent, delivery_id),
    )
    _cancel_if_removed(db, delivery_id, now)


def give_up(db: sqlite3.Connection, delivery_id: str, now: int) -> None:
    """Cancel a delivery in flight that was never sent, as its endpoint is gone."""
    db.execute(
        "UPDATE deliveries SET state = 'cancelled', due_at = NULL, finished_at = ?, boot_id = NULL"
        " WHERE id = ? AND state = 'in_flight'",
        (now, delivery_id),
    )


def waiting(db: sqlite3.Connection, endpoint_id: str) -> int:
    """How many deliveries wait for an endpoint."""
    (count,) = db.execute(
        "SELECT count(*) FROM waiting WHERE endpoint_id = ?", (endpoint_id,)
    ).fetchone()
    return int(count)
