"""How many deliveries a replay would send again: exact, and never in one long go.

A count is a value that is carried on from step to step, each bounded; whoever asks decides when it
is enough. It says how far it has come, so that "more than so many" is true.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmconnect.domain.models import DeliveryState, Trigger
from mmconnect.store.delivery_lists import (
    ENDED,
    SPAN,
    Wanted,
    conditions,
    endpoint_ids,
    of_ended,
)

_WIPED = "EXISTS (SELECT 1 FROM messages m WHERE m.id = message_id AND m.wiped_at IS NOT NULL)"
MOST = 2000
"""Rows of each kind that one step looks up: some tens of milliseconds where none is in memory."""
_LAST = "~"
"""Sorts behind all ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many match, as far as one has looked, from the newest on."""

    total: int = 0
    wiped: int = 0
    """How many of them have no text any more, where that was asked."""
    first: str = ""
    """The oldest one's id."""
    last: str = ""
    """The newest one's id."""
    cursor: str = _LAST
    """Where the next step begins."""
    end: bool = False
    """Whether that was all."""

    @property
    def there(self) -> int:
        """How many can be sent again."""
        return self.total - self.wiped


NOTHING = Count()
"""Before the first step."""


def sendable(wanted: Wanted) -> tuple[str, list[object]]:
    """What a row has to fulfil to be sent again: no test, not in flight, its endpoint still there.

    Whether its text was wiped is not asked: those are counted by themselves.
    """
    where, values = conditions(wanted)
    there = "+endpoint_id IN (SELECT id FROM endpoints WHERE removed_at IS NULL)"
    ours = "trigger <> ? AND +state <> ?"
    fixed = [Trigger.TEST.value, DeliveryState.IN_FLIGHT.value]
    return f"{there} AND {ours} AND {where}", [*fixed, *values]


def step(
    db: sqlite3.Connection, wanted: Wanted, so_far: Count, *, most: int = MOST, wiped: bool = True
) -> Count:
    """Count on: over at most SPAN rows, or `most` for each endpoint and state that is indexed.

    Without `wiped` those are not counted apart, and what is indexed costs a tenth of a microsecond.
    """
    where, values = sendable(wanted)
    columns = f"count(*), {f'sum({_WIPED})' if wiped else 0}, min(id), max(id)"
    if wanted.states and wanted.states <= ENDED and wanted.message_id is None:
        return _of_ended(db, wanted, so_far, columns, (where, values), most)
    row = db.execute(
        "SELECT id FROM deliveries WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?",
        (so_far.cursor, SPAN - 1),
    ).fetchone()
    bound = "" if row is None else row[0]
    found = db.execute(
        f"SELECT {columns} FROM deliveries WHERE id < ? AND id >= ? AND {where}",
        (so_far.cursor, bound, *values),
    ).fetchone()
    return replace(_added(so_far, found), cursor=bound, end=row is None)


def exact(db: sqlite3.Connection, wanted: Wanted) -> Count:
    """Count all of it, for a program that is alone with its connection."""
    so_far = NOTHING
    while not so_far.end:
        so_far = step(db, wanted, so_far)
    return so_far


def _of_ended(
    db: sqlite3.Connection,
    wanted: Wanted,
    so_far: Count,
    columns: str,
    condition: tuple[str, list[object]],
    most: int,
) -> Count:
    """The next `most` of each state and endpoint, down to the highest id that any of them reached.

    So the cursor is one for all: what lies above it is counted, what lies below is not.
    """
    where, values = condition
    sources = [(of_ended(s), e) for s in sorted(wanted.states) for e in endpoint_ids(db, wanted)]
    bounds = [
        row[0]
        for source, endpoint_id in sources
        if (
            row := db.execute(
                f"SELECT id {source} AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?",
                (endpoint_id, so_far.cursor, most - 1),
            ).fetchone()
        )
    ]
    bound = max(bounds, default="")
    counted = so_far
    for source, endpoint_id in sources:
        found = db.execute(
            f"SELECT {columns} {source} AND id < ? AND id >= ? AND {where}",
            (endpoint_id, so_far.cursor, bound, *values),
        ).fetchone()
        counted = _added(counted, found)
    return replace(counted, cursor=bound, end=not bounds)


def _added(so_far: Count, found: Sequence[object]) -> Count:
    total, wiped, first, last = found
    if not total:
        return so_far
    return replace(
        so_far,
        total=so_far.total + int(str(total)),
        wiped=so_far.wiped + int(str(wiped or 0)),
        first=min(filter(None, (so_far.first, str(first)))),
        last=max(so_far.last, str(last)),
    )
