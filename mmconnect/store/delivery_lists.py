"""Lists of deliveries by state, endpoint, message and time, page by page, newest first.

A page costs the same whatever the history holds: what ended undelivered has an index of its own,
what waits or flies is few or lies close together, and anything else is looked for in a stretch of
SPAN rows, behind which the page says how far it has looked. Cursors are ids, so a page stays where
it is while texts arrive.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mmconnect.domain.ids import DELIVERY, first_at
from mmconnect.domain.models import Delivery, DeliveryState, Trigger
from mmconnect.store.deliveries import COLUMNS, of_row

SPAN = 20_000
"""Rows that one look goes over at the most: some ten milliseconds."""
FEW = 20_000
"""Waiting deliveries that are put in order; of more, a look at the history meets enough."""
ENDED = frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})
"""What the index `deliveries_undelivered` holds."""
ATTENTION = frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED})
"""Where a person has to do something, or it is never delivered."""
_DAY = 86_400_000
"""Milliseconds by which the time in an id may differ from when its delivery was made: the clock
may have been set since, but a jump of more than that is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries: those that fit everything that is set."""

    states: frozenset[DeliveryState] = frozenset()
    """Any of these; none: all."""
    endpoint_id: str | None = None
    message_id: str | None = None
    since: int | None = None
    """Made at that time or later (UTC ms)."""
    until: int | None = None
    """Made before that time (UTC ms)."""
    tests: bool = True
    """Tests as well: they are tried once, and nobody waits for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, newest first."""

    items: Sequence[Delivery]
    older: str | None
    """`before` for the next page; None when nothing is left."""
    newer: str | None
    """`after` for the page before; None on the first."""
    looked_to: int | None = None
    """Where the look ended, though more may be there (UTC ms): the page need not be full then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Between two ids, both exclusive, from one end."""

    above: str
    below: str
    up: bool
    """Oldest first."""

    @property
    def order(self) -> str:
        return "ORDER BY id" if self.up else "ORDER BY id DESC"

    def behind(self, id: str) -> _Range:
        """What is left behind an id."""
        return replace(self, above=id) if self.up else replace(self, below=id)


_LAST = "~"
"""Sorts behind all ids."""


def page(
    db: sqlite3.Connection,
    wanted: Wanted,
    *,
    limit: int,
    before: str | None = None,
    after: str | None = None,
) -> Page:
    """Up to `limit` deliveries older than `before`, or newer than `after`, or the newest ones."""
    up = after is not None
    within = _Range(above=after or "", below=before or _LAST, up=up)
    found, reached = _look(db, wanted, _by_time(wanted, within), limit + 1)
    more = len(found) > limit
    items = found[:limit]
    if more:
        reached = None
    if up and not more and reached is None and len(items) < limit:
        return page(db, wanted, limit=limit)  # the first page is a whole one
    if up:
        items = items[::-1]
    first, last = (items[0].id, items[-1].id) if items else (None, None)
    onward = first if up and more else last if more else None if reached is None else reached.id
    back = (last or after) if up else first
    return Page(
        items=items,
        older=back if up else onward,
        newer=onward if up else (back if before is not None else None),
        looked_to=None if reached is None else reached.created_at,
    )


def newest(db: sqlite3.Connection, wanted: Wanted, *, limit: int) -> list[Delivery]:
    """Up to `limit` that match, newest first, however far one has to look for them."""
    found: list[Delivery] = []
    before: str | None = None
    while len(found) < limit:
        here = page(db, wanted, limit=limit - len(found), before=before)
        found += here.items
        before = here.older
        if before is None:
            break
    return found


def _look(
    db: sqlite3.Connection, wanted: Wanted, within: _Range, limit: int
) -> tuple[list[Delivery], Delivery | None]:
    """Up to `limit` that match, and where the look ended before the end of all."""
    if wanted.message_id is not None:
        return _rows(db, "SELECT id FROM deliveries WHERE message_id = ?", [wanted.message_id],
                     wanted, within, limit), None  # fmt: skip
    if wanted.states and DeliveryState.DELIVERED not in wanted.states:
        found = _gathered(db, wanted, within, limit)
        if found is not None:
            return found, None
    where, values = conditions(wanted)
    rows = db.execute(
        f"SELECT {COLUMNS} FROM (SELECT {COLUMNS} FROM deliveries WHERE id > ? AND id < ?"
        f" {within.order} LIMIT ?) WHERE {where} LIMIT ?",
        (within.above, within.below, SPAN, *values, limit),
    )
    walked = [of_row(row) for row in rows]
    if len(walked) == limit:
        return walked, None
    row = db.execute(
        f"SELECT {COLUMNS} FROM deliveries WHERE id > ? AND id < ? {within.order} LIMIT 1 OFFSET ?",
        (within.above, within.below, SPAN - 1),
    ).fetchone()
    reached = None if row is None else of_row(row)
    if reached is not None and not _any(db, within.behind(reached.id)):
        reached = None
    return walked, reached


def _gathered(
    db: sqlite3.Connection, wanted: Wanted, within: _Range, limit: int
) -> list[Delivery] | None:
    """From what is indexed by its state; None when too many wait to put them in order."""
    found: list[Delivery] = []
    for state in wanted.states & ENDED:
        for endpoint_id in endpoint_ids(db, wanted):
            ids = f"SELECT id {of_ended(state)}"
            found += _rows(db, ids, [endpoint_id], wanted, within, limit)
    if DeliveryState.PENDING in wanted.states:
        waiting, values = of_waiting(wanted)
        (count,) = db.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM ({waiting}) LIMIT ?)", (*values, FEW + 1)
        ).fetchone()
        if count > FEW:
            return None
        found += _rows(db, waiting, values, wanted, within, limit)
    if DeliveryState.IN_FLIGHT in wanted.states:
        found += _rows(db, FLYING, [], wanted, within, limit)
    # one that has just moved on may have been met twice, but never within one snapshot
    return sorted(found, key=lambda one: one.id, reverse=not within.up)[:limit]


def _rows(
    db: sqlite3.Connection,
    ids: str,
    values: Iterable[object],
    wanted: Wanted,
    within: _Range,
    limit: int,
) -> list[Delivery]:
    """The first rows among those that `ids` selects, within a range."""
    where, more = conditions(wanted)
    rows = db.execute(
        f"SELECT {COLUMNS} FROM ({ids}) CROSS JOIN deliveries USING (id)"
        f" WHERE id > ? AND id < ? AND {where} {within.order} LIMIT ?",
        (*values, within.above, within.below, *more, limit),
    )
    return [of_row(row) for row in rows]


def _any(db: sqlite3.Connection, within: _Range) -> bool:
    return bool(
        db.execute(
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id > ? AND id < ?)",
            (within.above, within.below),
        ).fetchone()[0]
    )


def _by_time(wanted: Wanted, within: _Range) -> _Range:
    """The range in which ids of the wanted time can be."""
    above, below = within.above, within.below
    if wanted.since is not None:
        above = max(above, first_at(DELIVERY, wanted.since - _DAY))
    if wanted.until is not None:
        below = min(below, first_at(DELIVERY, wanted.until + _DAY))
    return replace(within, above=above, below=below)


# -- what counting works with, too ----------------------------------------------------------------

FLYING = (
    "SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NOT NULL"
    " UNION ALL SELECT id FROM (SELECT id, state, due_at FROM deliveries"
    f" WHERE id >= (SELECT oldest FROM flights) ORDER BY id DESC LIMIT {SPAN})"
    " WHERE state = 'in_flight' AND due_at IS NULL"
)
"""Selects the ids of what is in flight: claimed, or born so since the oldest that still is."""


def of_ended(state: DeliveryState) -> str:
    """From what has ended so, its endpoint to be bound; what follows may add conditions."""
    return (
        "FROM deliveries INDEXED BY deliveries_undelivered"
        f" WHERE state = '{state.value}' AND endpoint_id = ?"
    )


def of_waiting(wanted: Wanted) -> tuple[str, list[object]]:
    """Selects the ids of what waits, for the endpoint that is wanted."""
    if wanted.endpoint_id is None:
        return "SELECT id FROM waiting", []
    return "SELECT id FROM waiting WHERE endpoint_id = ?", [wanted.endpoint_id]


def endpoint_ids(db: sqlite3.Connection, wanted: Wanted) -> list[str]:
    """The endpoints that are wanted, removed ones included."""
    if wanted.endpoint_id is not None:
        return [wanted.endpoint_id]
    return [id for (id,) in db.execute("SELECT id FROM endpoints")]


def conditions(wanted: Wanted) -> tuple[str, list[object]]:
    """What a row has to fulfil. The plus signs keep SQLite from looking for an index of its own."""
    found: list[tuple[str, object]] = []
    if wanted.endpoint_id is not None:
        found.append(("+endpoint_id = ?", wanted.endpoint_id))
    if wanted.since is not None:
        found.append(("created_at >= ?", wanted.since))
    if wanted.until is not None:
        found.append(("created_at < ?", wanted.until))
    states = sorted(state.value for state in wanted.states)
    allowed = [f"+state IN ({', '.join('?' * len(states))})"] if states else []
    if not wanted.tests:
        found.append(("trigger <> ?", Trigger.TEST.value))
    where = " AND ".join([*[c for c, _ in found], *allowed]) or "1"
    return where, [*[v for _, v in found], *states]
