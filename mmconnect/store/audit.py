"""Who changed what: one row a change, written in the transaction that makes it.

Bounded: rows beyond the newest MOST go with the next one, those older than KEPT with the janitor.
Never a secret, a token or a text in one; what is secret is named, not told.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mmconnect.store.retention import PLAUSIBLE

MOST = 10_000
"""Rows that are kept at the most."""
KEPT = 730 * 86_400_000
"""Milliseconds that a row is kept: two years."""

_BEYOND = 2**62

ADMIN, CLI = "admin", "cli"
"""Who: the administrator in a browser, the command line. A key of the API stands as its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change."""

    number: int
    at: int
    """UTC ms."""
    actor: str
    """`admin`, `cli`, or the id of an API key."""
    address: str | None
    """Where it was asked from; None on this machine's command line."""
    action: str
    """What was done, as thing and verb: `endpoint.added`."""
    subject: str | None
    """The id of what it was done to."""
    detail: str
    """The rest for a person: names, and what it was before. May be empty."""


def note(
    db: sqlite3.Connection,
    *,
    at: int,
    actor: str,
    action: str,
    subject: str | None = None,
    detail: str = "",
    address: str | None = None,
) -> None:
    """Write down a change, within its own transaction. `at` is UTC ms; the rest as in Entry."""
    done = db.execute(
        "INSERT INTO audit (at, actor, address, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (at, actor, address, action, subject, detail),
    )
    db.execute("DELETE FROM audit WHERE number <= ?", ((done.lastrowid or 0) - MOST,))


def newest(db: sqlite3.Connection, *, limit: int, before: int | None = None) -> list[Entry]:
    """Entries, newest first, from those with a number smaller than `before` (a cursor)."""
    rows = db.execute(
        "SELECT number, at, actor, address, action, subject, detail FROM audit"
        " WHERE number < ? ORDER BY number DESC LIMIT ?",
        (_BEYOND if before is None else before, limit),
    )
    return [
        Entry(number=n, at=at, actor=a, address=where, action=what, subject=s, detail=d)
        for n, at, a, where, what, s, d in rows
    ]


def is_old(db: sqlite3.Connection, now: int) -> bool:
    """Whether prune() would find anything."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM audit WHERE at < ? AND at >= ?)", (now - KEPT, PLAUSIBLE)
    ).fetchone()
    return bool(found)


def prune(db: sqlite3.Connection, now: int) -> int:
    """Remove what is older than KEPT at `now` (UTC ms); how many rows."""
    return db.execute(
        "DELETE FROM audit WHERE at < ? AND at >= ?", (now - KEPT, PLAUSIBLE)
    ).rowcount
