"""Where a list of messages looks, so that it reads little: message by message, by what waits or
failed, or by the index of what texts hold.

A source gives batches of messages that may match, in the order of the walk; whoever asked looks at
each of them. Invariant: no source leaves out a message that matches.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mmconnect.store import segments
from mmconnect.store.message_query import MessageQuery, MessageState
from mmconnect.store.message_states import ENDED
from mmconnect.store.search_terms import Term
from mmconnect.store.segments import Segment

FEW = 2000
"""Messages in a state that are so few that all are looked at, whatever else is asked."""
WAITING = 5000
"""The same of waiting deliveries, which are not found in the order of their messages."""
FIRST, BLOCK = 64, 1024
"""Messages of the first batch and of the largest."""
GROUP, GROUPS = 2, 64
"""Segments whose postings are read at once: at first, when few may fill the page, and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The ids between `low` and `high` (both exclusive), and in which direction."""

    low: str
    high: str
    older: bool
    """From high to low."""

    def within(self, low: str, high: str) -> Span:
        """The part between two ids that lies in this span."""
        return Span(low=max(low, self.low), high=min(high, self.high), older=self.older)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages `m` to look at, as a condition."""

    where: str
    values: tuple[object, ...]
    reached: str | None = None
    """Where to go on (exclusive, as a place has it); None: from the batch's last one."""
    cost: int = 0
    """What finding them has cost, in rows."""


def candidates(
    db: sqlite3.Connection, query: MessageQuery, terms: Sequence[Term], span: Span
) -> Iterator[Batch]:
    """The messages of a span that may match."""
    named = _by_state(db, query, terms, span)
    if named is not None:
        yield from _batches(named)
        return
    plan = segments.plan(db, query, terms)
    for part, group in _parts(db, query, span, planned=bool(plan)):
        if group is None:
            yield from _scan(db, part)
        else:
            failed = query.state is MessageState.FAILED
            yield from _indexed(db, group, plan, part, only_ended=failed)


# -- by what became of them -----------------------------------------------------------------------


def _by_state(
    db: sqlite3.Connection, query: MessageQuery, terms: Sequence[Term], span: Span
) -> Iterator[str] | None:
    """Ids of all that are in a state, in order; None where that is no way to find them."""
    if query.state is MessageState.WAITING:
        return _waiting(db, span)
    ids = {
        MessageState.FAILED: _ended,
        MessageState.KEPT_BACK: _kept_back,
        MessageState.UNRECOGNISED: _unrecognised,
    }.get(query.state or MessageState.TEST)
    if ids is None:
        return None
    if terms and sum(1 for _ in islice(ids(db, span), FEW + 1)) > FEW:
        return None
    return ids(db, span)


def _waiting(db: sqlite3.Connection, span: Span) -> Iterator[str] | None:
    """None when so many wait that the newest messages are more likely to be some of them."""
    (waiting,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM waiting LIMIT ?)", (WAITING + 1,)
    ).fetchone()
    if waiting > WAITING:
        return None
    rows = db.execute(
        "SELECT DISTINCT d.message_id FROM (SELECT id FROM waiting UNION ALL"
        " SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NOT NULL UNION ALL"
        " SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NULL"
        " AND id >= (SELECT oldest FROM flights)) w CROSS JOIN deliveries d USING (id)"
        " WHERE d.message_id > ? AND d.message_id < ?",
        (span.low, span.high),
    )
    return iter(sorted([row[0] for row in rows], reverse=span.older))


def _ended(db: sqlite3.Connection, span: Span) -> Iterator[str]:
    of = f"SELECT DISTINCT message_id FROM deliveries d INDEXED BY deliveries_ended WHERE {ENDED}"
    return _ids(db, of, "message_id", span)


def _ended_rows(db: sqlite3.Connection, segment: Segment) -> set[int]:
    rows = db.execute(
        "SELECT m.rowid FROM deliveries d INDEXED BY deliveries_ended"
        f" CROSS JOIN messages m ON m.id = d.message_id WHERE {ENDED}"
        " AND d.message_id > ? AND d.message_id <= ?",
        (segment.from_id, segment.to_id),
    )
    return {row[0] for row in rows}


def _kept_back(db: sqlite3.Connection, span: Span) -> Iterator[str]:
    return _ids(db, "SELECT message_id FROM kept_back WHERE 1", "message_id", span)


def _unrecognised(db: sqlite3.Connection, span: Span) -> Iterator[str]:
    of = "SELECT id FROM messages WHERE kind = 'unrecognised' AND device_id IS ?"
    devices = [row[0] for row in db.execute("SELECT id FROM devices")]
    walks = [_ids(db, of, "id", span, device) for device in (None, *devices)]
    return heapq.merge(*walks, reverse=span.older)


