"""Texts of a phone that were kept back: sent after all, or left as they are.

They are sent some at a time, so that nobody's write waits long: call send_some() until it sends
none, each time in a transaction of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

from mmconnect.domain.ids import DELIVERY, Ids
from mmconnect.domain.models import Trigger
from mmconnect.phones.fanout import plan
from mmconnect.store import kept_back
from mmconnect.store.configuration import Configuration
from mmconnect.store.kept_back import Reason
from mmconnect.store.messages import Keys, StoredMessage
from mmconnect.store.outbox import NewDelivery

WHY: Mapping[Reason, str] = {
    Reason.HISTORY: "which its inbox held when it was added: kept, not sent",
    Reason.RESTORED: "which may have gone out after the backup that was restored: kept, not sent",
}
"""Why texts were kept back; follows their number."""


def send_some(
    db: sqlite3.Connection, device_id: str, configuration: Configuration, ids: Ids, now: int
) -> tuple[int, int]:
    """Give the oldest of them their deliveries, made at `now` (UTC ms): (texts, deliveries)."""

    def deliveries(found: StoredMessage) -> list[NewDelivery]:
        message = found.message
        planned = plan(message, configuration, ids, None, keys=Keys(), raw=None, raw_headers=None)
        return [
            replace(one, id=ids.new(DELIVERY), trigger=Trigger.SEND, created_at=now)
            for one in planned.new.deliveries
        ]

    return kept_back.send(db, device_id, deliveries)
