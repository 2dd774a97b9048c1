"""Pushes as the apps send them: headers and bytes exactly as they are on the wire.

Each function returns (headers, body), signed when it is given a key. What is known about an app's
serialiser is kept: Gson's escapes and left-out nulls, the double percent-encoding of SmsForwarder,
the template of Incoming SMS with its unescaped sender. Incoming SMS sends its body chunked unless
told otherwise, which is for the client that sends it. This is the module to import; the others
beside it are its rooms.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import quote

from tests.support.phones_generic import (
    generic_form,
    generic_json,
    generic_multipart,
    generic_plain,
)
from tests.support.phones_other import (
    envaya,
    httpsms,
    httpsms_app,
    smssync,
    textbee,
    textbee_app,
)
from tests.support.phones_wire import (
    FORM,
    JSON,
    OWN_NUMBER,
    PHONE_MS,
    SENDER,
    SMSC_MS,
    TEXT,
    Wire,
    as_push,
    form_body,
    gson,
    hmac_hex,
)

__all__ = [
    "FORM",
    "JSON",
    "OWN_NUMBER",
    "PHONE_MS",
    "SENDER",
    "SMSC_MS",
    "TEXT",
    "Wire",
    "as_push",
    "envaya",
    "generic_form",
    "generic_json",
    "generic_multipart",
    "generic_plain",
    "gson",
    "hmac_hex",
    "httpsms",
    "httpsms_app",
    "incoming_sms",
    "smsforwarder_form",
    "smsforwarder_json",
    "smsforwarder_sign",
    "smsgate",
    "smsgate_sms",
    "smssync",
    "textbee",
    "textbee_app",
]


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
    return {"Content-Type": FORM}, form_body(fields)