def _ids(
    db: sqlite3.Connection, select: str, column: str, span: Span, *values: object
) -> Iterator[str]:
    order = "DESC" if span.older else "ASC"
    rows = db.execute(
        f"{select} AND {column} > ? AND {column} < ? ORDER BY {column} {order}",
        (*values, span.low, span.high),
    )
    return (row[0] for row in rows)


def _batches(ids: Iterator[str]) -> Iterator[Batch]:
    size = FIRST
    while chunk := list(islice(ids, size)):
        yield Batch(
            where="m.id IN (SELECT value FROM json_each(?))",
            values=(json.dumps(chunk),),
            reached=chunk[-1],
        )
        size = min(2 * size, BLOCK)


# -- message by message, and by the index ---------------------------------------------------------


def _parts(
    db: sqlite3.Connection, query: MessageQuery, span: Span, *, planned: bool
) -> Iterator[tuple[Span, list[Segment] | None]]:
    """The span in parts: those that segments know (in groups), and those to be scanned.

    Segments that hold nothing of the time asked for are left out.
    """
    if not planned and query.since is None and query.until is None:
        yield span, None
        return
    known = segments.built(db, span.low, span.high)
    edges = list(_edges(known, span))
    if not span.older:
        edges.reverse()
    group: list[Segment] = []
    size = GROUP
    for part, segment in edges:
        if segment is not None and _other_time(segment, query):
            continue
        if segment is not None and planned:
            group.append(segment)
            if len(group) == size:
                yield span, group
                group, size = [], min(2 * size, GROUPS)
            continue
        if group:
            yield span, group
            group = []
        yield part, None
    if group:
        yield span, group


def _edges(known: Sequence[Segment], span: Span) -> Iterator[tuple[Span, Segment | None]]:
    """Newest first: the segments (given oldest first) and what lies between them."""
    above = span.high
    for segment in reversed(known):
        after = segment.to_id + "!"  # the first that lies above the segment: ids have no such sign
        if after < above:
            yield span.within(segment.to_id, above), None
        yield span.within(segment.from_id, after), segment
        above = segment.from_id + "!"
    if span.low < above:
        yield span.within(span.low, above), None


def _other_time(segment: Segment, query: MessageQuery) -> bool:
    return (query.since is not None and segment.last_at < query.since) or (
        query.until is not None and segment.first_at >= query.until
    )


def _scan(db: sqlite3.Connection, span: Span) -> Iterator[Batch]:
    """Every message of a span."""
    size, low, high = FIRST, span.low, span.high
    while True:
        order = "DESC" if span.older else "ASC"
        edge = db.execute(
            f"SELECT id FROM messages WHERE id > ? AND id < ? ORDER BY id {order} LIMIT 1 OFFSET ?",
            (low, high, size - 1),
        ).fetchone()
        if edge is None:
            yield Batch(where="m.id > ? AND m.id < ?", values=(low, high))
            return
        if span.older:
            yield Batch(where="m.id >= ? AND m.id < ?", values=(edge[0], high), reached=edge[0])
            high = edge[0]
        else:
            yield Batch(where="m.id > ? AND m.id <= ?", values=(low, edge[0]), reached=edge[0])
            low = edge[0]
        size = min(2 * size, BLOCK)


def _indexed(
    db: sqlite3.Connection,
    group: Sequence[Segment],
    plan: segments.Plan,
    span: Span,
    *,
    only_ended: bool,
) -> Iterator[Batch]:
    """What the index says of some segments, segment by segment."""
    found = segments.look(db, [segment.number for segment in group], plan)
    rows: list[int] = []
    for segment in group:
        own = found.get(segment.number, [])
        if own and only_ended:
            ended = _ended_rows(db, segment)
            own = [row for row in own if row in ended]
        rows += reversed(own) if span.older else own
        end = segment.from_id + "!" if span.older else segment.to_id
        if len(rows) >= FIRST:
            yield from _rows(rows, span, end)
            rows = []
    yield from _rows(rows, span, end)
    yield Batch(where="0", values=(), reached=end, cost=len(group) * 2)


def _rows(rows: Sequence[int], span: Span, end: str) -> Iterator[Batch]:
    """Messages by their rowids, in order; `end` is where they end."""
    for at in range(0, len(rows), FIRST):
        yield Batch(
            where="m.rowid IN (SELECT value FROM json_each(?)) AND m.id > ? AND m.id < ?",
            values=(json.dumps(rows[at : at + FIRST]), span.low, span.high),
            reached=end if at + FIRST >= len(rows) else None,
        )
