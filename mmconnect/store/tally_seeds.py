"""What came in and went out before there were figures, counted afterwards, newest first.

A step reads a bounded number of rows back from where the last one ended; what it has counted and
how far it came are written together, so that nothing is counted twice however often it is
interrupted. What came after the figures began is left to those who count it as it comes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.domain.ids import DELIVERY, MESSAGE, first_at
from mmconnect.store import tallies
from mmconnect.store.tallies import AttemptHours, Tally, TextHours

TEXTS, ATTEMPTS = "texts", "attempts"

HourOf = Callable[[int], int]
"""When the hour of a time (UTC ms) began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What one step has counted."""

    what: str
    texts: TextHours
    attempts: AttemptHours
    before_id: str | None
    """Where to go on; None at the end."""


def step(
    db: sqlite3.Connection, what: str, oldest: int, limit: int, hour_of: HourOf
) -> Seed | None:
    """Count the next `limit` rows, back to `oldest` (UTC ms); None: there is nothing to do."""
    begun = db.execute("SELECT before_id, at FROM tally_seeds WHERE what = ?", (what,)).fetchone()
    if begun is None:
        return None
    before_id, at = begun
    count = _texts if what == TEXTS else _attempts
    return count(db, before_id, at, oldest, limit, hour_of)


def keep(db: sqlite3.Connection, seed: Seed) -> None:
    """Write down what a step has counted, and how far it came."""
    tallies.add(db, seed.texts, seed.attempts)
    if seed.before_id is None:
        db.execute("DELETE FROM tally_seeds WHERE what = ?", (seed.what,))
    else:
        db.execute(
            "UPDATE tally_seeds SET before_id = ? WHERE what = ?", (seed.before_id, seed.what)
        )


def _texts(
    db: sqlite3.Connection, before_id: str, at: int, oldest: int, limit: int, hour_of: HourOf
) -> Seed:
    rows = db.execute(
        "SELECT id, device_id, received_at, kind IN ('sms', 'mms', 'data') AND NOT test"
        " FROM messages WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT ?",
        (before_id, first_at(MESSAGE, oldest), limit),
    ).fetchall()
    found: TextHours = {}
    for _, device_id, received_at, counts in rows:
        if counts and device_id is not None and received_at < at:
            key = (device_id, hour_of(received_at))
            found[key] = found.get(key, 0) + 1
    more = len(rows) == limit
    return Seed(what=TEXTS, texts=found, attempts={}, before_id=rows[-1][0] if more else None)


def _attempts(
    db: sqlite3.Connection, before_id: str, at: int, oldest: int, limit: int, hour_of: HourOf
) -> Seed:
    rows = db.execute(
        "SELECT id, endpoint_id, finished_at, state = 'failed' OR state = 'expired'"
        " FROM deliveries WHERE id < ? AND id >= ? AND trigger <> 'test' ORDER BY id DESC LIMIT ?",
        (before_id, first_at(DELIVERY, oldest), limit),
    ).fetchall()
    found: AttemptHours = {}

    def of(endpoint_id: str, moment: int) -> Tally:
        return found.setdefault((endpoint_id, hour_of(moment)), Tally())

    for delivery_id, endpoint_id, finished_at, lost in rows:
        if lost and finished_at is not None and finished_at < at:
            of(endpoint_id, finished_at).given_up += 1
        for started_at, outcome, probe, status, duration in db.execute(
            "SELECT started_at, outcome, probe, status, duration_ms FROM attempts"
            " WHERE delivery_id = ? AND started_at < ?",
            (delivery_id, at),
        ):
            of(endpoint_id, started_at).attempt(
                delivered=outcome == "delivered",
                probe=bool(probe),
                answered_in=None if status is None else duration,
            )
    more = len(rows) == limit
    return Seed(what=ATTEMPTS, texts={}, attempts=found, before_id=rows[-1][0] if more else None)
