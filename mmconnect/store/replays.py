"""Replays of many deliveries: what is to be sent again, and how far that has come.

A replay is a filter and a cursor that moves through the deliveries by their ids, up to the last one
that matched when it was ordered. The cursor moves in the transaction that offers the deliveries
behind it, so each is offered once, whenever the process ends. Finding what matches is bounded: no
look goes over more than SPAN rows, and none happens inside a write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.domain.models import DeliveryState
from mmconnect.store import deliveries, endpoints
from mmconnect.store.connection import Row
from mmconnect.store.delivery_counts import sendable
from mmconnect.store.delivery_lists import Wanted

SPAN = 5000
"""Rows that one look goes over at the most: some milliseconds, also on a Raspberry Pi."""


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One order to send many deliveries again."""

    id: str
    created_at: int
    filter: Wanted
    """No message is named in it; tests, what is in flight, and what was meant for an endpoint that
    was removed never match."""
    cursor: str
    """The id up to which everything has been dealt with."""
    last: str
    """The newest delivery that belongs to it: what comes later does not."""
    total: int
    """How many matched when it was ordered."""
    done: int = 0
    """How many were offered again."""
    skipped: int = 0
    """How many could not be, as their text was wiped, or they changed between look and offer."""
    finished_at: int | None = None
    cancelled_at: int | None = None

    @property
    def state(self) -> ReplayState:
        """Where it stands."""
        if self.cancelled_at is not None:
            return ReplayState.CANCELLED
        return ReplayState.RUNNING if self.finished_at is None else ReplayState.FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look has found, and how far it went."""

    ids: Sequence[str]
    cursor: str
    end: bool
    """Whether nothing is left behind the cursor."""


def add(db: sqlite3.Connection, replay: Replay) -> None:
    """Order a replay; the service begins with it within a second of looking."""
    f = replay.filter
    db.execute(
        "INSERT INTO replays (id, created_at, state, endpoint_id, since, until, cursor, last,"
        " total) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            replay.id,
            replay.created_at,
            ",".join(sorted(f.states)) or None,
            f.endpoint_id,
            f.since,
            f.until,
            replay.cursor,
            replay.last,
            replay.total,
        ),
    )
    endpoints.retried(db, f.endpoint_id, replay.created_at)
    deliveries.touch(db)


def get(db: sqlite3.Connection, replay_id: str) -> Replay | None:
    """One replay, or None."""
    row = db.execute(f"SELECT {_COLUMNS} FROM replays WHERE id = ?", (replay_id,)).fetchone()
    return None if row is None else _replay(row)


def latest(db: sqlite3.Connection, limit: int, *, before: str | None = None) -> list[Replay]:
    """The newest replays, newest first; or the newest of those that are older than an id."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM replays WHERE id < ? ORDER BY id DESC LIMIT ?",
        ("~" if before is None else before, limit),
    )
    return [_replay(row) for row in rows]


def cancel(db: sqlite3.Connection, replay_id: str, now: int) -> bool:
    """Offer no more of it; False when it is over already. What was offered stays so."""
    return (
        db.execute(
            "UPDATE replays SET finished_at = ?1, cancelled_at = ?1"
            " WHERE id = ?2 AND finished_at IS NULL",
            (now, replay_id),
        ).rowcount
        == 1
    )


def next_open(db: sqlite3.Connection, after: str) -> Replay | None:
    """The next one that is not finished, in turn: after that id, else from the beginning."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM replays WHERE finished_at IS NULL ORDER BY id <= ?, id LIMIT 1",
        (after,),
    ).fetchone()
    return None if row is None else _replay(row)


def look(db: sqlite3.Connection, replay: Replay, cursor: str, limit: int) -> Found:
    """Up to `limit` deliveries of a replay behind `cursor`, out of the next SPAN rows."""
    row = db.execute(
        "SELECT id FROM deliveries WHERE id > ? AND id <= ? ORDER BY id LIMIT 1 OFFSET ?",
        (cursor, replay.last, SPAN - 1),
    ).fetchone()
    bound = replay.last if row is None else row[0]
    where, values = sendable(replay.filter)
    rows = db.execute(
        f"SELECT id FROM deliveries WHERE id > ? AND id <= ? AND {where} ORDER BY id LIMIT ?",
        (cursor, bound, *values, limit),
    )
    ids = [row[0] for row in rows]
    reached = ids[-1] if len(ids) == limit else bound
    return Found(ids=ids, cursor=reached, end=reached >= replay.last)


def advance(db: sqlite3.Connection, replay: Replay, found: Found, now: int) -> int:
    """Offer what was found and move the cursor, in one transaction; how many were offered.

    Nothing happens when the replay was cancelled, or its cursor moved, since it was read.
    """
    moved = db.execute(
        "UPDATE replays SET cursor = ? WHERE id = ? AND cursor = ? AND finished_at IS NULL",
        (found.cursor, replay.id, replay.cursor),
    ).rowcount
    if not moved:
        return 0
    only = replay.filter.states
    offered = sum(deliveries.offer(db, one, now, only=only) for one in found.ids)
    db.execute(
        "UPDATE replays SET done = done + ?, skipped = skipped + ?, finished_at = ? WHERE id = ?",
        (offered, len(found.ids) - offered, now if found.end else None, replay.id),
    )
    return offered


_COLUMNS = (
    "id, created_at, state, endpoint_id, since, until, cursor, last, total, done, skipped,"
    " finished_at, cancelled_at"
)


def _replay(row: Row) -> Replay:
    return Replay(
        id=row[0],
        created_at=row[1],
        filter=Wanted(
            states=frozenset(DeliveryState(state) for state in (row[2] or "").split(",") if state),
            endpoint_id=row[3],
            since=row[4],
            until=row[5],
        ),
        cursor=row[6],
        last=row[7],
        total=row[8],
        done=row[9],
        skipped=row[10],
        finished_at=row[11],
        cancelled_at=row[12],
    )
