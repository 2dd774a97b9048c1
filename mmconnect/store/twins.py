"""The same text by two ways that share no exact key: pushed by a phone, and read from it.

The two agree on sender and words, and on the time only roughly. Several texts may be alike; each
that came one way is the twin of one that came the other, the nearest in time, and of no second one:
so two texts that read the same stay two. Only for phones that are fetched from.
"""

from __future__ import annotations

import sqlite3

from mmconnect.domain.values import value_type

QUARTER = 900_000
"""Milliseconds that every zone differs from every other by, some times over."""
ZONES = 27 * 3_600_000
"""Milliseconds that a local time is from UTC at the most, and from another."""


@value_type(frozen=True, slots=True, kw_only=True)
class Twin:
    """What a text is recognised by, whichever way it came."""

    digest: bytes
    """Of the phone, the sender and the words."""
    at: int
    """Its time, ms; by a clock of a zone that is not known unless `zoned`."""
    zoned: bool = True
    within: int
    """Milliseconds that the two may lie apart."""
    fetched: bool
    """Which way it came: it was read from the phone, or the phone pushed it."""


def find(db: sqlite3.Connection, twin: Twin) -> str | None:
    """The message that came the other way only, and is this one; or None."""
    own, other = ("fetched", "pushed") if twin.fetched else ("pushed", "fetched")
    rows = db.execute(
        f"SELECT at, zoned, message_id FROM twins WHERE digest = ? AND {other} = 1 AND {own} = 0",
        (twin.digest,),
    )
    near = [
        (apart, message_id)
        for at, zoned, message_id in rows
        if (apart := _apart(twin, at, zoned=bool(zoned))) <= twin.within
    ]
    return min(near)[1] if near else None


def note(db: sqlite3.Connection, twin: Twin, message_id: str) -> None:
    """It came this way, and is this message."""
    own = "fetched" if twin.fetched else "pushed"
    changed = db.execute(
        f"UPDATE twins SET {own} = 1 WHERE digest = ? AND message_id = ?",
        (twin.digest, message_id),
    ).rowcount
    if not changed:
        db.execute(
            "INSERT INTO twins VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(twin.digest, twin.at, message_id),
                *(int(twin.zoned), int(not twin.fetched), int(twin.fetched)),
            ),
        )


def _apart(twin: Twin, at: int, *, zoned: bool) -> int:
    """Milliseconds between the two, whatever the zone of a local time may be."""
    apart = abs(twin.at - at)
    if (twin.zoned and zoned) or apart > ZONES:
        return apart
    rest = apart % QUARTER
    return min(rest, QUARTER - rest)
