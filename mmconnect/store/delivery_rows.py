"""What people see beside deliveries: whose text it was, for whom, and what came of it last.

For a page's worth of rows; each is found by its id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmconnect.domain.models import Delivery, Kind

EXCERPT = 200
"""Characters of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What belongs to one delivery."""

    sender: str | None
    kind: Kind
    text: str = field(repr=False)
    """How the text, or its subject, begins; empty once it was wiped."""
    wiped_at: int | None
    endpoint: str
    """What people call the endpoint, also of a removed one."""
    removed: bool
    """Whether the endpoint was removed."""
    status: int | None
    """Of the last attempt; None when there was none, or no answer."""
    error: str | None
    """What went wrong at the last attempt."""


def beside(db: sqlite3.Connection, deliveries: Sequence[Delivery]) -> dict[str, Beside]:
    """By id of the delivery; without those that are gone."""
    names = endpoint_names(db, {one.endpoint_id for one in deliveries})
    found = {}
    for one in deliveries:
        text = db.execute(
            "SELECT sender, kind, substr(coalesce(nullif(text, ''), subject, note, ''), 1, ?),"
            " wiped_at FROM messages WHERE id = ?",
            (EXCERPT, one.message_id),
        ).fetchone()
        last = db.execute(
            "SELECT status, error FROM attempts WHERE delivery_id = ? ORDER BY number DESC LIMIT 1",
            (one.id,),
        ).fetchone()
        if text is None:
            continue
        name, removed = names[one.endpoint_id]
        found[one.id] = Beside(
            sender=text[0],
            kind=Kind(text[1]),
            text=text[2],
            wiped_at=text[3],
            endpoint=name,
            removed=removed,
            status=None if last is None else last[0],
            error=None if last is None else last[1],
        )
    return found


def endpoint_names(db: sqlite3.Connection, ids: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """Name of each endpoint, and whether it was removed."""
    found = {}
    for id in ids:
        for name, removed_at in db.execute(
            "SELECT name, removed_at FROM endpoints WHERE id = ?", (id,)
        ):
            found[id] = name, removed_at is not None
    return found
