"""Messages, and how a push becomes one exactly once.

take() is the heart of the way in: dedupe keys, message and deliveries in one transaction, so that
"committed" means all of them. Invariant: one text is one message, however often it is pushed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmconnect.domain.ids import EVENT, MESSAGE
from mmconnect.domain.models import Attachment, Kind, Message
from mmconnect.domain.values import value_type
from mmconnect.store import twins
from mmconnect.store.connection import Row
from mmconnect.store.outbox import NewDelivery, add
from mmconnect.store.twins import Twin


@value_type(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a push is recognised by when it comes again; a match on any of them means "seen"."""

    event: bytes | None = None
    """16 bytes: 8 of the app's event id, 8 of sender and text."""
    moment: bytes | None = None
    """Of the sender, the time of the SMS, and the text."""
    body: bytes | None = None
    """Of the body as pushed; only where there is neither id nor time."""
    window: int = 0
    """Milliseconds within which the same body counts as seen."""
    twin: Twin | None = None
    """What the other way of the same phone would tell of it, where none of these is the same."""


@value_type(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to take in, with what it was read from and where it goes."""

    message: Message
    payload: bytes | None = field(default=None, repr=False)
    """The webhook's body, serialised once; None for what is never delivered as it stands."""
    keys: Keys
    raw: bytes | None = field(repr=False)
    raw_headers: str | None
    note: str | None = None
    """For a person: why it was not understood."""
    deliveries: Sequence[NewDelivery] = ()


@value_type(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a push."""

    message_id: str
    """The message's, or for a duplicate the first one's."""
    duplicate: bool
    reused_id: bool = False
    """The app's event id was seen before with another text: ids restart after a reinstallation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message with what only its own page shows."""

    message: Message
    payload: bytes | None = field(repr=False)
    raw: bytes | None = field(repr=False)
    raw_headers: str | None
    duplicates: int
    note: str | None
    wiped_at: int | None
    """When its text was wiped (UTC ms); None while it stands."""


def take(db: sqlite3.Connection, new: NewMessage) -> Taken:
    """Store a message with its keys and deliveries, unless it was seen before."""
    now = new.message.received_at
    first, reused = seen(db, new.keys, now)
    if first is not None:
        db.execute("UPDATE messages SET duplicates = duplicates + 1 WHERE id = ?", (first,))
        remember(db, new.keys, first, now)
        return Taken(message_id=first, duplicate=True)
    insert(db, new)
    remember(db, new.keys, new.message.id, now)
    add(db, *new.deliveries)
    return Taken(message_id=new.message.id, duplicate=False, reused_id=reused)


def seen(db: sqlite3.Connection, keys: Keys, now: int) -> tuple[str | None, bool]:
    """(id of the message that one of the keys belongs to, whether its event id was reused)."""
    reused = False
    if keys.event is not None:
        prefix = keys.event[:8]
        for key, message_id in db.execute(
            "SELECT key, message_id FROM dedupe_keys WHERE key BETWEEN ? AND ?",
            (prefix + bytes(8), prefix + b"\xff" * 8),
        ):
            if key == keys.event:
                return message_id, False
            reused = True
    if keys.moment is not None:
        row = db.execute(
            "SELECT message_id FROM dedupe_keys WHERE key = ?", (keys.moment,)
        ).fetchone()
        if row is not None:
            return row[0], False
    if keys.twin is not None and (twin := twins.find(db, keys.twin)) is not None:
        return twin, False
    if keys.body is not None:
        row = db.execute(
            "SELECT message_id, seen_at FROM dedupe_keys WHERE key = ?", (keys.body,)
        ).fetchone()
        if row is not None and abs(now - row[1]) <= keys.window:
            return row[0], False
    return None, reused


def remember(db: sqlite3.Connection, keys: Keys, message_id: str, now: int) -> None:
    """Record every key that a push carried: by any of them it is known when it comes again."""
    if keys.twin is not None:
        twins.note(db, keys.twin, message_id)
    rows = [
        (key, message_id, now) for key in (keys.event, keys.moment, keys.body) if key is not None
    ]
    if rows:  # another message's key is one whose window has passed; its own keep their time
        db.executemany(
            "INSERT INTO dedupe_keys VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET message_id ="
            " excluded.message_id, seen_at = excluded.seen_at"
            " WHERE message_id <> excluded.message_id",
            rows,
        )


def known_events(db: sqlite3.Connection, events: Sequence[bytes]) -> set[bytes]:
    """Those of the event keys (`Keys.event`) that were recorded."""
    return {
        key
        for key in events
        if db.execute("SELECT 1 FROM dedupe_keys WHERE key = ?", (key,)).fetchone()
    }


def insert(db: sqlite3.Connection, new: NewMessage) -> None:
    """The message's own row."""
    m = new.message
    db.execute(
        "INSERT INTO messages (id, kind, sender, sender_raw, recipient, text, subject, attachments,"
        " ref, sim, sent_at, received_at, device_id, event_id, test, payload, raw, raw_headers,"
        " note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            m.id,
            m.kind.value,
            m.sender,
            m.sender_raw,
            m.recipient,
            m.text,
            m.subject,
            None if m.attachments is None else attachments_json(m.attachments),
            m.ref,
            m.sim,
            m.sent_at,
            m.received_at,
            m.device_id,
            m.event_id,
            int(m.test),
            new.payload,
            new.raw,
            new.raw_headers,
            new.note,
        ),
    )


LOOKED_AT = 5000
"""Messages among which recent() looks."""

_COLUMNS = (
    "m.id, m.kind, m.sender, m.sender_raw, m.recipient, m.text, m.subject, m.attachments, m.ref,"
    " m.sim, m.sent_at, m.received_at, m.device_id, d.name, m.event_id, m.test"
)
_FROM = " FROM messages m LEFT JOIN devices d ON d.id = m.device_id"


def get(db: sqlite3.Connection, message_id: str) -> StoredMessage | None:
    """One message with its raw push, or None."""
    row = db.execute(
        f"SELECT {_COLUMNS}, m.payload, m.raw, m.raw_headers, m.duplicates, m.note, m.wiped_at"
        f"{_FROM} WHERE m.id = ?",
        (message_id,),
    ).fetchone()
    return None if row is None else _stored(row)


def latest(db: sqlite3.Connection, limit: int, *, events: bool = False) -> list[StoredMessage]:
    """The newest messages, newest first; with `events`, the operational events instead."""
    # By the prefix of their ids the two lie apart in the index.
    rows = db.execute(
        f"SELECT {_COLUMNS}, NULL, NULL, NULL, m.duplicates, m.note, m.wiped_at{_FROM}"
        " WHERE m.id BETWEEN ? AND ? || '~' ORDER BY m.id DESC LIMIT ?",
        (*([EVENT if events else MESSAGE] * 2), limit),
    )
    return [_stored(row) for row in rows]


def listed(db: sqlite3.Connection, message_ids: Sequence[str]) -> list[StoredMessage]:
    """These messages without payload and raw push, newest first; those that are gone fall out."""
    rows = db.execute(
        f"SELECT {_COLUMNS}, NULL, NULL, NULL, m.duplicates, m.note, m.wiped_at{_FROM}"
        " WHERE m.id IN (SELECT value FROM json_each(?)) ORDER BY m.id DESC",
        (json.dumps(list(message_ids)),),
    )
    return [_stored(row) for row in rows]


def recent(db: sqlite3.Connection, limit: int) -> list[Message]:
    """The newest messages that endpoints could want: no tests, no events, none that is wiped.

    Looked for among the newest LOOKED_AT: where texts are wiped, there may be no other.
    """
    rows = db.execute(
        f"SELECT {_COLUMNS}{_FROM} WHERE m.kind NOT IN ('unrecognised', 'event') AND m.test = 0"
        " AND m.wiped_at IS NULL AND m.id >= coalesce("
        "(SELECT id FROM messages ORDER BY id DESC LIMIT 1 OFFSET ?), '')"
        " ORDER BY m.id DESC LIMIT ?",
        (LOOKED_AT, limit),
    )
    return [_message(row) for row in rows]


def _stored(row: Row) -> StoredMessage:
    *columns, payload, raw, raw_headers, duplicates, note, wiped_at = row
    return StoredMessage(
        message=_message(tuple(columns)),
        payload=payload,
        raw=raw,
        raw_headers=raw_headers,
        duplicates=duplicates,
        note=note,
        wiped_at=wiped_at,
    )


def _message(row: Row) -> Message:
    return Message(
        id=row[0],
        kind=Kind(row[1]),
        sender=row[2],
        sender_raw=row[3],
        recipient=row[4],
        text=row[5],
        subject=row[6],
        attachments=None if row[7] is None else attachments_from(str(row[7])),
        ref=row[8],
        sim=row[9],
        sent_at=row[10],
        received_at=row[11],
        device_id=row[12],
        device_name=row[13],
        event_id=row[14],
        test=bool(row[15]),
    )


def attachments_json(attachments: Sequence[Attachment]) -> str:
    """Attachments as the column holds them."""
    return json.dumps([[a.name, a.content_type, a.size] for a in attachments], ensure_ascii=False)


def attachments_from(text: str) -> tuple[Attachment, ...]:
    """The reverse of attachments_json()."""
    return tuple(
        Attachment(name=name, content_type=content_type, size=size)
        for name, content_type, size in json.loads(text)
    )
