"""What a clock that was set does to waiting work: nothing that anybody would notice.

Due times and the times by which age counts are wall times; when the clock is set while mmconnect
runs, those move with it, so that nobody waits longer or shorter, nor grows older or younger. Also
when mmconnect was last known to run, by which a start can tell that the clock went back.
Invariant: a jump neither loses, storms nor expires anything.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mmconnect.store import gaps, parking

_SLACK = 2000
"""Milliseconds by which small steps may have moved the clock before a step counts."""
_WRITTEN = 900_000
"""Milliseconds after last_seen in which a message tells when mmconnect ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """The wall clock went from `old` to `new` (UTC ms)."""

    old: int
    new: int
    start: int | None
    """What was made since then was made in this run, by the clock as it was; None: nothing was."""
    first: str
    """The first id of a delivery that was made by the clock as it is now."""

    @property
    def delta(self) -> int:
        return self.new - self.old


def shift(db: sqlite3.Connection, jump: Jump, newest: str) -> None:
    """Move all that waits by the jump; in one transaction, as half of it would be no time at all.

    What was made since the jump, with ids until `newest`, stays. Some 10 µs for each that waits.
    """
    made, later = "coalesce(renewed_at, created_at)", min(jump.old, jump.new)
    change = (
        "SET due_at = iif(due_at > ?1, due_at + ?2, due_at),"
        f" renewed_at = iif({made} BETWEEN ?3 AND ?4, {made} + ?2, renewed_at) WHERE"
    )
    parking.queue_all(db)
    values = (later, jump.delta, *_made_here(jump), jump.first, newest)
    db.execute(
        f"UPDATE deliveries INDEXED BY deliveries_due {change} state = 'pending'"
        f" AND parked = 0 AND (due_at > ?1 OR {made} BETWEEN ?3 AND ?4)"
        " AND id NOT BETWEEN ?5 AND ?6",
        values,
    )
    for delivery_id in _in_flight(db):
        db.execute(
            f"UPDATE deliveries {change} id = ?7 AND id NOT BETWEEN ?5 AND ?6",
            (*values, delivery_id),
        )
    db.execute(
        "UPDATE mms_notices SET due_at = due_at + ? WHERE state = 'announced' AND due_at > ?",
        (jump.delta, later),
    )
    gaps.shift(db, *_made_here(jump), jump.delta)
    seen(db, jump.new)


def _in_flight(db: sqlite3.Connection) -> list[str]:
    """What is in flight: claimed, or born so since the mark that a sweep would begin at."""
    return [
        row[0]
        for row in db.execute(
            "SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NOT NULL UNION ALL"
            " SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NULL"
            " AND id >= (SELECT oldest FROM flights)"
        )
    ]


def _made_here(jump: Jump) -> tuple[int, int]:
    """Between which times this run has made things; nothing lies between 1 and 0."""
    return (1, 0) if jump.start is None else (jump.start, jump.old + _SLACK)


def clamp_due(db: sqlite3.Connection, now: int, longest: int) -> int:
    """What would wait longer than any schedule asks for (`longest`, ms) is due now; how many."""
    parking.queue_all(db)
    return db.execute(
        "UPDATE deliveries INDEXED BY deliveries_due SET due_at = ?1"
        " WHERE state = 'pending' AND parked = 0 AND due_at > ?1 + ?2",
        (now, longest),
    ).rowcount


def clamp_ages(db: sqlite3.Connection, now: int, earliest: int) -> int:
    """By a clock that is right: what waits, made in the future or before `earliest`, is new.

    It was made by a clock that was wrong, and nobody can tell how old it is. How many there were.
    """
    made = "coalesce(renewed_at, created_at)"
    wrong = f"({made} > ?1 + {_SLACK} OR {made} < ?2)"
    change = "SET renewed_at = ?1 WHERE"
    parking.queue_all(db)
    waited = db.execute(
        f"UPDATE deliveries INDEXED BY deliveries_due {change}"
        f" state = 'pending' AND parked = 0 AND {wrong}",
        (now, earliest),
    ).rowcount
    flew = [
        db.execute(f"UPDATE deliveries {change} id = ?3 AND {wrong}", (now, earliest, i)).rowcount
        for i in _in_flight(db)
    ]
    return waited + sum(flew)


def seen(db: sqlite3.Connection, now: int) -> None:
    """mmconnect runs, by the clock as it is."""
    db.execute("INSERT OR REPLACE INTO last_seen (only, at) VALUES (1, ?)", (now,))


def last_seen(db: sqlite3.Connection) -> int | None:
    """When mmconnect was last known to run (UTC ms), by the clock as it was then."""
    row = db.execute("SELECT at FROM last_seen").fetchone()
    newest = db.execute("SELECT received_at FROM messages ORDER BY rowid DESC LIMIT 1").fetchone()
    if row is None or newest is None:
        found = row or newest
        return None if found is None else int(found[0])
    at, received = int(row[0]), int(newest[0])
    return received if at < received < at + _WRITTEN else at


def newest_ids(db: sqlite3.Connection) -> list[str]:
    """The newest message and delivery by their ids, where there is any."""
    found = [
        db.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
        for table in ("messages", "deliveries")
    ]
    return [i for i in found if i is not None]


def waits(db: sqlite3.Connection) -> bool:
    """Whether any delivery waits, of an endpoint that is there."""
    return any(
        db.execute("SELECT 1 FROM waiting WHERE endpoint_id = ? LIMIT 1", row).fetchone()
        for row in db.execute("SELECT id FROM endpoints WHERE removed_at IS NULL").fetchall()
    )


def version(db: sqlite3.Connection) -> int:
    """A number that moves when another connection has written."""
    return int(db.execute("PRAGMA data_version").fetchone()[0])
