"""Claims: waiting deliveries are put in flight, committed before their POST.

At most one per sender, oldest due first; none that has grown too old, which expires instead. A held
endpoint has one claim at a time, its probe. Invariants: texts of one sender are never in flight to
one endpoint together; what is in flight is on the disk as such.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmconnect.domain.models import Flight, Trigger
from mmconnect.store import expiry, parking

_AHEAD = 4
"""Rows looked at for each free slot: several may be of one sender."""
_STEP = 16
"""Senders to leave out come in steps of so many: each statement that differs is kept in memory."""
SHALLOW, DEEP = 2000, -1
"""Due deliveries that a look goes through: usually; and all of them."""
_PROBES_AHEAD = 200
"""Waiting deliveries looked at to find one that may serve as a probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """For whom deliveries are claimed, and by what rules."""

    endpoint_id: str
    now: int
    boot_id: str
    too_old: int
    """What was made (or renewed) at or before this (UTC ms) expires."""
    max_age: int
    """Seconds that are then said to be exceeded."""
    strict: bool = False
    """Whether a text waits for every earlier one of its sender."""
    parked: bool = True
    """Whether something may be parked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What came of it."""

    flights: Sequence[Flight] = ()
    next_due: int | None = None
    """When the next that waits is due (UTC ms; in the past where its sender or a slot lacks)."""
    expired: Sequence[str] = ()
    """Deliveries that have grown too old instead."""


def claim(
    db: sqlite3.Connection, by: Claim, *, slots: int, busy: Collection[str], depth: int = DEEP
) -> Claimed:
    """Put up to `slots` due deliveries in flight, oldest due first, none of the `busy` senders.

    Looks at the first `depth` that are due. None at all when the endpoint is no longer active,
    which the caller may not know yet: what waits then still does.
    """
    if by.parked:
        parking.queue(db, by.endpoint_id)
    if _state(db, by.endpoint_id) != "active":
        return Claimed(next_due=_next_due(db, by))
    taboo = list(busy)
    taboo += taboo[:1] * (-len(taboo) % _STEP)
    marks = ",".join("?" * len(taboo))
    rows = db.execute(
        "SELECT due.id, due.sender, coalesce(renewed_at, created_at) FROM"
        f" (SELECT id, sender FROM {_queue(by.strict)} AND due_at <= ?"
        "  ORDER BY due_at, id LIMIT ?) AS due"
        " CROSS JOIN deliveries USING (id)"  # in this order
        f" WHERE due.sender NOT IN ({marks}) LIMIT ?",
        (by.endpoint_id, by.now, depth, *taboo, slots * _AHEAD),
    ).fetchall()
    flights: list[Flight] = []
    taken: set[str] = set()
    expired: list[str] = []
    for delivery_id, sender, made_at in rows:
        if len(flights) >= slots:
            break
        if made_at <= by.too_old:
            expiry.expire_one(db, delivery_id, by.max_age, by.now)
            expired.append(delivery_id)
        elif sender not in taken:
            taken.add(sender)
            flights.append(_launch(db, delivery_id, by))
    return Claimed(flights=flights, next_due=_next_due(db, by), expired=expired)


def claim_probe(
    db: sqlite3.Connection,
    by: Claim,
    *,
    free: bool,
    spare_last: bool,
    budget: int,
    arrival: bool,
    avoid: str | None,
) -> Claimed:
    """Put the delivery in flight that finds out whether a held endpoint works again.

    The one that waits longest; of another sender than `avoid`, if there is one. For an `arrival`,
    the first of that text's sender that was never tried. Unless the probe is `free`, it counts as
    one of the delivery's attempts, and the last of its `budget` is left for its own time — or, with
    `spare_last`, is not used up.
    """
    if by.parked:
        parking.queue(db, by.endpoint_id)
    if _state(db, by.endpoint_id) == "paused":
        return Claimed(next_due=_next_due(db, by))
    expired: list[str] = []
    while True:
        chosen = _first_try(db, by) if arrival else None
        if chosen is None and (free or not arrival):
            chosen = _longest_waiting(db, by, free or spare_last, budget, avoid, expired)
        if free and chosen is not None:
            chosen = _first_of_sender(db, by, chosen)
        if chosen is None or not _is_too_old(db, chosen, by):
            break
        expired.append(chosen)
    due = _next_due(db, by)
    if chosen is None:
        later = None if due is None else max(due, by.now + 1000)
        return Claimed(next_due=later, expired=expired)
    probe = _launch(db, chosen, by, probe=True, free=free)
    return Claimed(flights=[probe], next_due=by.now, expired=expired)


def _state(db: sqlite3.Connection, endpoint_id: str) -> str | None:
    row = db.execute("SELECT state FROM endpoints WHERE id = ?", (endpoint_id,)).fetchone()
    return None if row is None else str(row[0])


