"""Lists of messages: find() gives a page of those that match, newest first.

A page looks at a bounded number of rows: what an index leads to, else message by message, up to a
budget. When that ends before the page is full the page says how far back it has looked and where
to go on. Ids sort by time, so a cursor stays where it is while texts come and go.
Invariant: following the cursors shows every message that matches exactly once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mmconnect.domain.ids import MESSAGE, first_at, made_at
from mmconnect.domain.models import DeliveryState
from mmconnect.store import message_sources, message_states, messages
from mmconnect.store.message_query import MessageQuery, MessageState, Place, place
from mmconnect.store.message_sources import Batch, Span
from mmconnect.store.message_states import CONDITIONS
from mmconnect.store.messages import StoredMessage
from mmconnect.store.search_terms import Term, searched

BUDGET = 4000
"""Rows that one page looks at; some 8 µs each."""
MOST = 1000
"""Messages of one page."""
LENGTH = len(MESSAGE) + 26
"""Of an id; the range below the oldest message ends at less."""
SLACK = 86_400_000
"""Milliseconds that the time in an id and `received_at` may lie apart: a clock that was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A message in a list, and what became of it."""

    stored: StoredMessage
    """Without payload and raw push."""
    state: MessageState
    deliveries: Counter[DeliveryState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list, newest first."""

    items: tuple[Listed, ...]
    older: str | None
    """The cursor of what comes after this page; None at the end of the list."""
    newer: str | None
    """The cursor of what lies before this page, or has come since; None where nothing is shown,
    and when a page was asked for that goes to the newest one."""
    searched_to: int | None = None
    """Back to when (UTC ms) the messages were looked at, where that ended before the page was full:
    `older` goes on from there. None otherwise."""


def find(
    db: sqlite3.Connection, query: MessageQuery, *, cursor: str | None = None, limit: int = 50
) -> Page:
    """The page of up to `limit` messages (at most MOST) that a cursor leads to, or the newest.

    Raises Invalid for a cursor that is none.
    """
    at = Place(older=True, message_id=query.prefix + "~") if cursor is None else place(cursor)
    limit = max(1, min(limit, MOST))
    walk = _Walk(db, query, at)
    ids = walk.collect(limit + 1)
    more, ids = len(ids) > limit, ids[:limit]
    goes_on = ids[-1] if more else walk.stopped_at
    if not at.older:
        ids.reverse()
    items = tuple([_listed(db, stored) for stored in messages.listed(db, ids)])
    onward = None if goes_on is None else Place(older=at.older, message_id=goes_on).cursor()
    if at.older:
        newer = Place(older=False, message_id=ids[0]).cursor() if ids else None
        searched = None if more or goes_on is None else made_at(goes_on[:LENGTH])
        return Page(items=items, older=onward, newer=newer, searched_to=searched)
    older = Place(older=True, message_id=ids[-1]).cursor() if ids else None
    return Page(items=items, older=older, newer=onward)


def top(db: sqlite3.Connection, query: MessageQuery) -> str:
    """The cursor of what comes in from now on, whether it is like the query or not."""
    low, high = query.prefix, query.prefix + "~"
    newest = db.execute(
        "SELECT id FROM messages WHERE id > ? AND id < ? ORDER BY id DESC LIMIT 1", (low, high)
    ).fetchone()
    message_id = query.prefix + "0" * 26 if newest is None else newest[0]
    return Place(older=False, message_id=message_id).cursor()


def _listed(db: sqlite3.Connection, stored: StoredMessage) -> Listed:
    message = stored.message
    deliveries = message_states.counts(db, message.id)
    state = message_states.state(db, message.id, message.kind, deliveries)
    return Listed(stored=stored, state=state, deliveries=deliveries)


class _Walk:
    """A look through the messages from one place in one direction."""

    def __init__(self, db: sqlite3.Connection, query: MessageQuery, at: Place) -> None:
        self._db, self._query, self._older = db, query, at.older
        self._terms: tuple[Term, ...] = query.terms
        self._condition, self._values = _condition(query)
        self.stopped_at: str | None = None
        """The last message that was looked at when the budget ended; None when all were."""
        low, high = _bounds(db, query)
        self._span = Span(
            low=low if at.older else max(low, at.message_id),
            high=min(high, at.message_id) if at.older else high,
            older=at.older,
        )

    def collect(self, count: int) -> list[str]:
        """The ids of the first `count` that match."""
        found: list[str] = []
        budget = BUDGET
        for batch in message_sources.candidates(self._db, self._query, self._terms, self._span):
            budget -= batch.cost
            last = batch.reached
            for message_id, matches in self._look(batch):
                last = message_id
                budget -= 1
                if matches:
                    found.append(message_id)
                    if len(found) == count:
                        return found
            if budget <= 0:
                last = batch.reached or last
                self.stopped_at = None if last is None or len(last) < LENGTH else last
                return found
        return found

    def _look(self, batch: Batch) -> Iterator[tuple[str, bool]]:
        """(id, whether it matches) of the messages of a batch, in order."""
        parts = ", m.text, m.subject, m.sender, m.sender_raw" if self._terms else ""
        rows = self._db.execute(
            f"SELECT m.id, {self._condition}{parts} FROM messages m WHERE {batch.where}"
            f" ORDER BY m.id {'DESC' if self._older else 'ASC'}",
            (*self._values, *batch.values),
        )
        for message_id, fits, *of in rows:
            yield message_id, bool(fits) and self._matches(*of)

    def _matches(self, *parts: str | None) -> bool:
        if not self._terms:
            return True
        text, subject, sender, sender_raw = parts
        what = searched(text or "", subject, sender, sender_raw)
        return all(term.matches(what) for term in self._terms)


def _condition(query: MessageQuery) -> tuple[str, tuple[object, ...]]:
    """What SQL can tell of a message `m`; what is cheap comes first."""
    conditions: list[tuple[str, object]] = []
    if query.kind is not None:
        conditions.append(("m.kind = ?", query.kind.value))
    if query.device_id is not None:
        conditions.append(("m.device_id IS ?", query.device_id))
    if query.since is not None:
        conditions.append(("m.received_at >= ?", query.since))
    if query.until is not None:
        conditions.append(("m.received_at < ?", query.until))
    parts = [condition for condition, _ in conditions]
    if query.state is not None:
        parts.append(CONDITIONS[query.state])
    return f"({' AND '.join(parts) or '1'})", tuple(value for _, value in conditions)


def _bounds(db: sqlite3.Connection, query: MessageQuery) -> tuple[str, str]:
    """Between which ids (both exclusive) everything lies that can match."""
    prefix = query.prefix
    low, high = prefix, prefix + "~"
    if query.since is not None:
        low = first_at(prefix, query.since - SLACK)
    if query.until is not None:
        high = first_at(prefix, query.until + SLACK + _ahead(db, low, high))
    return low, high


def _ahead(db: sqlite3.Connection, low: str, high: str) -> int:
    """By how many ms the ids run ahead of the times: they never go back when the clock does."""
    newest = db.execute(
        "SELECT id, received_at FROM messages WHERE id > ? AND id < ? ORDER BY id DESC LIMIT 1",
        (low, high),
    ).fetchone()
    return 0 if newest is None else max(0, made_at(newest[0]) - int(newest[1]))
