"""The body of a webhook: compact JSON, UTF-8, serialised once and kept as bytes.

The same bytes go out at every attempt and every replay. Unknown values are null, never invented.
Field order is fixed: tests/golden holds the bytes, and a change there is a major version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring

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


def message_received(
    message: Message,
    tenant: Tenant,
    numbers: Numbers = Numbers.E164,
    *,
    rule_id: str | None = None,
) -> bytes:
    """The `message.received` body for one message; `rule_id` is the routing's that matched."""
    sender, recipient = message.sender, message.recipient
    if numbers is Numbers.DIGITS:
        sender, recipient = sender and digits(sender), recipient and digits(recipient)
    sent_at = None if message.sent_at is None else iso(message.sent_at)
    body = (
        f'{{"event":"{RECEIVED}","id":"{message.id}","kind":"{message.kind.value}"'
        f',"from":{_text(sender)},"to":{_text(recipient)},"text":{_text(message.text)}'
        f',"ref":{_text(message.ref)},"sentAt":{_text(sent_at)}'
        f',"receivedAt":"{iso(message.received_at)}"'
        f',"deviceId":{_text(message.device_id)},"deviceName":{_text(message.device_name)}'
        f',"sim":{"null" if message.sim is None else message.sim}'
        f',"tenantId":{_text(tenant.id)},"tenantName":{_text(tenant.name)}'
        f',"test":{"true" if message.test else "false"}'
    )
    if rule_id is not None:
        body += f',"matchedRuleId":{_text(rule_id)}'
    if message.sender_raw is not None:
        body += f',"fromRaw":{_text(message.sender_raw)}'
    if message.kind is Kind.MMS:
        attachments = [_attachment(a) for a in message.attachments or ()]
        body += f',"subject":{_text(message.subject)},"attachments":{_encode(attachments)}'
    return (body + "}").encode()


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def _attachment(attachment: Attachment) -> dict[str, object]:
    return {
        "name": attachment.name,
        "contentType": attachment.content_type,
        "size": attachment.size,
    }