def _queue(strict: bool) -> str:
    """The queued deliveries of an endpoint, its id to be bound.

    `strict`: none behind an earlier one of its sender that was tried. Of those never tried the
    earlier is due earlier.
    """
    waiting = "deliveries AS d WHERE endpoint_id = ? AND state = 'pending' AND parked = 0"
    if not strict:
        return waiting
    return waiting + (
        " AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.endpoint_id = d.endpoint_id"
        " AND e.sender = d.sender AND e.id < d.id AND e.state = 'pending' AND e.attempts > 0)"
    )


def _first_try(db: sqlite3.Connection, by: Claim) -> str | None:
    """Of the sender whose text came last, the first delivery that was never tried."""
    newest = db.execute(
        f"SELECT sender FROM {_queue(False)} AND due_at <= ? ORDER BY due_at DESC, id DESC LIMIT 1",
        (by.endpoint_id, by.now),
    ).fetchone()
    if newest is None:
        return None
    row = db.execute(
        f"SELECT id, spent FROM {_queue(False)} AND sender = ? AND (spent = 0 OR ?)"
        " ORDER BY id LIMIT 1",
        (by.endpoint_id, newest[0], by.strict),
    ).fetchone()
    return row[0] if row is not None and row[1] == 0 else None


def _first_of_sender(db: sqlite3.Connection, by: Claim, delivery_id: str) -> str:
    """Of the same sender, the first that waits: a conversation keeps its order."""
    (first,) = db.execute(
        f"SELECT min(id) FROM {_queue(False)}"
        " AND sender = (SELECT sender FROM deliveries WHERE id = ?)",
        (by.endpoint_id, delivery_id),
    ).fetchone()
    return str(first)


def _longest_waiting(
    db: sqlite3.Connection,
    by: Claim,
    any_will_do: bool,
    budget: int,
    avoid: str | None,
    expired: list[str],
) -> str | None:
    """The delivery to probe with; the best of those that wait longest. Adds to `expired`."""
    rows = db.execute(
        "SELECT id, sender, due_at, spent, coalesce(renewed_at, created_at)"
        f" FROM {_queue(by.strict)} ORDER BY due_at, id LIMIT ?",
        (by.endpoint_id, _PROBES_AHEAD),
    )
    second = None
    for delivery_id, sender, due_at, spent, made_at in rows:
        if made_at <= by.too_old:
            expiry.expire_one(db, delivery_id, by.max_age, by.now)
            expired.append(delivery_id)
        elif not (any_will_do or spent < budget - 1 or due_at <= by.now):
            continue
        elif sender != avoid:
            return str(delivery_id)
        else:
            second = second or delivery_id
    return second and (_of_another(db, by, avoid) or second)


def _is_too_old(db: sqlite3.Connection, delivery_id: str, by: Claim) -> bool:
    """Whether a delivery has grown too old; it has expired then."""
    return expiry.expire_one(db, delivery_id, by.max_age, by.now, threshold=by.too_old)


def _of_another(db: sqlite3.Connection, by: Claim, avoid: str | None) -> str | None:
    """The oldest that waits of any sender but one, behind however many of that one's."""
    row = db.execute(
        f"SELECT id FROM {_queue(by.strict)} AND sender <> ? AND due_at <= ?"
        " AND coalesce(renewed_at, created_at) > ? ORDER BY due_at, id LIMIT 1",
        (by.endpoint_id, avoid, by.now, by.too_old),
    ).fetchone()
    return None if row is None else str(row[0])


def _launch(
    db: sqlite3.Connection, delivery_id: str, by: Claim, *, probe: bool = False, free: bool = False
) -> Flight:
    row = db.execute(
        "SELECT d.id, d.message_id, d.endpoint_id, d.sender, d.attempts + 1, d.spent + 1,"
        " d.trigger, d.due_at, coalesce(d.payload, m.payload)"
        " FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.id = ?",
        (delivery_id,),
    ).fetchone()
    db.execute(
        "UPDATE deliveries SET state = 'in_flight', attempts = attempts + 1, spent = spent + ?,"
        " started_at = ?, boot_id = ? WHERE id = ?",
        (int(not free), by.now, by.boot_id, delivery_id),
    )
    return Flight(
        delivery_id=row[0],
        message_id=row[1],
        endpoint_id=row[2],
        sender=row[3],
        number=row[4],
        spent=row[5],
        trigger=Trigger(row[6]),
        probe=probe,
        free=free,
        was_due=row[7],
        body=row[8],
    )


def _next_due(db: sqlite3.Connection, by: Claim) -> int | None:
    """When the endpoint's next waiting delivery is due (UTC ms), or None when none waits."""
    row = db.execute(
        f"SELECT due_at FROM {_queue(by.strict)} ORDER BY due_at LIMIT 1", (by.endpoint_id,)
    ).fetchone()
    return None if row is None else int(row[0])
