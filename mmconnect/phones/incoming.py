"""What one text of a push, or a part that could not be read, becomes in the database.

Pure but for the functions it hands back, which are run inside one write. Used when a push comes in
and when one that was kept is read again, so that both make the same of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device, Kind, Message
from mmconnect.phones.fanout import Outlet, Plan, plan
from mmconnect.phones.push import IncomingText
from mmconnect.store import mms
from mmconnect.store.configuration import Configuration
from mmconnect.store.messages import Keys, NewMessage, Taken, take

Write = Callable[[sqlite3.Connection], Taken]


def unread(
    device: Device,
    raw: bytes,
    headers: str | None,
    reason: str,
    message_id: str,
    received_at: int,
    keys: Keys,
) -> NewMessage:
    """What could not be read, kept as it came."""
    message = Message(
        id=message_id,
        kind=Kind.UNRECOGNISED,
        sender=None,
        sender_raw=None,
        recipient=None,
        text="",
        sent_at=None,
        received_at=received_at,
        device_id=device.id,
        device_name=device.name,
    )
    return NewMessage(message=message, keys=keys, raw=raw, raw_headers=headers, note=reason)


def writing(
    message: Message,
    text: IncomingText,
    keys: Keys,
    raw: bytes,
    headers: str | None,
    configuration: Configuration,
    ids: Ids,
    outlet: Outlet | None,
    made_at: int | None = None,
) -> tuple[Write, Plan | None]:
    """What the text writes, and its plan, if places were asked for: settle those afterwards.

    `made_at`: when its deliveries were made (UTC ms), where that is later than it came in.
    """
    if text.kind is not Kind.MMS:
        planned = plan(
            message,
            configuration,
            ids,
            outlet,
            keys=keys,
            raw=raw,
            raw_headers=headers,
            made_at=made_at,
        )
        return lambda db: take(db, planned.new), planned
    if text.announcement:
        new = NewMessage(message=message, keys=keys, raw=raw, raw_headers=headers)
        return lambda db: mms.announce(db, new), None

    def build(message_id: str, ref: str | None) -> NewMessage:
        """Which message a download is, only the database knows: called inside the write."""
        return plan(
            replace(message, id=message_id, ref=ref),
            configuration,
            ids,
            None,
            keys=keys,
            raw=raw,
            raw_headers=headers,
            made_at=made_at,
        ).new

    return lambda db: mms.downloaded(db, keys, build, message), None
