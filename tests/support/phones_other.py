"""Pushes of apps and servers that the generic reader knows: Envaya, SMSSync, textbee, httpSMS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from tests.support.phones_generic import generic_form, generic_multipart
from tests.support.phones_wire import (
    FORM,
    JSON,
    OWN_NUMBER,
    PHONE_MS,
    SENDER,
    SMSC_MS,
    TEXT,
    Wire,
    form_body,
    gson,
    hmac_hex,
)


def envaya(
    action: str = "incoming",
    *,
    text: str = TEXT,
    sender: str = SENDER,
    sent_ms: int = SMSC_MS,
    now_ms: int = PHONE_MS,
    message_type: str = "sms",
    url: str = "http://192.168.1.20:8787/in/envaya/tok_abc",
    password: str | None = None,
    files: Mapping[str, tuple[str, str, bytes]] | None = None,
    **more: str,
) -> Wire:
    """EnvayaSMS: `now`, `battery` and `log` change at each attempt."""
    fields = {
        "action": action,
        "version": "30",
        "phone_number": OWN_NUMBER,
        "phone_id": "",
        "phone_token": "",
        "send_limit": "100",
        "now": str(now_ms),
        "settings_version": "0",
        "battery": "87",
        "power": "2",
        "network": "WIFI",
        "log": "",
    }
    if action == "incoming":
        fields |= {
            "from": sender,
            "message_type": message_type,
            "message": text,
            "timestamp": str(sent_ms),
        }
    fields |= more
    headers, body = generic_multipart(fields, files) if files else generic_form(fields)
    headers["User-Agent"] = "EnvayaSMS/3.0.1 (Android; SDK 10; maker; model)"
    if password:
        listed = "".join(f",{name}={fields[name]}" for name in sorted(fields))
        digest = hashlib.sha1(f"{url}{listed},{password}".encode()).digest()  # noqa: S324
        headers["X-Request-Signature"] = base64.b64encode(digest).decode()
    return headers, body


def smssync(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    message_id: str = "80370c57-48ed-4d52-9a3e-2b2f0ea7c111",
    sent_ms: int = SMSC_MS,
) -> Wire:
    fields = {
        "secret": "s3",
        "from": sender,
        "message": text,
        "sent_timestamp": str(sent_ms),
        "sent_to": OWN_NUMBER,
        "message_id": message_id,
        "device_id": "kitchen",
    }
    return {"Content-Type": FORM, "User-Agent": "SMSSync-Android/v3.0.3"}, form_body(fields)


def textbee_app(text: str = TEXT, sender: str = SENDER, *, sent_ms: int = SMSC_MS) -> Wire:
    """What the textbee app sends to its server."""
    mark = hashlib.md5(f"{sender}|{text}|{sent_ms}".encode()).hexdigest()  # noqa: S324
    body = {
        "sender": sender,
        "message": text,
        "receivedAtInMillis": sent_ms,
        "fingerprint": mark,
        "sentAtInMillis": 0,
        "deliveredAtInMillis": 0,
        "failedAtInMillis": 0,
    }
    return {"Content-Type": "application/json; charset=UTF-8", "x-api-key": "k"}, gson(
        body
    ).encode()


def textbee(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    event: str = "MESSAGE_RECEIVED",
    key: str | None = None,
) -> Wire:
    """What a textbee server sends to a webhook."""
    fields = {
        "smsId": "65f000000000000000000001",
        "message": text,
        "deviceId": "65f0000000000000000000aa",
        "webhookSubscriptionId": "65f0000000000000000000bb",
        "webhookEvent": event,
        "idempotencyKey": "7e4f0f0e-1111-4222-8333-444455556666",
        "sender": sender,
        "receivedAt": "2025-12-31T23:59:59.000Z",
    }
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": JSON}
    if key:
        headers["X-Signature"] = hmac_hex(key, body)
    return headers, body


def httpsms_app(text: str = TEXT, sender: str = SENDER, *, encrypted: bool = False) -> Wire:
    """What the httpSMS app sends to its server."""
    fields = {
        "sim": "SIM1",
        "from": sender,
        "to": OWN_NUMBER,
        "content": text,
        "encrypted": encrypted,
        "timestamp": "2026-01-01T00:00:00.123000000Z",
        "attachments": None,
    }
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return {"Content-Type": JSON, "x-api-key": "k", "X-Client-Version": "v1"}, body


def httpsms(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    event: str = "message.phone.received",
    event_id: str = "6f1e0000-1111-4222-8333-444455556666",
) -> Wire:
    """What an httpSMS server sends to a webhook: a CloudEvent."""
    data = {
        "message_id": "0b9c0000-1111-4222-8333-444455556666",
        "user_id": "u123",
        "owner": OWN_NUMBER,
        "encrypted": False,
        "contact": sender,
        "timestamp": "2026-01-01T00:00:00.123Z",
        "content": text,
        "sim": "SIM1",
        "attachments": [],
    }
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/v1/messages/receive",
        "type": event,
        "datacontenttype": JSON,
        "time": "2026-01-01T00:00:00.5Z",
        "data": data,
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    return {"Content-Type": JSON, "X-Event-Type": event}, body
