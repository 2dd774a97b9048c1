"""How a segment of the index comes to be, in small steps of a reader and of the writer.

begin() names the range, read() takes its messages a few at a time, write() keeps postings, finish()
makes it count. Whatever is erased or added in the range meanwhile (`segments.changed`) makes every
further step refuse, as does a start after a crash: then the range begins anew.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mmconnect.domain.ids import MESSAGE
from mmconnect.store import grams
from mmconnect.store.segments import SIZE, facts, packed_rows, posting

FRESH = 512
"""The newest messages, which are not indexed yet: they are quickly looked at, texts that came at
the same time may not be in the order of their ids, and what is wiped soon is never indexed."""
UNLOOKED = 4096
"""Messages that may have come in between the last look for strays and the last begin()."""
_TOP = MESSAGE + "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What may become a segment: the messages with from_id < id <= to_id."""

    from_id: str
    to_id: str


@dataclass(slots=True, kw_only=True)
class Draft:
    """A segment in the making: of the messages up to `after`."""

    number: int
    range: Range
    after: str
    rows: list[int] = field(default_factory=list)
    ordinals: dict[int, array[int]] = field(default_factory=dict, repr=False)
    first_at: int = 1 << 62
    last_at: int = 0
    buckets: dict[str, int] = field(default_factory=dict, repr=False)
    """Of pieces, so that each is hashed once."""

    def postings(self) -> Iterator[tuple[int, int, bytes]]:
        """The rows of the table, in its order."""
        for bucket in sorted(self.ordinals):
            yield self.number, bucket, posting(self.ordinals[bucket])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A range that was a segment until something changed in it."""

    range: Range
    changes: int
    """How often it has changed; 0: it has not, but mmconnect ended while it was being built."""


def next_range(db: sqlite3.Connection) -> Range | None:
    """What is to be indexed next and never was: the newest first, then back to the oldest."""
    low, high = db.execute("SELECT min(from_id), max(to_id) FROM search_segments").fetchone()
    if high is None:
        to_id = _nth(db, MESSAGE, _TOP, FRESH, newest_first=True)
        if to_id is None or _nth(db, MESSAGE, to_id, SIZE - 2, newest_first=True) is None:
            return None  # so few are looked at directly
        return _down_from(db, to_id)
    to_id = _nth(db, high, _TOP, SIZE - 1, newest_first=False)
    if to_id is not None and _nth(db, to_id, _TOP, FRESH, newest_first=False) is not None:
        return Range(from_id=high, to_id=to_id)
    if low > MESSAGE:
        return _down_from(db, low)
    return _gap(db)


def _down_from(db: sqlite3.Connection, to_id: str) -> Range:
    """The SIZE messages from `to_id` downwards; the last range reaches to where nothing is."""
    below = _nth(db, MESSAGE, to_id + "!", SIZE, newest_first=True)
    return Range(from_id=MESSAGE if below is None else below, to_id=to_id)


def _gap(db: sqlite3.Connection) -> Range | None:
    """What lies between two segments: more came in there than one could take."""
    row = db.execute(
        "SELECT low, from_id FROM (SELECT from_id, lag(to_id) OVER (ORDER BY to_id) AS low"
        " FROM search_segments) WHERE low <> from_id ORDER BY low LIMIT 1"
    ).fetchone()
    return None if row is None else Range(from_id=row[0], to_id=row[1])


def _nth(
    db: sqlite3.Connection, low: str, high: str, skip: int, *, newest_first: bool
) -> str | None:
    row = db.execute(
        "SELECT id FROM messages WHERE id > ? AND id < ?"
        f" ORDER BY id {'DESC' if newest_first else 'ASC'} LIMIT 1 OFFSET ?",
        (low, high, skip),
    ).fetchone()
    return None if row is None else str(row[0])


def dropped(db: sqlite3.Connection) -> list[Dropped]:
    """The ranges that wait for being built anew, oldest first."""
    rows = db.execute(
        "SELECT from_id, to_id, changes FROM search_segments"
        " WHERE state = 'dropped' AND number IS NULL ORDER BY to_id"
    )
    return [Dropped(range=Range(from_id=row[0], to_id=row[1]), changes=row[2]) for row in rows]


def to_clear(db: sqlite3.Connection) -> bool:
    """Whether there are postings of dropped segments."""
    found = db.execute(
        "SELECT 1 FROM search_segments WHERE state = 'dropped' AND number IS NOT NULL LIMIT 1"
    )
    return found.fetchone() is not None


def take_up(db: sqlite3.Connection) -> None:
    """At a start: what was being built when mmconnect ended begins anew."""
    db.execute("UPDATE search_segments SET state = 'dropped' WHERE state = 'building'")


def strays(db: sqlite3.Connection, after_row: int) -> tuple[list[str], int]:
    """(messages among the indexed ones that came in after they were, the last row looked at).

    Ids run with the time, so these come by a clock that was set back. `after_row`: where the last
    look ended, 0 for the first one.
    """
    seen, top = db.execute("SELECT max(seen), max(to_id) FROM search_segments").fetchone()
    (last,) = db.execute("SELECT max(rowid) FROM messages").fetchone()
    if top is None or last is None:
        return [], after_row
    begin_at = after_row or seen - UNLOOKED
    rows = db.execute(
        "SELECT m.id FROM messages m WHERE m.rowid > ? AND m.id > ? AND m.id <= ? AND m.rowid >"
        " (SELECT seen FROM search_segments WHERE to_id >= m.id ORDER BY to_id LIMIT 1)",
        (begin_at, MESSAGE, top),
    )
    return [row[0] for row in rows], int(last)


def begin(db: sqlite3.Connection, wanted: Range) -> Draft | None:
    """Begin a segment; None when the range is not as it was, or holds nothing any more."""
    if _nth(db, wanted.from_id, wanted.to_id + "!", 0, newest_first=True) is None:
        db.execute("DELETE FROM search_segments WHERE to_id = ?", (wanted.to_id,))
        db.execute(  # the one above reaches down to where this one did: no gap is left
            "UPDATE search_segments SET from_id = ? WHERE from_id = ?",
            (wanted.from_id, wanted.to_id),
        )
        return None
    (number,) = db.execute(
        "SELECT max((SELECT coalesce(max(segment), 0) FROM search_postings),"
        " (SELECT coalesce(max(number), 0) FROM search_segments)) + 1"
    ).fetchone()
    made = db.execute(
        "INSERT INTO search_segments (to_id, from_id, state, number, seen)"
        " SELECT ?, ?, 'building', ?, (SELECT max(rowid) FROM messages) WHERE true"
        " ON CONFLICT (to_id) DO UPDATE SET state = excluded.state, number = excluded.number,"
        " changes = 0, seen = excluded.seen, rows = NULL"
        " WHERE state = 'dropped' AND number IS NULL",
        (wanted.to_id, wanted.from_id, number),
    ).rowcount
    return Draft(number=number, range=wanted, after=wanted.from_id) if made else None


def read(db: sqlite3.Connection, draft: Draft, limit: int) -> bool:
    """Take in up to `limit` messages more; False when all are in."""
    rows = db.execute(
        "SELECT m.rowid, m.id, m.kind, m.device_id, m.test, m.received_at, m.text, m.subject,"
        " m.sender, m.sender_raw, EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id)"
        " FROM messages m WHERE m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?",
        (draft.after, draft.range.to_id, limit),
    ).fetchall()
    buckets = draft.buckets
    for (
        rowid,
        message_id,
        kind,
        device_id,
        test,
        at,
        text,
        subject,
        sender,
        sender_raw,
        sent,
    ) in rows:
        ordinal = len(draft.rows)
        if ordinal == SIZE:  # more have come in here than fit: they become another segment
            return False
        draft.rows.append(rowid)
        draft.first_at, draft.last_at = min(draft.first_at, at), max(draft.last_at, at)
        found = grams.pieces(grams.fold(text)) | grams.of_sender(sender, sender_raw)
        if subject:
            found |= grams.pieces(grams.fold(subject))
        found |= facts(kind, device_id, test=bool(test), unsent=not sent)
        for piece in found:
            bucket = buckets.get(piece)
            if bucket is None:
                bucket = buckets[piece] = grams.bucket(piece)
            into = draft.ordinals.get(bucket)
            if into is None:
                draft.ordinals[bucket] = array("H", (ordinal,))
            elif into[-1] != ordinal:
                into.append(ordinal)
        draft.after = message_id
    if len(rows) < limit:
        draft.after = draft.range.to_id
    return len(rows) == limit


def write(db: sqlite3.Connection, draft: Draft, postings: Sequence[tuple[int, int, bytes]]) -> bool:
    """Keep some of the postings; False when the range has changed, and this is for nothing."""
    if not _stands(db, draft):
        return False
    db.executemany("INSERT INTO search_postings VALUES (?, ?, ?)", postings)
    return True


def finish(db: sqlite3.Connection, draft: Draft) -> bool:
    """All is written: searches use the segment from now on. False when the range has changed."""
    if not _stands(db, draft):
        return False
    db.execute(
        "UPDATE search_segments SET state = 'built', to_id = ?, rows = ?, first_at = ?, last_at = ?"
        " WHERE number = ?",
        (draft.after, packed_rows(draft.rows), draft.first_at, draft.last_at, draft.number),
    )
    return True


def _stands(db: sqlite3.Connection, draft: Draft) -> bool:
    found = db.execute(
        "SELECT 1 FROM search_segments WHERE number = ? AND state = 'building'", (draft.number,)
    )
    return found.fetchone() is not None
