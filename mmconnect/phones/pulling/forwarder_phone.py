"""One phone with SmsForwarder: what its pushes did not bring is read from its store of SMS.

The app tries once and forgets, so what came while mmconnect or the Wi-Fi was away is only there. It
is read at the start, when the phone is back, and once a minute. What the store held at the first
look is history, and stays there. A row has no id: it is known by number, time and words.
Invariant: a text that came by push, too, is one message.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.phones.apps.fields import scalar, sender_of
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import clean
from mmconnect.phones.clients.http import Refused, Unreachable
from mmconnect.phones.clients.smsforwarder import PAGE, SmsForwarder
from mmconnect.phones.keeping import KEYS_SURE, Fetched, key_of
from mmconnect.phones.pulling.tools import Tools
from mmconnect.phones.push import IncomingText
from mmconnect.store import links, messages
from mmconnect.store.kept_back import Reason
from mmconnect.store.links import Link, LinkState

log = logging.getLogger(__name__)

INTERVAL = 60.0
LONGEST_WAIT = 60.0
OVERLAP = 72 * 3_600_000
"""Milliseconds before the newest row that are read again at the start and after an outage."""
HOUR = 3_600_000
RECENT = 600_000
"""The same between two looks that were both answered."""
FROM = "from"
"""What the time of the newest row at the first look is called in the state."""
MOST_PAGES = 400
HEALTH_EVERY = 300.0


class ForwarderPhone:
    """Looks at one phone, again and again."""

    def __init__(self, tools: Tools, link: Link, state: LinkState) -> None:
        self._tools, self._link, self._state = tools, link, state
        self._app = SmsForwarder(tools.http, link.url, link.secret, tools.clock)
        self._reached = False
        self._failures = 0
        self._health_at = -HEALTH_EVERY

    @property
    def away(self) -> bool:
        """Whether the last look was not answered as it should be."""
        return not self._reached

    async def turn(self) -> float:
        """Look once; after how many seconds to look again."""
        try:
            await self._read()
        except Unreachable as why:
            self._failures += 1
            if self._failures >= 3:
                await self._in_trouble(
                    f"{self._link.url} does not answer: {why}. Is the phone on and in its Wi-Fi, is"
                    " the server switched on in SmsForwarder? When it has another address:"
                    f" `mmconnect device link {self._link.device_id} --phone-url"
                    " http://ADDRESS:5000 --phone-password …`"
                )
            self._reached = False
            return min(3.0 * 2.0 ** min(self._failures, 6), LONGEST_WAIT)
        except Refused as why:
            self._reached = False
            await self._in_trouble(
                f"SmsForwarder's server refuses: {why}. Compare the sign secret, switch on the API"
                " “query SMS” in the app, and see that phone and this machine tell the same time"
            )
            return LONGEST_WAIT
        except StoreUnavailable:
            return 3.0
        self._failures, self._reached = 0, True
        return INTERVAL if self._link.interval is None else self._link.interval / 1000

    async def stop(self) -> None:
        """Everything is written down already."""

    def pushed(self, event: str | None, *, own: bool, secure: bool) -> bool:
        """It is there; what it pushes is taken by others."""
        return not self._reached

    async def _read(self) -> None:
        """Take what is new, oldest first."""
        tools = self._tools
        if FROM not in self._state.told:
            await self._begin()
        state = self._state
        texts = await self._since(self._start(state))
        tools.presences.reached(self._link.device_id)
        device = tools.device(self._link)
        wanted = [key for text, _ in texts if (key := key_of(device, text)) is not None]
        known = await tools.database.read(lambda db: messages.known_events(db, wanted))
        fresh = [(text, raw) for text, raw in texts if key_of(device, text) not in known]
        hour_ago = tools.clock.now() - HOUR
        asked = [one for one in fresh if state.ask and (one[0].sent_at or 0) < hour_ago]
        if asked:
            await tools.keeping.keep_back(device, asked, Reason.RESTORED)
        for text, raw in fresh:
            if (text, raw) not in asked:
                await tools.intake.take_fetched(device, [(text, raw)])
        latest = tools.clock.now() + 24 * HOUR
        newest = max((t.sent_at for t, _ in texts if t.sent_at and t.sent_at < latest), default=0)
        await self._settle(newest)

    def _start(self, state: LinkState) -> int:
        """From which time of a row on to read (UTC ms, by the phone's clock)."""
        first = int(state.told[FROM]) + 1
        if state.read_to is None:
            return first
        if self._tools.trusted() and self._tools.clock.now() - state.read_to > KEYS_SURE:
            return max(first, state.read_to + 1)  # what was read may be known no longer
        return max(first, state.read_to - (RECENT if self._reached else OVERLAP))

    async def _begin(self) -> None:
        """The first look: everything up to its newest row is history.

        A row of a day to come, from when the phone's clock was wrong, is kept back by itself: read
        from there on, nothing would be found until that day.
        """
        tools, now = self._tools, self._tools.clock.now()
        rows = [(read_time(row.get("date"))[0] or 0, row) for row in await self._app.received(1)]
        to_come = [row for at, row in rows if at > now + 24 * HOUR]
        if len(to_come) >= PAGE or not tools.trusted():  # it is our clock that is wrong
            to_come = []
        texts = [(text, _encoded(row)) for row in to_come if (text := text_of(row)) is not None]
        if texts:
            await tools.keeping.keep_back(tools.device(self._link), texts, Reason.HISTORY)
        newest = max((at for at, row in rows if row not in to_come), default=0)
        await self._update(told={FROM: newest}, listed_at=now)

    async def _settle(self, newest: int) -> None:
        """Write down what has changed."""
        fields: dict[str, object] = {}
        if newest > (self._state.read_to or 0) and self._tools.trusted():
            fields |= {"read_to": newest, "read_at": self._tools.clock.now()}
        if self._state.ask:
            fields["ask"] = 0
        if self._state.trouble is not None:
            fields |= {"trouble": None, "trouble_at": None}
        if fields:
            await self._update(**fields)
        now = self._tools.clock.monotonic()
        if now - self._health_at >= HEALTH_EVERY:
            self._health_at = now
            try:
                facts = await self._app.battery()
            except Refused:  # that API is not switched on
                return
            self._tools.presences.told(self._link.device_id, facts)

    async def _since(self, since: int) -> list[Fetched]:
        """The rows from then on (UTC ms, by the phone's clock), oldest first."""
        found: list[Fetched] = []
        for number in range(1, MOST_PAGES + 1):
            rows = await self._app.received(number)
            older = False
            for row in rows:
                text, at = text_of(row), read_time(row.get("date"))[0]
                if at is None:
                    continue
                if at < since:
                    older = True
                elif text is not None:
                    found.append((text, _encoded(row)))
                else:
                    await self._odd(row)
            if older or len(rows) < PAGE:
                break
        return sorted(found, key=lambda one: one[0].sent_at or 0)

    async def _odd(self, row: Mapping[str, Any]) -> None:
        """A row that names no sender is no text that could be sent on, yet nothing is dropped."""
        device = self._tools.device(self._link)
        await self._tools.keeping.keep_odd_row(device, _encoded(row), "the row names no sender")

    async def _in_trouble(self, sentence: str) -> None:
        if self._state.trouble != sentence:
            log.warning("%s: %s", self._tools.device(self._link).name, sentence)
            try:
                await self._update(trouble=sentence, trouble_at=self._tools.clock.now())
            except StoreUnavailable:
                return

    async def _update(self, **fields: object) -> None:
        device_id = self._link.device_id
        self._state = await self._tools.database.write(
            lambda db: links.update(db, device_id, **fields)
        )


def text_of(row: Mapping[str, Any]) -> IncomingText | None:
    """The text that a row is, or None for one that has no sender."""
    sender = sender_of(row, ("number",))
    if sender is None:
        return None
    text = clean(scalar(row.get("content")) or "")
    sent_at, mark = read_time(row.get("date"))
    known_by = hashlib.sha256(f"{sender}\0{row.get('date')}\0{text}".encode("utf-8", "replace"))
    return IncomingText(
        sender=clean(sender),
        text=text,
        sent_at=sent_at,
        time_mark=mark,
        event_id=f"sms/{known_by.hexdigest()[:32]}",
        rough=True,
    )


def _encoded(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
