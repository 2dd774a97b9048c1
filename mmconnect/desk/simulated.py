"""One text as a phone's own app would push it: its shape, its field names, its signature.

For `message simulate`, so that what it proves holds for the phone, too. Knows nothing of the
network; what it makes goes through the real phone listener.
"""

from __future__ import annotations

import base64
import hmac
import json

from mmconnect.domain.clock import iso
from mmconnect.domain.models import Device
from mmconnect.phones.apps.names import field_of


def as_pushed(device: Device, sender: str, text: str, now: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a push of this device at `now` (UTC ms)."""
    stamp, headers = "", {"Content-Type": "application/json"}
    key = device.signing_key
    if device.app == "kannel":
        headers = _kannel_headers(sender, now)
        body = text.encode()
    elif device.app == "smsgate":
        headers["X-Timestamp"] = stamp = str(now // 1000)
        body = json.dumps(_envelope(sender, text, now)).encode()
    else:
        fields = _under_own_paths(device, sender, text, now)
        if key is not None and device.app == "smsforwarder":
            fields |= {"ts": str(now), "sign": _forwarder_sign(str(now), key)}
        body = json.dumps(fields).encode()
    if key is not None:
        headers["X-Signature"] = hmac.digest(key.encode(), body + stamp.encode(), "sha256").hex()
    return body, headers


def _kannel_headers(sender: str, now: int) -> dict[str, str]:
    return {
        "Content-Type": 'text/plain; charset="UTF-8"',
        "X-Kannel-From": sender,
        "X-Kannel-Time": iso(now)[:19].replace("T", " "),
    }


def _envelope(sender: str, text: str, now: int) -> dict[str, object]:
    payload = {"sender": sender, "phoneNumber": sender, "message": text, "receivedAt": iso(now)}
    return {
        "id": f"simulated-{now}",
        "event": "sms:received",
        "deviceId": "simulated",
        "payload": payload,
    }


def _under_own_paths(device: Device, sender: str, text: str, now: int) -> dict[str, object]:
    """The usual names, or the device's own: a name with dots in it is found like a path."""
    usual = {"from": sender, "text": text, "time": iso(now), "id": f"simulated-{now}"}
    paths = {
        field_of(name): path.partition("|")[0].strip().removeprefix("$.")
        for name, path in device.mapping.items()
    }
    return {paths.get(field, field): value for field, value in usual.items()}


def _forwarder_sign(stamp: str, key: str) -> str:
    signed = hmac.digest(key.encode(), f"{stamp}\n{key}".encode(), "sha256")
    return base64.b64encode(signed).decode()
