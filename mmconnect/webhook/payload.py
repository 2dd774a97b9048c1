"""The body of a webhook: compact JSON, UTF-8, serialised once and kept as bytes.

The same bytes go out at every attempt and every replay. Unknown values are null, never invented.
Field order is fixed: tests/golden holds the bytes, and a change there is a major version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mmconnect.domain.clock import iso
from mmconnect.domain.models import Attachment, Kind, Message, Numbers
from mmconnect.domain.numbers import digits

RECEIVED = "message.received"
EVENTS = (
    RECEIVED,
    "device.silent",
    "device.recovered",
    "device.rejected",
    "device.unrecognised",
    "endpoint.held",
    "endpoint.recovered",
    "delivery.failed",
    "system.warning",
    "message.sent",
    "message.delivered",
    "message.failed",
)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Whose appliance this is."""

    id: str
    """`ten_` + ULID, made at the first start."""
    name: str
    """The site's name, or the host's until it has one."""


def message_received(message: Message, tenant: Tenant, numbers: Numbers = Numbers.E164) -> bytes:
    """The `message.received` body for one message."""
    written = digits if numbers is Numbers.DIGITS else str
    fields: dict[str, object] = {
        "event": RECEIVED,
        "id": message.id,
        "kind": message.kind.value,
        "from": message.sender and written(message.sender),
        "to": message.recipient and written(message.recipient),
        "text": message.text,
        "ref": message.ref,
        "sentAt": None if message.sent_at is None else iso(message.sent_at),
        "receivedAt": iso(message.received_at),
        "deviceId": message.device_id,
        "deviceName": message.device_name,
        "sim": message.sim,
        "tenantId": tenant.id,
        "tenantName": tenant.name,
        "test": message.test,
    }
    if message.sender_raw is not None:
        fields["fromRaw"] = message.sender_raw
    if message.kind is Kind.MMS:
        fields["subject"] = message.subject
        fields["attachments"] = [_attachment(a) for a in message.attachments or ()]
    return _encode(fields).encode()


def _attachment(attachment: Attachment) -> dict[str, object]:
    return {
        "name": attachment.name,
        "contentType": attachment.content_type,
        "size": attachment.size,
    }
