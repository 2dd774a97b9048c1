"""Wiping a text while its row stays, and deleting messages altogether.

Both cover every place in the database where a text stands: the message's own columns, the raw push,
the stored payload and those of its deliveries, what receivers answered (an answer may quote it), a
notice of an MMS. That the file no longer holds the bytes either is `remains`' work.
Invariant: wiping never touches a message with waiting deliveries.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.domain.numbers import normalise
from mmconnect.store import deliveries, devices, segments, settings
from mmconnect.store.messages import attachments_from, attachments_json
from mmconnect.store.retention import OLD, PLAUSIBLE, Found, found

REDIRECTED = "redirected; where to was wiped with the text"

_WAITS = (
    "EXISTS (SELECT 1 FROM deliveries w WHERE w.message_id = m.id"
    " AND w.state IN ('pending', 'in_flight'))"
)
_DELIVERED = (
    "EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id) AND NOT EXISTS"
    " (SELECT 1 FROM deliveries d WHERE d.message_id = m.id AND d.state <> 'delivered')"
)


def wipe(db: sqlite3.Connection, message_ids: Sequence[str], now: int) -> int:
    """Wipe the texts of messages that nothing waits for; how many. Times, numbers, states stay."""
    count = 0
    for message_id in message_ids:
        row = db.execute(
            "SELECT attachments FROM messages m WHERE id = ? AND wiped_at IS NULL"
            f" AND NOT {_WAITS}",
            (message_id,),
        ).fetchone()
        if row is None:
            continue
        db.execute(
            "UPDATE messages SET text = '', subject = NULL, attachments = ?, payload = NULL,"
            " raw = NULL, raw_headers = NULL, note = NULL, wiped_at = ? WHERE id = ?",
            (None if row[0] is None else _nameless(row[0]), now, message_id),
        )
        db.execute(
            "UPDATE deliveries SET payload = NULL WHERE message_id = ? AND payload IS NOT NULL",
            (message_id,),
        )
        db.execute(
            # a signature tells of a short text which one it was, to whoever has the secret
            "UPDATE attempts SET request = NULL, response_headers = NULL, response_body = NULL,"
            " error = CASE WHEN status BETWEEN 300 AND 399 THEN ? ELSE error END"
            " WHERE delivery_id IN (SELECT id FROM deliveries WHERE message_id = ?)",
            (REDIRECTED, message_id),
        )
        db.execute(
            "UPDATE mms_notices SET announcement = NULL, raw = NULL, raw_headers = NULL"
            " WHERE message_id = ?",
            (message_id,),
        )
        segments.changed(db, [message_id])
        count += 1
    if count:
        begin(db, now)
    return count


def _nameless(attachments: str) -> str:
    return attachments_json([replace(a, name=None) for a in attachments_from(attachments)])


def to_wipe(db: sqlite3.Connection, before: int, after_id: str, limit: int) -> Found:
    """Messages taken `before` (UTC ms) whose text stands although nothing waits."""
    rows = db.execute(
        f"SELECT m.id, m.wiped_at IS NULL AND {OLD} AND NOT {_WAITS}"
        " FROM messages m WHERE m.id > ?3 AND m.id < ?4 ORDER BY m.id LIMIT ?5",
        (before, PLAUSIBLE, after_id, first_at(MESSAGE, before), limit),
    ).fetchall()
    return found(rows, after_id, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A look at messages in the order of their coming: which are delivered everywhere."""

    delivered: Sequence[str]
    others: Sequence[str]
    """Not delivered everywhere (yet)."""
    last: str
    """The last one looked at, or where the look began."""


def arrived(db: sqlite3.Connection, after_id: str, limit: int) -> Arrived:
    """Look at the messages after an id whose texts are not wiped."""
    rows = db.execute(
        f"SELECT m.id, m.wiped_at IS NOT NULL, {_DELIVERED} FROM messages m"
        " WHERE m.id > ? ORDER BY m.id LIMIT ?",
        (after_id, limit),
    ).fetchall()
    return Arrived(
        delivered=[row[0] for row in rows if not row[1] and row[2]],
        others=[row[0] for row in rows if not row[1] and not row[2]],
        last=rows[-1][0] if rows else after_id,
    )


def still_open(db: sqlite3.Connection, message_ids: Sequence[str]) -> Arrived:
    """The same for messages that were open before; those that are gone or wiped fall out."""
    looked = [
        (message_id, row[0])
        for message_id in message_ids
        if (
            row := db.execute(
                f"SELECT {_DELIVERED} FROM messages m WHERE m.id = ? AND m.wiped_at IS NULL",
                (message_id,),
            ).fetchone()
        )
    ]
    return Arrived(
        delivered=[message_id for message_id, done in looked if done],
        others=[message_id for message_id, done in looked if not done],
        last="",
    )


