"""A push that was not understood, read again with what its device says now.

It becomes what it would have become when it came: the same message id, the same keys, a delivery
for each endpoint that wants it, whose age counts from now. What came again meanwhile is not sent a
second time. Everything of one push is one transaction, so no repetition or kill delivers twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from multidict import CIMultiDict, MultiDict

from mmconnect.domain.ids import MESSAGE, Ids
from mmconnect.domain.models import Device, Kind, Message
from mmconnect.phones.apps import read
from mmconnect.phones.arrived import message_of
from mmconnect.phones.dedupe import Way, keys, part_keys, window_of
from mmconnect.phones.incoming import unread, writing
from mmconnect.phones.intake import QUERY
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Push, Texts
from mmconnect.store import devices, rereads
from mmconnect.store.configuration import Configuration
from mmconnect.store.messages import Keys, StoredMessage, seen, take
from mmconnect.web.http import media_type


class Fate(StrEnum):
    """What became of it."""

    UNDERSTOOD = "understood"
    DUPLICATE = "duplicate"
    """The same text came by itself: it is there already, and stays one message."""
    EVENT = "event"
    """It was no text but news of the phone, and is kept as such."""
    NOT_UNDERSTOOD = "not_understood"
    NOTHING_TO_READ = "nothing_to_read"
    """It is no push that was not understood (any more), or its text was wiped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """One push that was read again."""

    message_id: str
    fate: Fate
    message_ids: tuple[str, ...] = ()
    """The messages it has become."""
    duplicate_of: str | None = None
    reason: str | None = None
    """For a person, where there is something to say."""


def push_of(stored: StoredMessage) -> Push | None:
    """The push as it came, without credentials; None when it is wiped."""
    if stored.raw is None:
        return None
    lines = [line.partition(": ") for line in (stored.raw_headers or "").split("\n")]
    headers = CIMultiDict((name, value) for name, found, value in lines if found)
    query = MultiDict(parse_qsl(headers.pop(QUERY, ""), keep_blank_values=True))
    content_type, charset = media_type(headers.get("Content-Type"))
    return Push(
        headers=headers,
        body=stored.raw,
        content_type=content_type,
        charset=charset,
        query=query,
    )


def reread(
    db: sqlite3.Connection,
    stored: StoredMessage,
    configuration: Configuration,
    ids: Ids,
    now: int,
) -> Reread:
    """Read one again and write what comes of it; to be called inside a transaction."""
    old = stored.message
    device = configuration.devices.get(old.device_id or "")
    push = push_of(stored)
    if old.kind is not Kind.UNRECOGNISED or device is None or push is None:
        return Reread(message_id=old.id, fate=Fate.NOTHING_TO_READ)
    match read(device.app, push, device.mapping):
        case NotUnderstood(reason=reason):
            if reason != stored.note:
                rereads.explain(db, old.id, reason)
            return Reread(message_id=old.id, fate=Fate.NOT_UNDERSTOOD, reason=reason)
        case DeviceEvent() as event:
            rereads.make_room(db, old.id)
            detail = json.dumps(event.detail, ensure_ascii=True, default=str)
            devices.add_event(db, device.id, event.name, event.event_id, detail, old.received_at)
            return Reread(message_id=old.id, fate=Fate.EVENT, reason=event.name)
        case Texts() as texts:
            return _texts(db, stored, device, push, texts, configuration, ids, now)


def _texts(
    db: sqlite3.Connection,
    stored: StoredMessage,
    device: Device,
    push: Push,
    found: Texts,
    configuration: Configuration,
    ids: Ids,
    now: int,
) -> Reread:
    """The first text that did not come again meanwhile is the message; others follow it."""
    old, window = stored.message, window_of(device, found.app)
    way = Way.PUSHED if device.id in configuration.links else Way.ONLY
    read_as = [_known(device, text, old, push, window, way) for text in found.texts]
    first = [seen(db, known_by, old.received_at)[0] for _, known_by in read_as]
    if all(first) and not found.odd:
        note = f"Read again, it is the same text as {first[0]}"
        rereads.explain(db, old.id, note)
        return Reread(message_id=old.id, fate=Fate.DUPLICATE, duplicate_of=first[0], reason=note)
    rereads.make_room(db, old.id)
    own_id: str | None = old.id
    made: list[str] = []
    same: list[str] = []
    for text, (message, known_by), before in zip(found.texts, read_as, first, strict=True):
        message_id = own_id if before is None and own_id is not None else ids.new(MESSAGE)
        own_id = None if message_id == own_id else own_id
        write, _ = writing(
            message_of(device, text, message_id, message.received_at),
            text,
            known_by,
            push.body if text.raw is None else text.raw,
            stored.raw_headers,
            configuration,
            ids,
            None,
            made_at=now,
        )
        taken = write(db)
        (same if taken.duplicate else made).append(taken.message_id)
    for odd in found.odd:
        aside = ids.new(MESSAGE)
        known = part_keys(device.id, odd.raw)
        take(
            db,
            unread(device, odd.raw, stored.raw_headers, odd.reason, aside, old.received_at, known),
        )
    rereads.announce(db)
    return Reread(
        message_id=old.id,
        fate=Fate.UNDERSTOOD if made else Fate.DUPLICATE,
        message_ids=tuple(made),
        duplicate_of=None if made or not same else same[0],
        reason=_waits(found.texts),
    )


def _known(
    device: Device, text: IncomingText, old: Message, push: Push, window: int, way: Way
) -> tuple[Message, Keys]:
    message = message_of(device, text, old.id, old.received_at)
    return message, keys(device.id, message.sender or "", text, push.body, window, way=way)


def _waits(texts: Sequence[IncomingText]) -> str | None:
    if any(text.announcement for text in texts):
        return (
            "it announces an MMS: a message when that is downloaded, or by itself a quarter of an"
            " hour after it came"
        )
    return None
