"""The messages of a simulated phone: Android's own store, and the table of SMS Gateway beside it.

Android's store has everything that reached the phone; the app's table only what the app saw or was
told to fetch. Which repeats the app takes for one message depends on its version.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.smsgate_rules import (
    KINDS,
    content_hash,
    data_preview,
    message_id,
    row_id,
    version_key,
)

_PROVIDER_IDS = itertools.count(31)


@dataclass(slots=True, kw_only=True)
class Incoming:
    """One message as Android has it."""

    sender: str
    text: str
    ms: int
    """The SMSC's time: whole seconds, in ms."""
    kind: str = "SMS"
    sim: int | None = 1
    """Slot, counted from 1."""
    subscription: int | None = 1
    data: bytes = b""
    subject: str | None = None
    size: int = 0
    attachments: Sequence[tuple[str, str, bytes]] = ()
    """Name, content type, content."""
    provider_id: int = field(default_factory=lambda: next(_PROVIDER_IDS))
    """Counts up; how the app knows how far it has read Android's store."""

    @property
    def hashed(self) -> str:
        """What stands for the content in ids."""
        if self.kind == "DATA_SMS":
            return base64.b64encode(self.data).decode()
        return self.text if self.kind == "SMS" else self.subject or self.text

    def number(self, version: str) -> int:
        return content_hash(version, self.sender, self.ms, self.subscription, self.hashed)

    def row_id(self, version: str) -> str:
        return row_id(version, self.kind, self.sender, self.ms, self.subscription, self.hashed)

    def preview(self) -> str:
        if self.kind == "DATA_SMS":
            return data_preview(self.data)
        if self.kind == "MMS":
            return self.subject or ""
        return self.text or self.subject or ""

    def event(self) -> str:
        return KINDS[self.kind][1]

    def payload(
        self, version: str, own: str | None, sim: int | None, write: Callable[[int], str]
    ) -> dict[str, Any]:
        """The payload of its webhook; None where the app leaves a field out."""
        at = version_key(version)
        common: dict[str, Any] = {
            "messageId": message_id(self.number(version)),
            "sender": self.sender if at >= (1, 54, 0) else None,
            "recipient": own if at >= (1, 54, 0) else None,
            "simNumber": sim if at >= (1, 27, 2) else None,
            "phoneNumber": self.sender,
        }
        received = write(self.ms)
        if self.kind == "SMS":
            return {"message": self.text, "receivedAt": received, **common}
        if self.kind == "DATA_SMS":
            data = base64.b64encode(self.data).decode()
            return {"data": data, "receivedAt": received, **common}
        if self.kind == "MMS":
            transaction = f"T{self.provider_id:x}"
            return {
                "transactionId": transaction,
                "subject": self.subject,
                "size": self.size,
                "contentClass": "IMAGE_BASIC",
                "receivedAt": received,
                **common,
                "messageId": transaction,
            }
        parts = [
            {
                "partId": 57 + at,
                "contentType": media,
                "name": name,
                "size": len(content),
                "data": base64.b64encode(content).decode(),
            }
            for at, (name, media, content) in enumerate(self.attachments)
        ]
        return {
            "body": self.text or None,
            "subject": self.subject,
            "attachments": parts,
            "receivedAt": received,
            **common,
            "messageId": str(self.provider_id),
        }


class Inbox:
    """The app's table `incoming_messages`, and the SMS store of Android."""

    def __init__(self) -> None:
        self.android: list[Incoming] = []
        self._rows: dict[str, Incoming] = {}
        self._sorted: list[tuple[str, Incoming]] | None = None
        self.mark = 0
        """How far the app has read Android's store (`provider_id`)."""

    def __len__(self) -> int:
        return len(self._rows)

    def wipe(self) -> None:
        """As the upgrade to 1.63.0 does."""
        self._rows.clear()
        self._sorted = None

    def keep(self, message: Incoming, version: str) -> bool:
        """Write it into the table. False: the app has it, or takes another for it.

        Before 1.57.0 there is no table, and nothing is taken for anything.
        """
        if version_key(version) < (1, 57, 0):
            return True
        name = message.row_id(version)
        if name in self._rows:
            return False
        self._rows[name] = message
        self._sorted = None
        return True

    def keep_all(self, messages: Iterable[Incoming], version: str) -> None:
        for message in messages:
            self.keep(message, version)

    def forget(self, before: int) -> None:
        """Somebody deletes what is older than that (ms), in both."""
        self.android = [m for m in self.android if m.ms >= before]
        self._rows = {name: m for name, m in self._rows.items() if m.ms >= before}
        self._sorted = None

    def missed(self) -> list[Incoming]:
        """What Android has beyond the mark, which moves on."""
        found = [m for m in self.android if m.provider_id > self.mark]
        self.mark = max((m.provider_id for m in self.android), default=self.mark)
        return found

    def between(self, since: int, until: int, kinds: Sequence[str]) -> list[Incoming]:
        """From Android's store, oldest first; ms, both included."""
        chosen = [m for m in self.android if since <= m.ms <= until and m.kind in kinds]
        return sorted(chosen, key=lambda m: m.ms)

    def listed(
        self,
        *,
        kind: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> list[tuple[str, Incoming]]:
        """Rows of the table with their ids, newest first by the SMSC's time."""
        if self._sorted is None:
            self._sorted = sorted(self._rows.items(), key=lambda row: row[1].ms, reverse=True)
        return [
            row
            for row in self._sorted
            if (kind is None or row[1].kind == kind)
            and (since is None or row[1].ms >= since)
            and (until is None or row[1].ms <= until)
        ]


def row_json(
    name: str,
    message: Incoming,
    *,
    version: str,
    own: str | None,
    sim: int | None,
    created: str,
    inline: bool,
) -> Mapping[str, Any]:
    """One row of GET /inbox; None where the app leaves a field out."""
    shown: dict[str, Any] = {
        "id": name,
        "type": message.kind,
        "sender": message.sender,
        "recipient": own,
        "simNumber": sim,
        "contentPreview": message.preview(),
        "createdAt": created,
    }
    if version_key(version) >= (1, 68, 0):
        shown["attachments"] = [
            {
                "partId": 57 + at,
                "contentType": media,
                "name": label,
                "size": len(content),
                "data": base64.b64encode(content).decode() if inline else None,
            }
            for at, (label, media, content) in enumerate(message.attachments)
        ]
    return shown
