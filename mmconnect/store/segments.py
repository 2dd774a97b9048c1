"""The index of what texts hold: segments of some 2000 messages, built beside the texts.

A text's own transaction does nothing for it: `segment_building` indexes what has been there for a
while, the rest is looked at directly. A posting leads to messages that may match, and each is
looked at before it is shown. Invariants: of a segment that is `built` no message is missing; what
was erased is in no posting that a search reads, and the postings themselves go soon (`changed`).
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmconnect.domain.models import Kind
from mmconnect.store.grams import bucket, mark
from mmconnect.store.message_query import MessageQuery, MessageState
from mmconnect.store.search_terms import Term

SIZE = 2048
"""Messages of a segment; their ordinals are the places in a bitmap of 256 bytes."""
BITMAP = SIZE // 8
PIECES = 6
"""Buckets that are looked at for one form of a term; more cost more than they narrow down."""

Plan = list[list[tuple[int, ...]]]
"""What must be there: of each entry all buckets of one alternative. What is rare comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A range of messages that is in the index: from_id < id <= to_id."""

    from_id: str
    to_id: str
    number: int
    first_at: int
    last_at: int
    """The earliest and the latest `received_at` in it (UTC ms)."""


def facts(kind: str, device_id: str | None, *, test: bool, unsent: bool) -> set[str]:
    """The marks by which a message is found. None of them can come to a message later."""
    found = {mark("kind", kind), mark("device", device_id or "")}
    if test:
        found.add(mark("test", ""))
    if unsent:
        found.add(mark("unsent", ""))
    return found


def plan(db: sqlite3.Connection, query: MessageQuery, terms: Sequence[Term]) -> Plan:
    """The buckets that a query leads to; [] when the index cannot help."""
    wanted: list[list[set[str]]] = []
    if query.kind is not None and query.kind is not Kind.SMS:  # most are SMS
        wanted.append([{mark("kind", query.kind.value)}])
    if query.device_id is not None:
        wanted.append([{mark("device", query.device_id)}])
    if query.state is MessageState.TEST:
        wanted.append([{mark("test", "")}])
    if query.state in (MessageState.UNWANTED, MessageState.KEPT_BACK):
        wanted.append([{mark("unsent", "")}])
    wanted += [found for term in terms if (found := term.alternatives())]
    return _rarest_first(
        db, [[{bucket(piece) for piece in pieces} for pieces in entry] for entry in wanted]
    )


def _rarest_first(db: sqlite3.Connection, wanted: list[list[set[int]]]) -> Plan:
    """The same in the order that leaves the fewest to look at, as the newest segment tells."""
    buckets = sorted({one for entry in wanted for pieces in entry for one in pieces})
    length = dict(
        db.execute(
            "SELECT bucket, length(ordinals) FROM search_postings WHERE segment ="
            " (SELECT number FROM search_segments WHERE state = 'built'"
            " ORDER BY to_id DESC LIMIT 1) AND bucket IN (SELECT value FROM json_each(?))",
            (json.dumps(buckets),),
        ).fetchall()
    )

    def rarity(one: int) -> tuple[int, int]:
        return length.get(one, 0), one

    ordered = [[tuple(sorted(pieces, key=rarity)[:PIECES]) for pieces in entry] for entry in wanted]
    return sorted(ordered, key=lambda entry: sum(rarity(pieces[0])[0] for pieces in entry))


def built(db: sqlite3.Connection, low: str, high: str) -> list[Segment]:
    """The segments that are complete and reach into the ids between `low` and `high`; by id."""
    rows = db.execute(
        "SELECT from_id, to_id, number, first_at, last_at FROM search_segments"
        " WHERE to_id > ? AND from_id < ? AND state = 'built' ORDER BY to_id",
        (low, high),
    )
    return [
        Segment(from_id=row[0], to_id=row[1], number=row[2], first_at=row[3], last_at=row[4])
        for row in rows
    ]


def look(db: sqlite3.Connection, numbers: Sequence[int], wanted: Plan) -> dict[int, list[int]]:
    """The rowids that a plan leads to, by segment, in the order of the ids."""
    left = dict.fromkeys(numbers, -1)
    for alternatives in wanted:
        any_of: dict[int, int] = {}
        for buckets in alternatives:
            for number, bits in _with_all(db, left, buckets).items():
                any_of[number] = any_of.get(number, 0) | bits
        left = any_of
    found: dict[int, list[int]] = {}
    for number, bits in left.items():
        (packed,) = db.execute(
            "SELECT rows FROM search_segments WHERE number = ?", (number,)
        ).fetchone()
        found[number] = rowids(packed, ordinals_of(bits))
    return found


def _with_all(
    db: sqlite3.Connection, left: dict[int, int], buckets: Sequence[int]
) -> dict[int, int]:
    """What is left of the bitmaps of some segments where all these buckets must have it."""
    for one in buckets:
        if not left:
            break
        rows = db.execute(
            "SELECT segment, ordinals FROM search_postings"
            " WHERE segment IN (SELECT value FROM json_each(?)) AND bucket = ?",
            (json.dumps(list(left)), one),
        )
        left = {number: bits for number, stored in rows if (bits := left[number] & bitmap(stored))}
    return left


def packed_rows(rows: Sequence[int]) -> bytes:
    """Rowids as the table holds them: runs of one after the other, each as (ordinal, rowid)."""
    runs = array("q")
    for ordinal, row in enumerate(rows):
        if not ordinal or row != rows[ordinal - 1] + 1:
            runs.extend((ordinal, row))
    return zlib.compress(runs.tobytes())


def rowids(packed: bytes, ordinals: Sequence[int]) -> list[int]:
    """The rowids of some ordinals, of what packed_rows() made."""
    runs = array("q", zlib.decompress(packed))
    starts, firsts = runs[::2], runs[1::2]
    found = []
    for ordinal in ordinals:
        at = bisect_right(starts, ordinal) - 1
        found.append(firsts[at] + ordinal - starts[at])
    return found


def posting(ordinals: array[int]) -> bytes:
    """Ordinals as the table holds them: 16 bits each, or a bitmap where that is shorter."""
    if 2 * len(ordinals) < BITMAP:
        return ordinals.tobytes()
    bits = bytearray(BITMAP)
    for ordinal in ordinals:
        bits[ordinal >> 3] |= 1 << (ordinal & 7)
    return bytes(bits)


def bitmap(stored: bytes) -> int:
    if len(stored) == BITMAP:
        return int.from_bytes(stored, "little")
    bits = bytearray(BITMAP)
    for ordinal in array("H", stored):
        bits[ordinal >> 3] |= 1 << (ordinal & 7)
    return int.from_bytes(bits, "little")


def ordinals_of(bits: int) -> list[int]:
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


# -- what makes a segment worthless ---------------------------------------------------------------


def changed(db: sqlite3.Connection, message_ids: Iterable[str]) -> None:
    """Texts of these messages were erased, or came in among earlier ones: drop what holds them.

    In the transaction that does it. Searches look at the messages themselves from then on.
    """
    for message_id in message_ids:
        db.execute(
            "UPDATE search_segments SET state = 'dropped', changes = changes + 1 WHERE to_id ="
            " (SELECT to_id FROM search_segments WHERE to_id >= ?1 ORDER BY to_id LIMIT 1)"
            " AND from_id < ?1",
            (message_id,),
        )


def clear(db: sqlite3.Connection, limit: int) -> int:
    """Remove up to `limit` postings that no segment may use any more; how many. 0: none is left."""
    for (number,) in db.execute(
        "SELECT number FROM search_segments WHERE state = 'dropped' AND number IS NOT NULL"
    ).fetchall():
        gone = db.execute(
            "DELETE FROM search_postings WHERE segment = ?1 AND bucket IN"
            " (SELECT bucket FROM search_postings WHERE segment = ?1 LIMIT ?2)",
            (number, limit),
        ).rowcount
        if gone:
            return gone
        db.execute("UPDATE search_segments SET number = NULL WHERE number = ?", (number,))
        # what is left of the rows between others is zeroed like that of the texts themselves
        db.execute("UPDATE erasures SET begun = begun + 1")
    return 0
