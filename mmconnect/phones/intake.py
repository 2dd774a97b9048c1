"""From a parsed push to a committed message: normalise, give ids, serialise once, store, wake.

Everything of one push is one write; the answer comes after its commit. Knows nothing of HTTP and
nothing of how deliveries are sent. What was committed is started from the write's own completion,
whatever became of the phone's connection meanwhile.
Invariant: a 2xx to the phone means fsynced.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import urlencode

from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import MESSAGE, Ids
from mmconnect.domain.models import Device
from mmconnect.domain.values import value_type
from mmconnect.phones.apps.wire import clean
from mmconnect.phones.arrived import message_of
from mmconnect.phones.counts import Counts
from mmconnect.phones.dedupe import Way, keys, part_keys
from mmconnect.phones.fanout import Outlet, Plan, plan
from mmconnect.phones.incoming import Write, unread, writing
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Odd, Push
from mmconnect.store import devices, events, mms
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.store.messages import Keys, NewMessage, Taken, take
from mmconnect.webhook.events import device_unrecognised

log = logging.getLogger(__name__)

LARGE = 64 * 2**10
"""Bytes of a push beyond which storing it is not a matter of microseconds."""

QUERY = "X-MMConnect-Query"
"""Among the headers that are kept: the query of the push, for in it fields may stand, too."""

_NOT_KEPT = frozenset(
    {
        QUERY.lower(),
        *("authorization", "cookie", "x-api-key", "proxy-authorization"),
        *("host", "connection", "content-length", "transfer-encoding", "accept", "accept-encoding"),
    }
)


@value_type(frozen=True, slots=True, kw_only=True)
class _Came:
    """How texts came in."""

    headers: str | None
    """Of the push, as kept."""
    window: int = 0
    """Seconds within which the same body counts as seen."""
    way: Way


class Intake:
    """Takes texts in."""

    def __init__(
        self, database: Database, look: Look, outlet: Outlet, clock: Clock, ids: Ids
    ) -> None:
        self._database, self._look, self._outlet = database, look, outlet
        self._clock, self._ids = clock, ids
        self.counts = Counts()
        """What has come in since the start."""
        self.on_heard: Callable[[str, bool], None] = lambda device_id, text: None
        """Called when something of a device was understood and stored; `text`: a text."""

    def take(
        self,
        device: Device,
        push: Push,
        texts: Sequence[IncomingText],
        window: int,
        odd: Sequence[Odd] = (),
    ) -> Awaitable[list[Taken]]:
        """Store the texts of one push and start their deliveries; returns after the commit.

        `window`: seconds within which the same body counts as seen, where a push carries neither
        id nor time. `odd`: what of the push could not be read. Raises StoreUnavailable, and then
        nothing of the push was kept.
        """
        way = Way.PUSHED if device.id in self._look().links else Way.ONLY
        came = _Came(headers=kept_headers(push), window=window, way=way)
        return self._take(device, [(text, push.body) for text in texts], came, odd)

    async def take_fetched(
        self, device: Device, rows: Sequence[tuple[IncomingText, bytes]]
    ) -> list[Taken]:
        """The same for texts that were read from the phone's inbox, each with what it was there.

        One write: their order is that of `rows`. Raises StoreUnavailable.
        """
        return await self._take(device, rows, _Came(headers=None, way=Way.FETCHED))

    async def _take(
        self,
        device: Device,
        rows: Sequence[tuple[IncomingText, bytes]],
        came: _Came,
        odd: Sequence[Odd] = (),
    ) -> list[Taken]:
        now = self._clock.now()
        plans: list[Plan] = []
        texts = [text for text, _ in rows]
        try:
            writes = [self._write(device, text, raw, came, now, plans) for text, raw in rows]
            news = [self._part(device, one, came.headers, now) for one in odd] if odd else ()
        except BaseException:
            self._settle(plans, set())
            raise
        told: list[int | None] = []

        def write(db: sqlite3.Connection) -> list[Taken]:
            taken = [one(db) for one in writes]
            if news:
                told[:] = [self._keeping(device, one)(db) for one in news]
            return taken

        taken = await self._database.submit(
            write,
            then=lambda taken, error: self._after(device.id, now, taken, plans, texts),
            heavy=len(rows) > 1 or any(len(raw) > LARGE for _, raw in rows),
        )
        if news:
            parts = zip(news, told, strict=True)
            self._put_aside(device, [(one.message.id, made) for one, made in parts])
        # an inbox is read again and again
        if came.way is not Way.FETCHED or not all(one.duplicate for one in taken):
            self.on_heard(device.id, True)
        for one in taken:
            if one.reused_id:
                log.warning(
                    "%s used an event id again for another text, which is taken as new (%s):"
                    " ids restart when an app is reinstalled",
                    device.name,
                    one.message_id,
                )
        return taken

    async def keep_unrecognised(self, device: Device, push: Push, why: NotUnderstood) -> str:
        """Store a push that could not be read, as it came; the id of the message."""
        kept = push.body if why.raw is None else why.raw
        now, headers = self._clock.now(), kept_headers(push)
        new = unread(device, kept, headers, why.reason, self._ids.new(MESSAGE), now, Keys())
        told = await self._database.write(self._keeping(device, new), heavy=True)
        self._put_aside(device, [(new.message.id, told)])
        return new.message.id

    def _part(self, device: Device, odd: Odd, headers: str | None, now: int) -> NewMessage:
        new_id, known_by = self._ids.new(MESSAGE), part_keys(device.id, odd.raw)
        return unread(device, odd.raw, headers, odd.reason, new_id, now, known_by)

    def _keeping(
        self, device: Device, new: NewMessage
    ) -> Callable[[sqlite3.Connection], int | None]:
        """What keeps something unread, and how many deliveries told of it; None: seen before."""
        configuration = self._look()

        def write(db: sqlite3.Connection) -> int | None:
            if take(db, new).duplicate:
                return None
            event = device_unrecognised(device, new.message.id)
            return events.tell(db, configuration, self._ids, new.message.received_at, event)

        return write

    def _put_aside(self, device: Device, told: Sequence[tuple[str, int | None]]) -> None:
        """Say of what was kept, by its ids, that it was not understood."""
        for message_id, made in told:
            if made is None:
                continue
            if made:
                self._outlet.wake()
            self.counts.unrecognised += 1
            log.warning(
                "A push of %s was not understood; it is kept as %s", device.name, message_id
            )

    async def keep_event(self, device: Device, event: DeviceEvent) -> None:
        """Store what a phone tells of itself."""
        now = self._clock.now()
        detail = json.dumps(event.detail, ensure_ascii=True, default=str)
        await self._database.write(
            lambda db: devices.add_event(db, device.id, event.name, event.event_id, detail, now)
        )
        self.on_heard(device.id, False)

    async def release_announcements(self) -> int | None:
        """Make overdue MMS announcements messages; when to come again (UTC ms), or None."""
        now = self._clock.now()
        for notice in await self._database.read(lambda db: mms.overdue(db, now, 50)):
            new = plan(
                notice.message,
                self._look(),
                self._ids,
                None,
                keys=Keys(),
                raw=notice.raw,
                raw_headers=notice.raw_headers,
            ).new
            if await self._database.write(partial(mms.stand_alone, new=new)) is not None:
                device_id = notice.message.device_id or ""
                self.counts.text_taken(device_id, notice.message.received_at, duplicate=False)
            self._outlet.wake()
        return await self._database.read(mms.next_due)

    def _write(
        self,
        device: Device,
        text: IncomingText,
        raw: bytes,
        came: _Came,
        now: int,
        plans: list[Plan],
    ) -> Write:
        """What one text of a push writes; its plan, if the Outlet was asked, goes to `plans`."""
        message = message_of(device, text, self._ids.new(MESSAGE), now)
        write, planned = writing(
            message,
            text,
            keys(device.id, message.sender or "", text, raw, came.window, way=came.way),
            raw if text.raw is None else text.raw,
            came.headers,
            self._look(),
            self._ids,
            self._outlet,
        )
        if planned is not None:
            plans.append(planned)
        return write

    def _after(
        self,
        device_id: str,
        now: int,
        taken: list[Taken] | None,
        plans: list[Plan],
        texts: Sequence[IncomingText],
    ) -> None:
        """Start what was committed and free what was not; whoever asked may be long gone."""
        for one, text in zip(taken or (), texts, strict=False):
            if one.duplicate or not text.announcement:  # an announced MMS is no message yet
                self.counts.text_taken(device_id, now, duplicate=one.duplicate)
        stored = {one.message_id for one in taken or () if not one.duplicate}
        self._settle(plans, stored)
        if stored - {one.new.message.id for one in plans}:  # an MMS, which asks for no place
            self._outlet.wake()

    def _settle(self, plans: list[Plan], stored: set[str]) -> None:
        for one in plans:
            kept = one.new.message.id in stored
            tell = self._outlet.committed if kept else self._outlet.abandoned
            tell(one.flights, one.waiting)


def kept_headers(push: Push) -> str | None:
    """The headers of a push that are worth keeping, `name: value` a line; never a credential."""
    lines = [
        f"{name}: {value}" for name, value in push.headers.items() if name.lower() not in _NOT_KEPT
    ]
    if push.query:
        lines.append(f"{QUERY}: {urlencode(list(push.query.items()), errors='replace')}")
    return clean("\n".join(lines)) or None
