"""SMSGate's inbox, as `GET /inbox` tells it since 1.59: one row of it is one text.

`contentPreview` is the whole text of an SMS, the first 64 bytes of a data SMS in hex, the subject
of an announced MMS, and text or subject of one that was downloaded. `createdAt` is the SMS centre's
time, the same that the app's webhook calls `receivedAt`. Ids are hashes, a prefix says of what.
Pure, like all parsers; a row that cannot be read is Unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from mmconnect.domain.models import Kind
from mmconnect.phones.apps.fields import attachments, id_of, scalar, sender_of, slot
from mmconnect.phones.apps.smsgate import readable
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import Unreadable, clean
from mmconnect.phones.push import HEAD, IncomingText

_KINDS = {
    "SMS": Kind.SMS,
    "DATA_SMS": Kind.DATA,
    "MMS": Kind.MMS,
    "MMS_DOWNLOADED": Kind.MMS,
}
CUT = "..."
"""What follows the 64 bytes of a data SMS that had more."""


def name_of(row: Mapping[str, object]) -> str:
    """By which a row is known: the phone's own id and the time. Raises Unreadable.

    From 1.63 to 1.66.1 the id says only who wrote what: the same text again has the same.
    """
    found = id_of(row, ("id",))
    if found is None:
        raise Unreadable("the row has no id")
    sent_at = read_time(row.get("createdAt"))[0]
    return clean(found) if sent_at is None else f"{clean(found)}@{sent_at}"


def text_of(row: Mapping[str, object]) -> IncomingText:
    """The text that a row is. Raises Unreadable."""
    told = scalar(row.get("type")) or ""
    if told not in _KINDS:
        raise Unreadable("the row is of a type that is not known")
    sender = sender_of(row, ("sender", "phoneNumber"))
    if sender is None:
        raise Unreadable("the row names no sender")
    sent_at, mark = read_time(row.get("createdAt"))
    preview = clean(scalar(row.get("contentPreview")) or "")
    text = IncomingText(
        kind=_KINDS[told],
        sender=clean(sender),
        text=preview,
        recipient=clean(scalar(row.get("recipient")) or "") or None,
        sent_at=sent_at,
        time_mark=mark,
        sim=slot(row.get("simNumber")),
        # apart from the ids of its webhooks, which are none of these
        event_id=f"inbox/{name_of(row)}",
    )
    match told:
        case "DATA_SMS":
            return _data(text, preview)
        case "MMS":
            return replace(text, text="", subject=preview or None, announcement=True)
        case "MMS_DOWNLOADED":
            return replace(text, attachments=attachments(row.get("attachments")))
    return text


def encoded(row: Mapping[str, object]) -> bytes:
    """A row as it is kept beside its message."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _data(text: IncomingText, preview: str) -> IncomingText:
    cut = preview.endswith(CUT)
    try:
        data = bytes.fromhex(preview.removesuffix(CUT))
    except ValueError:
        return text
    return replace(text, text=readable(data) + (CUT if cut else ""), head=data[:HEAD])
