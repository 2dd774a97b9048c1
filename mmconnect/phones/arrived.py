"""A text as a phone told it, made a message: what is normalised, and what stays as it came."""

from __future__ import annotations

from mmconnect.domain.models import Device, Message
from mmconnect.domain.numbers import normalise
from mmconnect.phones.push import IncomingText


def message_of(device: Device, text: IncomingText, message_id: str, now: int) -> Message:
    """The message of a text that came from a device at `now` (UTC ms)."""
    sender = normalise(text.sender, device.country)
    return Message(
        id=message_id,
        kind=text.kind,
        sender=sender,
        sender_raw=text.sender if sender != text.sender else None,
        recipient=text.recipient and normalise(text.recipient, device.country),
        text=text.text,
        subject=text.subject,
        attachments=text.attachments,
        sim=text.sim,
        sent_at=text.sent_at,
        received_at=now,
        device_id=device.id,
        device_name=device.name,
        event_id=text.event_id,
    )
