"""Retention: what is old enough to go, found without a write lock, removed a few rows at a time.

Each family is walked by its key, a bounded number of rows at a look: a reader tells which of them
may go and where to look on; the writer removes those, checking again. Nothing scans a table in a
write transaction. Invariants: a message with waiting deliveries is never touched; a key by which a
push is recognised lives 90 days, and longer when its message does; what was stamped by a clock that
was wrong goes later, never earlier.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mmconnect.domain.ids import DELIVERY, MESSAGE, first_at
from mmconnect.store import segments

KEYS_KEPT = 90 * 86_400_000
"""Milliseconds that a key lives at least (the contract's 90 days)."""
PLAUSIBLE = 1_577_836_800_000
"""2020-01-01, years before mmconnect. An earlier stamp is a clock's that was never set."""

_WAITS = (
    "EXISTS (SELECT 1 FROM deliveries w WHERE w.message_id = m.id"
    " AND w.state IN ('pending', 'in_flight'))"
)


OLD = (
    "m.received_at < ?1 AND (m.received_at >= ?2 OR"
    " (SELECT n.received_at FROM messages n WHERE n.rowid > m.rowid AND n.received_at >= ?2"
    " ORDER BY n.rowid LIMIT 1) < ?1)"
)
"""Whether a message `m` was taken before ?1, with PLAUSIBLE as ?2. One whose stamp cannot be is as
old as the next one that came with a good stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look at a table has found."""

    old: Sequence[str]
    """Ids of what may go."""
    last: str
    """The last id looked at, to go on from."""
    more: bool
    """Whether there may be more to look at already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKeys:
    """What one look at the dedupe keys has found."""

    old: Sequence[bytes]
    unset: Sequence[bytes]
    """Without a message, and stamped by a clock that was wrong: their 90 days begin now."""
    last: bytes
    more: bool


def old_messages(db: sqlite3.Connection, before: int, after_id: str, limit: int) -> Found:
    """Messages taken `before` (UTC ms) that nothing waits for; at most `limit` are looked at."""
    rows = db.execute(
        f"SELECT m.id, {OLD} AND NOT {_WAITS}"
        " FROM messages m WHERE m.id > ?3 AND m.id < ?4 ORDER BY m.id LIMIT ?5",
        (before, PLAUSIBLE, after_id, first_at(MESSAGE, before), limit),
    ).fetchall()
    return found(rows, after_id, limit)


def prune_messages(db: sqlite3.Connection, message_ids: Sequence[str], before: int) -> int:
    """Remove old messages with their deliveries and attempts; how many.

    Their dedupe keys stay: a phone that pushes one again is told that it was seen.
    """
    count = 0
    for message_id in message_ids:
        count += db.execute(
            f"DELETE FROM messages AS m WHERE m.id = ? AND m.received_at < ? AND NOT {_WAITS}",
            (message_id, before),
        ).rowcount
    segments.changed(db, message_ids)
    return count


def old_notices(db: sqlite3.Connection, before: int, after_id: str, limit: int) -> Found:
    """Notices of MMS made `before` whose message is gone, if it ever was one."""
    rows = db.execute(
        "SELECT message_id, state <> 'announced'"
        " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = message_id) FROM mms_notices"
        " WHERE message_id > ? AND message_id < ? ORDER BY message_id LIMIT ?",
        (after_id, first_at(MESSAGE, before), limit),
    ).fetchall()
    return found(rows, after_id, limit)


def prune_notices(db: sqlite3.Connection, message_ids: Sequence[str], before: int) -> int:
    """Remove notices of MMS; how many."""
    return db.executemany(
        "DELETE FROM mms_notices WHERE message_id = ? AND state <> 'announced'",
        [(message_id,) for message_id in message_ids],
    ).rowcount


_OLD_ATTEMPT = (
    "a.delivery_id = d.id AND coalesce(a.last_at, a.started_at) < ?1"
    " AND coalesce(a.last_at, a.started_at) >= ?2"
)


def old_attempts(db: sqlite3.Connection, before: int, after_id: str, limit: int) -> Found:
    """Finished deliveries of which attempts can go that were made `before` (UTC ms)."""
    rows = db.execute(
        "SELECT d.id, d.state NOT IN ('pending', 'in_flight') AND EXISTS"
        f" (SELECT 1 FROM attempts a WHERE {_OLD_ATTEMPT} AND (a.request IS NOT NULL"
        " OR a.response_headers IS NOT NULL OR a.response_body IS NOT NULL"
        " OR EXISTS (SELECT 1 FROM attempts l WHERE l.delivery_id = d.id AND l.number > a.number)))"
        " FROM deliveries d WHERE d.id > ?3 AND d.id < ?4 ORDER BY d.id LIMIT ?5",
        (before, PLAUSIBLE, after_id, first_at(DELIVERY, before), limit),
    ).fetchall()
    return found(rows, after_id, limit)


def prune_attempts(db: sqlite3.Connection, delivery_ids: Sequence[str], before: int) -> int:
    """Remove the old attempts of finished deliveries; how many rows went or shrank.

    The last one stays as long as its message, without the excerpt of the answer: it is what says
    how the delivery ended.
    """
    count = 0
    for delivery_id in delivery_ids:
        values = (before, PLAUSIBLE, delivery_id)
        which = (
            "SELECT a.number FROM attempts a JOIN deliveries d ON d.id = a.delivery_id"
            f" WHERE {_OLD_ATTEMPT} AND d.id = ?3 AND d.state NOT IN ('pending', 'in_flight')"
        )
        count += db.execute(
            f"DELETE FROM attempts WHERE delivery_id = ?3 AND number IN ({which}) AND number <"
            " (SELECT max(l.number) FROM attempts l WHERE l.delivery_id = ?3)",
            values,
        ).rowcount
        count += db.execute(
            "UPDATE attempts SET request = NULL, response_headers = NULL, response_body = NULL"
            f" WHERE delivery_id = ?3 AND number IN ({which}) AND (request IS NOT NULL"
            " OR response_headers IS NOT NULL OR response_body IS NOT NULL)",
            values,
        ).rowcount
    return count


def old_keys(db: sqlite3.Connection, now: int, after: bytes, limit: int) -> FoundKeys:
    """Dedupe keys that nobody needs any more: no message, and more than 90 days old."""
    rows = db.execute(
        "SELECT k.key, k.seen_at, EXISTS (SELECT 1 FROM messages m WHERE m.id = k.message_id)"
        " OR EXISTS (SELECT 1 FROM mms_notices n WHERE n.message_id = k.message_id)"
        " FROM dedupe_keys k WHERE k.key > ? ORDER BY k.key LIMIT ?",
        (after, limit),
    ).fetchall()
    gone = [(key, seen_at) for key, seen_at, needed in rows if not needed]
    return FoundKeys(
        old=[key for key, at in gone if PLAUSIBLE <= at < now - KEYS_KEPT],
        unset=[key for key, at in gone if at < PLAUSIBLE or at > now + KEYS_KEPT],
        last=rows[-1][0] if rows else after,
        more=len(rows) == limit,
    )


def prune_keys(db: sqlite3.Connection, keys: Sequence[bytes], now: int) -> int:
    """Remove dedupe keys; how many. One that was seen again meanwhile stays."""
    return db.executemany(
        "DELETE FROM dedupe_keys WHERE key = ? AND seen_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = message_id)",
        [(key, now - KEYS_KEPT) for key in keys],
    ).rowcount


def stamp_keys(db: sqlite3.Connection, keys: Sequence[bytes], now: int) -> int:
    """Let the 90 days of keys begin now; how many."""
    return db.executemany(
        "UPDATE dedupe_keys SET seen_at = ? WHERE key = ?", [(now, key) for key in keys]
    ).rowcount


def old_oddments(db: sqlite3.Connection, before: int) -> bool:
    """Whether prune_oddments() would find anything. Small tables, all of them."""
    return any(
        db.execute(
            f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {where})", (before, PLAUSIBLE)
        ).fetchone()[0]
        for table, where in _ODDMENTS
    )


def prune_oddments(db: sqlite3.Connection, before: int) -> int:
    """Remove what small tables hold of a time `before` (UTC ms); how many rows.

    Removed endpoints and devices stay, as a line each: they give history its names, and to know
    that nothing refers to one would take a walk through all of it.
    """
    return sum(
        db.execute(f"DELETE FROM {table} WHERE {where}", (before, PLAUSIBLE)).rowcount
        for table, where in _ODDMENTS
    )


_ODDMENTS = (
    ("device_events", "received_at < ?1 AND received_at >= ?2"),
    ("pairings", "expires_at < ?1 AND expires_at >= ?2"),
    ("twins", "at < ?1 AND at >= ?2"),
    ("replays", "finished_at < ?1 AND finished_at >= ?2"),
    ("secrets", "expires_at < ?1 AND expires_at >= ?2"),
    (
        "secrets",
        "endpoint_id IN (SELECT id FROM endpoints WHERE removed_at < ?1 AND removed_at >= ?2)",
    ),
)


def found(rows: Sequence[tuple[str, int | None]], after_id: str, limit: int) -> Found:
    """What a look has found, of rows of (id, whether it may go)."""
    return Found(
        old=[one for one, old in rows if old],
        last=rows[-1][0] if rows else after_id,
        more=len(rows) == limit,
    )
