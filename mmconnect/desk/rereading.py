"""What was not understood, read again after its phone's settings were mended.

Each push is one transaction of its own. Brings everything that reads pushes: imported only by who
reads one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from mmconnect.desk import named
from mmconnect.desk.wording import many
from mmconnect.domain.errors import NotFound
from mmconnect.domain.ids import Ids
from mmconnect.phones.reread import Fate, Reread, reread
from mmconnect.store import configuration, deliveries, devices, messages, rereads

__all__ = ["Done", "Fate", "of_device", "these", "turn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One push that was read again."""

    read: Reread
    deliveries: int
    """That were made of it."""

    def as_json(self) -> dict[str, object]:
        """As `message reread` gives it."""
        one = self.read
        return {
            "id": one.message_id,
            "state": one.fate.value,
            "messageIds": list(one.message_ids),
            "duplicateOf": one.duplicate_of,
            "deliveries": self.deliveries,
            "reason": one.reason,
        }

    @property
    def sentence(self) -> str:
        """What became of it; follows its id."""
        one = self.read
        match one.fate:
            case Fate.UNDERSTOOD:
                several = len(one.message_ids) > 1 or one.message_ids[:1] != (one.message_id,)
                became = f" as {', '.join(one.message_ids)}" if several else ""
                made = self.deliveries
                goes = many(made, "delivery", "deliveries") if made else "sent to nobody"
                return f"understood{became}, {one.reason or goes}"
            case Fate.DUPLICATE:
                return f"the same text as {one.duplicate_of}, so nothing is sent"
            case Fate.EVENT:
                return f"no text, but news of the phone ({one.reason}), and now kept as such"
            case Fate.NOT_UNDERSTOOD:
                return f"still not understood: {one.reason}"
            case Fate.NOTHING_TO_READ:
                return "nothing to read: it was understood, or its text was wiped"


def turn(db: sqlite3.Connection, message_id: str, ids: Ids, now: int) -> Done | None:
    """Read one again at `now` (UTC ms), inside a transaction; None when there is none any more."""
    found = messages.get(db, message_id)
    if found is None:  # deleted this very moment
        return None
    one = reread(db, found, configuration.load(db), ids, now)
    made = sum(deliveries.count_of(db, new) for new in one.message_ids)
    return Done(read=one, deliveries=made)


def of_device(db: sqlite3.Connection, device_id: str, limit: int = -1) -> list[str]:
    """What a phone pushed that was not understood, oldest first. Raises NotFound.

    `limit`: so many at the most; negative for all.
    """
    if devices.get(db, device_id) is None and not any(
        device.id == device_id for device in devices.known(db, removed=True)
    ):
        raise NotFound(f"There is no device {device_id}", listed_by="device list")
    return rereads.unrecognised(db, device_id, limit)


def these(db: sqlite3.Connection, ids: Iterable[str]) -> list[str]:
    """The messages with these ids, oldest first. Raises NotFound."""
    wanted = sorted(set(ids))
    named.messages(db, wanted)
    return wanted
