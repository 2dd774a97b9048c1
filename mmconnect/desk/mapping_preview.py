"""What mmconnect would make of a push that a person pastes: field by field, and the webhook of it.

Pure: nothing is stored, nothing is sent. The same functions read it as read a push that comes in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict, MultiDict

from mmconnect.domain.clock import iso
from mmconnect.domain.models import Device, Message
from mmconnect.phones import tracing
from mmconnect.phones.apps import read
from mmconnect.phones.apps.names import FIELDS, field_of
from mmconnect.phones.arrived import message_of
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Push, Texts
from mmconnect.phones.reread import push_of
from mmconnect.web.http import media_type
from mmconnect.webhook.payload import Tenant, message_received

__all__ = ["EXAMPLE_ID", "LARGEST", "PATHS", "Part", "Preview", "Push"]
__all__ += ["own_paths", "preview", "push_of", "sample"]

PATHS = FIELDS
"""The fields that own paths can say, and the usual names of each."""
EXAMPLE_ID = "msg_00000000000000000000000000"
"""Stands for the id that the message would get."""
LARGEST = tracing.LARGEST
"""Bytes of a sample."""
_REQUEST_LINE = re.compile(r"(POST|PUT|PATCH) \S+ HTTP/1\.\d\Z")
_LABELS: Mapping[str, str] = {
    "from": "Sender",
    "text": "Text",
    "to": "Recipient",
    "time": "Sent at",
    "sim": "SIM",
    "id": "The app's own id",
    "subject": "Subject",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field of a text."""

    field: str
    """As own paths name it: `from`, `text`, `time`, …"""
    label: str
    value: str | None
    """None: not told."""
    source: str | None = None
    """The place that it came from."""
    note: str = ""
    near: tuple[str, ...] = ()
    """Places that may be meant, where it was not told."""

    def as_json(self) -> dict[str, Any]:
        """As the API has it."""
        return {
            "field": self.field,
            "value": self.value,
            "path": self.source,
            "note": self.note or None,
            "nearest": list(self.near),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a push would be."""

    app: str
    """The app whose push it looks like."""
    outcome: str
    """`text`, `event` or `not_understood`."""
    reason: str | None
    """Why not, or what the event is called."""
    texts: int
    """How many are in it; the fields are those of the first."""
    parts: tuple[Part, ...] = ()
    payload: bytes | None = field(default=None, repr=False)
    """The webhook's body."""

    @property
    def understood(self) -> bool:
        """Whether it is a text."""
        return self.outcome == "text"

    @property
    def suggested(self) -> dict[str, str]:
        """Paths for what is missing: the likeliest place of each field."""
        return {part.field: part.near[0] for part in self.parts if part.near}

    def as_json(self) -> dict[str, Any]:
        """As the API has it."""
        return {
            "app": self.app,
            "outcome": self.outcome,
            "reason": self.reason,
            "texts": self.texts,
            "fields": [part.as_json() for part in self.parts],
            "payload": None if self.payload is None else json.loads(self.payload),
        }


def sample(body: str, headers: str = "") -> Push:
    """A push from what a person pasted: a body, or a whole request with its headers."""
    first, _, rest = body.lstrip("\n").partition("\n")
    if _REQUEST_LINE.match(first.rstrip("\r")):
        headers, _, body = rest.replace("\r\n", "\n").partition("\n\n")
    lines = [line.partition(":") for line in headers.splitlines()]
    named = CIMultiDict((n.strip(), v.strip()) for n, colon, v in lines if colon and n.strip())
    content_type, charset = media_type(named.get("Content-Type"))
    return Push(
        headers=named,
        body=body.encode("utf-8", "replace"),
        content_type=content_type,
        charset=charset if content_type.startswith("multipart/") else "utf-8",
        query=MultiDict(),
    )


def preview(device: Device, push: Push, tenant: Tenant, now: int) -> Preview:
    """What a push of this device would be, if it came at `now` (UTC ms)."""
    reading = read(device.app, push, device.mapping)
    found = tracing.places(push)
    match reading:
        case DeviceEvent(app=app, name=name):
            return Preview(app=app, outcome="event", reason=name, texts=0)
        case NotUnderstood(reason=reason):
            parts = [
                Part(
                    field=name,
                    label=_LABELS[name],
                    value=None,
                    near=tuple(tracing.nearest(name, found, {})),
                )
                for name in ("from", "text", "time")
            ]
            return Preview(
                app=device.app,
                outcome="not_understood",
                reason=reason,
                texts=0,
                parts=tuple(parts),
            )
        case Texts() as texts:
            text = texts.texts[0]
            message = message_of(device, text, EXAMPLE_ID, now)
            sources = tracing.sources(device.app, push, device.mapping)
            return Preview(
                app=texts.app,
                outcome="text",
                reason=None,
                texts=len(texts.texts),
                parts=tuple(_parts(device, text, message, found, sources)),
                payload=message_received(message, tenant),
            )


def own_paths(device: Device) -> dict[str, str]:
    """The device's own paths by field, whatever name of the field they were given with."""
    return {field: path for name, path in device.mapping.items() if (field := field_of(name))}


def _parts(
    device: Device,
    text: IncomingText,
    message: Message,
    found: tracing.Found,
    sources: Mapping[str, str],
) -> list[Part]:
    when = None if text.sent_at is None else iso(text.sent_at)
    values = {
        "from": message.sender,
        "text": text.text,
        "to": message.recipient,
        "time": when,
        "sim": None if text.sim is None else str(text.sim),
        "id": text.event_id,
        "subject": text.subject,
    }
    made = []
    for name, value in values.items():
        if name == "subject" and value is None:
            continue
        told = value is not None
        near = () if told or name == "to" else tracing.nearest(name, found, sources)
        made.append(
            Part(
                field=name,
                label=_LABELS[name],
                value=value,
                source=sources.get(name) if told or name == "time" else None,
                note=_note(name, device, text, message),
                near=tuple(near),
            )
        )
    return made


def _note(name: str, device: Device, text: IncomingText, message: Message) -> str:
    if name == "from" and message.sender_raw is not None:
        return f"written {message.sender_raw}"
    if name == "from" and device.country is None and text.sender[:1].isdigit():
        return "set the phone's country, and numbers without + are completed"
    if name == "time" and text.sent_at is None and text.time_mark is not None:
        return f"{text.time_mark} has no time zone, so it is not known when that was"
    return ""
