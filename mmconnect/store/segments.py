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
from collections import defaultdict
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

Plan = list[list[frozenset[int]]]
"""What must be there: of each entry all buckets of one alternative."""


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


def plan(query: MessageQuery, terms: Sequence[Term]) -> Plan:
    """The buckets that a query leads to; [] when the index cannot help."""
    wanted: Plan = []
    if query.kind is not None and query.kind is not Kind.SMS:  # most are SMS
        wanted.append([_buckets([mark("kind", query.kind.value)])])
    if query.device_id is not None:
        wanted.append([_buckets([mark("device", query.device_id)])])
    if query.state is MessageState.TEST:
        wanted.append([_buckets([mark("test", "")])])
    if query.state in (MessageState.UNWANTED, MessageState.KEPT_BACK):
        wanted.append([_buckets([mark("unsent", "")])])
    for term in terms:
        if alternatives := term.alternatives():
            wanted.append([_buckets(pieces) for pieces in alternatives])
    return wanted


def _buckets(pieces: Iterable[str]) -> frozenset[int]:
    return frozenset(sorted({bucket(piece) for piece in pieces})[:PIECES])


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
    buckets = {one for alternatives in wanted for pieces in alternatives for one in pieces}
    postings: dict[int, dict[int, bytes]] = defaultdict(dict)
    for number, one, ordinals in db.execute(
        "SELECT segment, bucket, ordinals FROM search_postings WHERE"
        " segment IN (SELECT value FROM json_each(?))"
        " AND bucket IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(numbers)), json.dumps(sorted(buckets))),
    ):
        postings[number][one] = ordinals
    found: dict[int, list[int]] = {}
    for number, known in postings.items():
        if bits := _combine(known, wanted):
            (packed,) = db.execute(
                "SELECT rows FROM search_segments WHERE number = ?", (number,)
            ).fetchone()
            found[number] = rowids(packed, ordinals_of(bits))
    return found


def _combine(known: dict[int, bytes], wanted: Plan) -> int:
    """The bitmap of the ordinals that have everything that is wanted."""
    result = -1
    for alternatives in wanted:
        any_of = 0
        for pieces in alternatives:
            if all(one in known for one in pieces):
                any_of |= _all_of([known[one] for one in pieces])
        result &= any_of
        if not result:
            return 0
    return result


def _all_of(postings: list[bytes]) -> int:
    """The bitmap of the ordinals that are in all of these: the few of the shortest are tried."""
    postings.sort(key=len)
    shortest, *others = postings
    if len(shortest) == BITMAP:
        bits = bitmap(shortest)
        for other in others:
            bits &= bitmap(other)
        return bits
    left = set(array("H", shortest))
    for other in others:
        if len(other) == BITMAP:
            left = {one for one in left if other[one >> 3] >> (one & 7) & 1}
        else:
            left.intersection_update(array("H", other))
        if not left:
            return 0
    return sum([1 << one for one in left])


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
