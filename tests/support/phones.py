"""Pushes as the apps send them: headers and bytes exactly as they are on the wire.

Each function returns (headers, body), signed when it is given a key. What is known about an app's
serialiser is kept: Gson's escapes and left-out nulls, the double percent-encoding of SmsForwarder,
the template of Incoming SMS with its unescaped sender. Incoming SMS sends its body chunked unless
told otherwise, which is for the client that sends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from mmconnect.phones.push import Push

Wire = tuple[dict[str, str], bytes]

SENDER, OWN_NUMBER = "+15550100", "+15550199"
TEXT = "Your code is 482913"
SMSC_MS, PHONE_MS = 1767225599000, 1767225600123

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def as_push(
    headers: Mapping[str, str], body: bytes, query: Mapping[str, str] | None = None
) -> Push:
    """What the listener makes of a request, for tests of the parsers alone."""
    lower = {name.lower(): value for name, value in headers.items()}
    media, *parameters = lower.get("content-type", "").split(";")
    declared = [p.strip()[8:].strip('"') for p in parameters if p.strip().startswith("charset=")]
    return Push(
        headers=lower,
        body=body,
        content_type=media.strip().lower(),
        charset=(declared or ["utf-8"])[0].lower(),
        query=query or {},
    )


def hmac_hex(key: str, signed: bytes) -> str:
    return hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def gson(value: object) -> str:
    """As Gson writes it: compact, nulls left out, `<>&='` escaped."""
    text = json.dumps(_without_nulls(value), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&='\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(v) for name, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def smsgate(
    event: str,
    payload: Mapping[str, object],
    *,
    event_id: str = "Ey6ECgOkVVFjz3CL48B8C",
    key: str | None = None,
    timestamp: int = 1767225612,
    version: str = "1.68.0",
) -> Wire:
    """One webhook of SMS Gateway for Android; `timestamp` is fresh at each of its attempts."""
    envelope = {
        "id": event_id,
        "webhookId": "mmconnect-" + event.replace(":", "-"),
        "event": event,
        "deviceId": "ffffffffceb0b1db0000018e937c815b",
        "payload": dict(payload),
    }
    body = gson(envelope).encode()
    headers = {
        "Content-Type": JSON,
        "User-Agent": f"me.capcom.smsgateway/{version}",
        "Accept": JSON,
        "Accept-Charset": "UTF-8",
        "X-Timestamp": str(timestamp),
    }
    # the app always signs, with a key of its own when it was given none
    headers["X-Signature"] = hmac_hex(key or "made-up1", body + str(timestamp).encode())
    return headers, body


def smsgate_sms(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    received_at: str = "2026-01-01T05:30:00.000+05:30",
    recipient: str | None = OWN_NUMBER,
    sim: int | None = 1,
    message_id: str = "1a00fdfd",
    event_id: str = "Ey6ECgOkVVFjz3CL48B8C",
    key: str | None = None,
    timestamp: int = 1767225612,
) -> Wire:
    """`sms:received`, the push of a text."""
    payload = {
        "message": text,
        "receivedAt": received_at,
        "messageId": message_id,
        "sender": sender,
        "recipient": recipient,
        "simNumber": sim,
        "phoneNumber": sender,
    }
    return smsgate("sms:received", payload, event_id=event_id, key=key, timestamp=timestamp)


def incoming_sms(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    sent_ms: int = SMSC_MS,
    received_ms: int = PHONE_MS,
    sim: str = "sim1",
    key: str | None = None,
    quoted: bool = False,
) -> Wire:
    """The default template of Incoming SMS to URL forwarder; `quoted`: times in quotes."""
    mark = '"' if quoted else ""
    escaped = json.dumps(text, ensure_ascii=False)
    body = (
        f'{{\n  "from":"{sender}",\n  "text":{escaped},\n  "sentStamp":{mark}{sent_ms}{mark},\n'
        f'  "receivedStamp":{mark}{received_ms}{mark},\n  "sim":"{sim}"\n}}'
    ).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-agent": "SMS Forwarder App",
    }
    if key:
        headers["X-Signature"] = hmac_hex(key, body)
    return headers, body


def smsforwarder_sign(timestamp: int, key: str) -> str:
    """`[sign]`: percent-encoded once."""
    digest = hmac.new(key.encode(), f"{timestamp}\n{key}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(digest).decode(), safe="")


def smsforwarder_json(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    received: str = "2026-01-01T08:00:00+0800",
    sim: str = "SIM1_Work",
    pushed_ms: int = PHONE_MS,
    key: str | None = None,
) -> Wire:
    """SmsForwarder with the JSON template that the set-up page gives."""
    escaped = json.dumps(text, ensure_ascii=False)
    body = (
        f'{{"from":"{sender}","text":{escaped},"received":"{received}",'
        f'"sim":"{sim}","device":"Pixel 6","ts":"{pushed_ms}",'
        f'"sign":"{smsforwarder_sign(pushed_ms, key) if key else ""}"}}'
    )
    return {"Content-Type": JSON}, body.encode()


def smsforwarder_form(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    sim: str = "SIM1_Work",
    received: str = "2026-01-01 00:00:00",
    pushed_ms: int = PHONE_MS,
    key: str | None = None,
) -> Wire:
    """SmsForwarder without a template: `content` is a page around the text."""
    content = f"{sender}\n{text}\n{sim}\nSubId：1\n{received}\nPixel 6"
    fields = {"from": sender, "content": content, "timestamp": str(pushed_ms)}
    if key:
        fields["sign"] = smsforwarder_sign(pushed_ms, key)
    return {"Content-Type": FORM}, _form(fields)


def generic_json(
    fields: Mapping[str, object] | None = None, *, key: str | None = None, prefix: str = ""
) -> Wire:
    """JSON as scripts write it. `prefix`: what stands before the signature, `sha256=`."""
    body = json.dumps(dict(fields or {"from": SENDER, "text": TEXT})).encode()
    headers = {"Content-Type": JSON}
    if key:
        headers["X-Signature"] = prefix + hmac_hex(key, body)
    return headers, body


def generic_form(fields: Mapping[str, str] | None = None) -> Wire:
    return {"Content-Type": FORM}, _form(fields or {"from": SENDER, "text": TEXT})


def generic_multipart(
    fields: Mapping[str, str] | None = None,
    files: Mapping[str, tuple[str, str, bytes]] | None = None,
) -> Wire:
    """`files`: field name to (file name, content type, content)."""
    boundary = "----formboundary7MA4YWxk"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {"from": SENDER, "text": TEXT}).items()
    ]
    parts += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        f"Content-Type: {media}\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (file_name, media, content) in (files or {}).items()
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, b"".join(parts) + f"--{boundary}--\r\n".encode()


def generic_plain(
    text: str = TEXT, sender: str = SENDER, *, time: str | None = "1767225599", **more: str
) -> Wire:
    """Raw mode, for Tasker and MacroDroid; `more`: `to`, `id`, `sim`."""
    headers = {"Content-Type": "text/plain", "X-SMS-From": sender}
    if time:
        headers["X-SMS-Time"] = time
    headers |= {f"X-SMS-{name.title()}": value for name, value in more.items()}
    return headers, text.encode()


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
    return {"Content-Type": FORM, "User-Agent": "SMSSync-Android/v3.0.3"}, _form(fields)


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


def _form(fields: Mapping[str, str]) -> bytes:
    pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields.items()]
    return "&".join(pairs).encode()
