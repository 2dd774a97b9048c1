"""Texts of a phone's inbox that do not go out: they are kept, and a person decides.

History, what came before a restored backup, and rows that cannot be read. Knows nothing of why.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import MESSAGE, Ids
from mmconnect.domain.models import Device, Kind, Message
from mmconnect.domain.numbers import normalise
from mmconnect.phones.arrived import message_of
from mmconnect.phones.dedupe import Way, keys
from mmconnect.phones.fanout import plan
from mmconnect.phones.push import IncomingText
from mmconnect.store import events, kept_back, messages
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.store.kept_back import Reason
from mmconnect.store.messages import Keys, NewMessage, Taken
from mmconnect.webhook.events import device_unrecognised

log = logging.getLogger(__name__)

KEYS_SURE = 80 * 86_400_000
"""Milliseconds for which a text that was taken is certain to be known again, with some to spare."""

Fetched = tuple[IncomingText, bytes]
"""A text of an inbox, and the row as the phone gave it."""


class Keeping:
    """Keeps what does not go out."""

    def __init__(
        self, database: Database, look: Look, clock: Clock, ids: Ids, wake: Callable[[], None]
    ) -> None:
        """`wake` is called when there are new deliveries."""
        self._database, self._look, self._clock, self._ids = database, look, clock, ids
        self._wake = wake

    async def keep_back(
        self, device: Device, rows: Sequence[Fetched], reason: Reason
    ) -> list[Taken]:
        """Store texts without deliveries. Raises StoreUnavailable, and then none of them."""
        now, configuration = self._clock.now(), self._look()
        new = []
        # an MMS is announced and downloaded: of the two, what was downloaded is the message
        for text, raw in sorted(rows, key=lambda row: row[0].announcement):
            message = message_of(device, text, self._ids.new(MESSAGE), now)
            known_by = keys(device.id, message.sender or "", text, raw, 0, way=Way.FETCHED)
            # serialised as it would have been sent, in case it will be
            planned = plan(
                message, configuration, self._ids, None, keys=known_by, raw=raw, raw_headers=None
            )
            new.append((replace(planned.new, deliveries=()), text.announcement))
        return await self._database.write(
            lambda db: [kept_back.keep(db, one, reason, announced=mms) for one, mms in new],
            heavy=True,
        )

    async def keep_odd_row(self, device: Device, raw: bytes, why: str) -> None:
        """Store a row that cannot be read, once, as it came. Raises StoreUnavailable."""
        nothing = IncomingText(sender="", text="", event_id=raw.hex()[:2000])
        new = NewMessage(
            message=Message(
                id=self._ids.new(MESSAGE),
                kind=Kind.UNRECOGNISED,
                sender=None,
                sender_raw=None,
                recipient=None,
                text="",
                sent_at=None,
                received_at=self._clock.now(),
                device_id=device.id,
                device_name=device.name,
            ),
            keys=Keys(event=key_of(device, nothing)),
            raw=raw,
            raw_headers=None,
            note=f"a row of the phone's inbox: {why}",
        )
        configuration = self._look()

        def write(db: sqlite3.Connection) -> tuple[bool, int]:
            if messages.take(db, new).duplicate:
                return False, 0
            event = device_unrecognised(device, new.message.id)
            return True, events.tell(db, configuration, self._ids, new.message.received_at, event)

        fresh, told = await self._database.write(write)
        if fresh:
            log.warning(
                "A row of the inbox of %s was not understood; it is kept as %s",
                device.name,
                new.message.id,
            )
        if told:
            self._wake()


def key_of(device: Device, text: IncomingText) -> bytes | None:
    """By which a text of the phone's inbox is known once it was taken."""
    sender = normalise(text.sender, device.country)
    return keys(device.id, sender or "", text, b"", 0, way=Way.FETCHED).event