# -- what may still be in the files ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasures:
    """How far erasing has come."""

    begun: int
    """Counts erasures."""
    proven: int
    """The last one that is known to have left nothing in the files."""
    at: int
    """When the last one began (UTC ms)."""


def begin(db: sqlite3.Connection, now: int) -> int:
    """An erasure begins; its number. Whoever dies before it is proven leaves that to be seen."""
    db.execute("UPDATE erasures SET begun = begun + 1, at = ?", (now,))
    return erasures(db).begun


def erasures(db: sqlite3.Connection) -> Erasures:
    """How far erasing has come."""
    begun, proven, at = db.execute("SELECT begun, proven, at FROM erasures").fetchone()
    return Erasures(begun=begun, proven=proven, at=at)


def prove(db: sqlite3.Connection, number: int) -> None:
    """Nothing of this erasure and of those before it is left in the files."""
    db.execute("UPDATE erasures SET proven = max(proven, ?)", (number,))


# -- deleting -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What became of messages that were to be deleted."""

    deleted: int = 0
    cancelled: int = 0
    """Deliveries that waited, and are gone with their message."""
    in_flight: tuple[str, ...] = ()
    """Messages that stay, as they are being sent at this moment."""

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(
            deleted=self.deleted + other.deleted,
            cancelled=self.cancelled + other.cancelled,
            in_flight=self.in_flight + other.in_flight,
        )


def waiting(db: sqlite3.Connection, message_ids: Sequence[str]) -> int:
    """How many deliveries of these messages wait."""
    return sum(
        db.execute(
            "SELECT count(*) FROM deliveries WHERE message_id = ? AND state = 'pending'",
            (message_id,),
        ).fetchone()[0]
        for message_id in message_ids
    )


def delete(
    db: sqlite3.Connection, message_ids: Sequence[str], *, interrupted: bool = False
) -> Deleted:
    """Delete messages with all that hangs on them, but none that is being sent at this moment.

    `interrupted`: no service runs, so what stands as in flight waits for the next start, but for
    tests, which commands send. Dedupe keys stay, which are hashes: else the next push of the phone
    would bring the messages back.
    """
    done = Deleted()
    for message_id in message_ids:
        states = [
            "pending" if state == "in_flight" and interrupted and trigger != "test" else state
            for state, trigger in db.execute(
                "SELECT state, trigger FROM deliveries WHERE message_id = ?", (message_id,)
            )
        ]
        if "in_flight" in states:
            done += Deleted(in_flight=(message_id,))
            continue
        db.execute("DELETE FROM mms_notices WHERE message_id = ?", (message_id,))
        segments.changed(db, [message_id])
        gone = db.execute("DELETE FROM messages WHERE id = ?", (message_id,)).rowcount
        done += Deleted(deleted=gone, cancelled=states.count("pending"))
    if done.cancelled:
        deliveries.touch(db)  # in strict order others may have waited for those
    return done


def written(db: sqlite3.Connection, number: str) -> set[str]:
    """Every way in which senders that are `number` stand in the log, or may stand elsewhere.

    Compared as E.164, read with the appliance's country and each phone's own. Phones may tell of a
    number without ever having had a text from it, so `number` itself is always among them.
    """
    countries = {settings.value(db, settings.COUNTRY)}
    countries |= {device.country for device in devices.known(db, removed=True)}
    wanted = {number} | {normalise(number, country) for country in countries}
    if number.isdigit():
        wanted.add(f"+{number}")  # as the hosted service wrote it
    senders = {
        name
        for row in db.execute(
            "SELECT DISTINCT sender, sender_raw FROM messages"
            " UNION SELECT DISTINCT sender, NULL FROM mms_notices"
        )
        for name in row
        if name is not None
    }
    return wanted | {
        name for name in senders if any(normalise(name, country) in wanted for country in countries)
    }


def from_number(db: sqlite3.Connection, names: set[str]) -> list[str]:
    """Ids of the messages whose sender is one of `names`, as given or as normalised."""
    marks = ",".join("?" * len(names))
    rows = db.execute(
        f"SELECT id FROM messages WHERE sender IN ({marks}) OR sender_raw IN ({marks}) ORDER BY id",
        (*names, *names),
    )
    return [row[0] for row in rows]


def forget_number(db: sqlite3.Connection, names: set[str]) -> int:
    """Delete what is known of a number beside its messages; how many rows.

    MMS that still wait at the operator, and events of phones that name it.
    """
    return sum(
        db.execute("DELETE FROM mms_notices WHERE sender = ?", (name,)).rowcount
        + db.execute(
            "DELETE FROM device_events WHERE instr(detail, ?)", (json.dumps(name),)
        ).rowcount
        for name in names
    )
