"""Values for the tests of the store: a phone, an endpoint, texts, and looks into the file."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from mmconnect.domain.ids import DELIVERY, DEVICE, ENDPOINT, MESSAGE, Ids
from mmconnect.domain.models import (
    Attempt,
    Device,
    Endpoint,
    EndpointState,
    Kind,
    Message,
    Numbers,
    Secret,
    Trigger,
)
from mmconnect.store.connection import FILE
from mmconnect.store.messages import Keys, NewMessage
from mmconnect.store.outbox import NewDelivery
from mmconnect.webhook.payload import RECEIVED

NOW = 1_780_000_000_000
BOOT = "boot_1"
MINUTE, DAY = 60_000, 86_400_000


class FixedClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.ms = NOW

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


ids = Ids(FixedClock())
_events = count(1)


def device(name: str = "Phone", **more: Any) -> Device:
    fields = {"app": "generic", "country": None, "signing_key": None, "created_at": NOW}
    return Device(id=ids.new(DEVICE), name=name, **(fields | more))


def endpoint(name: str = "Receiver", **more: Any) -> Endpoint:
    fields = {
        "url": "http://127.0.0.1:9/",
        "state": EndpointState.ACTIVE,
        "held_class": None,
        "held_reason": None,
        "numbers": Numbers.E164,
        "events": frozenset({RECEIVED}),
        "max_age": 14 * 86400,
        "plain_headers": True,
        "concurrency": 64,
        "created_at": NOW,
        "secrets": (
            Secret(value="whsec_c2VjcmV0IG9mIGEgdGVzdA==", created_at=NOW, expires_at=None),
        ),
    }
    return Endpoint(id=ids.new(ENDPOINT), name=name, **(fields | more))


def message(device_id: str | None, text: str = "hello", **more: Any) -> Message:
    fields: dict[str, Any] = {
        "kind": Kind.SMS,
        "sender": "+6581230000",
        "sender_raw": None,
        "recipient": None,
        "sent_at": None,
        "received_at": NOW,
        "device_name": "Phone",
    }
    fields |= more
    return Message(id=ids.new(MESSAGE), device_id=device_id, text=text, **fields)


def new_message(
    value: Message,
    deliveries: Sequence[NewDelivery] = (),
    keys: Keys | None = None,
    raw: bytes | None = None,
) -> NewMessage:
    """With a key of its own unless told."""
    return NewMessage(
        message=value,
        payload=b'{"id":"%s"}' % value.id.encode(),
        keys=Keys(event=next(_events).to_bytes(16, "big")) if keys is None else keys,
        raw=raw or value.text.encode(),
        raw_headers=None,
        deliveries=deliveries,
    )


def delivery(value: Message, endpoint_id: str, **more: Any) -> NewDelivery:
    fields: dict[str, Any] = {
        "sender": value.sender or "",
        "trigger": Trigger.PUSH,
        "created_at": value.received_at,
    }
    fields |= more
    return NewDelivery(id=ids.new(DELIVERY), message_id=value.id, endpoint_id=endpoint_id, **fields)


def attempt(delivery_id: str, number: int = 1, **more: Any) -> Attempt:
    fields: dict[str, Any] = {
        "started_at": NOW,
        "duration_ms": 7,
        "outcome": "delivered",
        "status": 200,
        "error": None,
        "address": "127.0.0.1:9",
    }
    return Attempt(delivery_id=delivery_id, number=number, **(fields | more))


def commits(directory: Path) -> int:
    """How many transactions the write-ahead log holds: its frames that end one (SQLite §4.1)."""
    wal = (directory / f"{FILE}-wal").read_bytes()
    if len(wal) < 32:
        return 0
    (page_size,) = struct.unpack(">8xI", wal[:12])
    salt, found = wal[16:24], 0
    for at in range(32, len(wal) - page_size - 23, page_size + 24):
        size_after, frame_salt = struct.unpack(">4xI8s", wal[at : at + 16])
        if frame_salt != salt:
            break  # what an earlier round of the log has left
        found += size_after > 0
    return found


def afresh(directory: Path) -> sqlite3.Connection:
    """The file as another program sees it."""
    return sqlite3.connect(directory / FILE, isolation_level=None)
