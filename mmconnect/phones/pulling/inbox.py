"""Reading a phone's inbox so that nothing in it is missed, and nothing of it is taken twice.

The only cursor is the time of the texts, which is the operators': a text that was long on its way
appears among old ones. So the last 72 h before the newest are read again at the start, after an
outage, whenever the number of texts says that something is missing, and once an hour; in between
the newest page will do. What the inbox held at first is history, known by the phone's own ids.
Invariant: one text is one message, whichever way and however often it is seen.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmconnect.domain.models import Device
from mmconnect.phones.apps.smsgate_inbox import encoded, name_of, text_of
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.clients.http import Refused
from mmconnect.phones.clients.smsgate import PAGE, SmsGate
from mmconnect.phones.keeping import KEYS_SURE, Fetched, key_of
from mmconnect.phones.pulling.tools import Tools
from mmconnect.store import links, messages
from mmconnect.store.kept_back import Reason
from mmconnect.store.links import Link, LinkState

log = logging.getLogger(__name__)

OVERLAP = 72 * 3_600_000
"""Milliseconds before the newest text that are read again."""
DAY, HOUR = 86_400_000, 3_600_000
ANEW_EVERY = 3600.0
"""Seconds between two readings of the whole overlap."""
AGAIN = 60.0
"""Seconds between two of them when the inbox changed meanwhile."""
NEWEST = 25
"""Rows of the page that is looked at in between."""
AT_ONCE = 100
"""Texts that are taken in one write."""
MOST, MOST_AT_ONCE = 250_000, 20_000
"""Texts of an inbox that are read at most, and that are held while it says no number of them: more
than any phone has, so that one that lies keeps nobody at it for ever and fills no memory."""
_SHIFTS = 10
"""How often the inbox may change under one reading."""

Row = Mapping[str, Any]
Rows = Sequence[Row]


class Inbox:
    """One phone's inbox."""

    def __init__(self, tools: Tools, link: Link) -> None:
        self._tools, self._link = tools, link
        self._total: int | None = None
        """Texts since `_since` at the last look; None: not known, so read all of them."""
        self._since: int | None = None
        self._read_at = 0.0
        """When the overlap was last read (monotonic seconds)."""
        self._shifted = False
        """Whether the inbox changed meanwhile."""
        self._newest: set[str] = set()
        """Ids and times of the newest page at the last look."""

    def distrust(self) -> None:
        """Something may have been missed: read the whole overlap at the next look."""
        self._total = None

    async def look(self, gate: SmsGate, token: str, state: LinkState) -> LinkState:
        """Take what is new; the state after it. Raises Unreachable, Refused, StoreUnavailable."""
        if state.listed_at is None:
            state = await self._list(gate, token)
        if await self._tools.database.read(lambda db: links.unfinished(db, state.device_id)):
            state = await self._import(gate, token, state)
        elif self._is_due():
            state = await self._read(gate, token, state, self._start(state))
            if state.ask:
                state = await self._update(ask=0)
        else:
            state = await self._glance(gate, token, state)
        return state

    def _is_due(self) -> bool:
        since = self._tools.clock.monotonic() - self._read_at
        return self._total is None or since >= (AGAIN if self._shifted else ANEW_EVERY)

    def _start(self, state: LinkState) -> int | None:
        """From which time of an SMS on to read (UTC ms); None: from the first."""
        if state.read_to is None:
            return None
        quiet = self._tools.clock.now() - state.read_to
        if self._tools.trusted() and quiet > KEYS_SURE:
            return state.read_to + 1000  # the times are whole seconds
        return state.read_to - OVERLAP

    # -- ways of reading --------------------------------------------------------------------------

    async def _glance(self, gate: SmsGate, token: str, state: LinkState) -> LinkState:
        """Look at the newest page; more when the number of texts asks for it."""
        start = self._start(state)  # as before this look: it may move the cursor past a gap
        page = await gate.inbox(token, since=self._since, limit=NEWEST)
        ids = {f"{row.get('id')} {row.get('createdAt')}" for row in page.rows}
        fresh: Sequence[Fetched] = ()
        if not ids <= self._newest:
            state, fresh = await self._take(page.rows, state)
        self._newest = ids
        grown = 0 if page.total is None else page.total - (self._total or 0)
        unknown = page.total is None and len(fresh) == len(page.rows) == NEWEST
        if grown > len(fresh) or grown < 0 or unknown:
            return await self._read(gate, token, state, start)
        self._total = page.total if page.total is not None else self._total
        return state

    async def _read(
        self,
        gate: SmsGate,
        token: str,
        state: LinkState,
        since: int | None,
        *,
        glances: bool = False,
    ) -> LinkState:
        """Read everything since then, oldest first, so that it goes out in order.

        `glances`: take the newest in between, too; else they come last anyway.
        """
        clock = self._tools.clock
        self._shifted, shifts, done = False, 0, 0
        self._read_at = clock.monotonic()
        first = await gate.inbox(token, since=since, limit=1)
        total = first.total
        if total is None or (total and not first.rows):
            return await self._read_uncounted(gate, token, state, since)
        if total > MOST:
            raise _too_many(MOST)
        while done < total:
            size = min(PAGE, total - done)
            page = await gate.inbox(token, since=since, offset=total - done - size, limit=size)
            if page.total is not None and page.total != total and shifts < _SHIFTS:
                self._shifted, shifts, total = True, shifts + 1, min(page.total, MOST)
                continue
            if not page.rows:  # the number is no good
                return await self._read_uncounted(gate, token, state, since)
            state, _ = await self._take(page.rows, state)
            done += size
            if glances:
                newest = await gate.inbox(token, since=since, limit=NEWEST)
                state, _ = await self._take(newest.rows, state)
        self._since, self._total, self._newest = since, total, set()
        return await self._update(read_to=state.read_to, read_at=clock.now())

    async def _read_uncounted(
        self, gate: SmsGate, token: str, state: LinkState, since: int | None
    ) -> LinkState:
        """The same where the phone does not say how many there are."""
        pages = [page async for page in _pages(gate, token, since, MOST_AT_ONCE)]
        for rows in reversed(pages):
            state, _ = await self._take(rows, state)
        self._since, self._total, self._newest = since, 0, set()
        return await self._update(read_to=state.read_to, read_at=self._tools.clock.now())

    # -- history ----------------------------------------------------------------------------------

    async def _list(self, gate: SmsGate, token: str) -> LinkState:
        """Write down the ids of everything that the inbox holds now."""
        ids = [
            name_of(row) async for rows in _pages(gate, token, None) for row in rows if _has_id(row)
        ]
        now = self._tools.clock.now()
        state = await self._tools.database.write(
            lambda db: links.list_history(db, self._link.device_id, ids, now), heavy=True
        )
        log.info("%s: its inbox holds %d texts, which are history", self._name, len(ids))
        return state

    async def _import(self, gate: SmsGate, token: str, state: LinkState) -> LinkState:
        """Make messages without deliveries of the history; what came since goes out."""
        state = await self._read(gate, token, state, None, glances=True)
        device_id = self._link.device_id
        await self._tools.database.write(lambda db: links.finish_history(db, device_id))
        self.distrust()  # from now on the overlap will do
        return state

    # -- taking -----------------------------------------------------------------------------------

    async def _take(self, rows: Rows, state: LinkState) -> tuple[LinkState, list[Fetched]]:
        """Take what is new of some rows, newest first; the state, and what was new."""
        device, tools = self._tools.device(self._link), self._tools
        texts = await self._new_of(device, rows)
        ids = [text.event_id or "" for text, _ in texts]
        old = await tools.database.read(
            lambda db: links.history(db, device.id, [one.partition("/")[2] for one in ids])
        )
        history, new, asked = [], [], []
        hour_ago = tools.clock.now() - HOUR
        for text, raw in texts:
            if (text.event_id or "").partition("/")[2] in old:
                history.append((text, raw))
            elif state.ask and (text.sent_at is None or text.sent_at < hour_ago):
                asked.append((text, raw))
            else:
                new.append((text, raw))
        for kept, reason in ((history, Reason.HISTORY), (asked, Reason.RESTORED)):
            for some in _chunks(kept):
                await tools.keeping.keep_back(device, some, reason)
        for some in _chunks(new):
            await tools.intake.take_fetched(device, some)
        return self._advanced(state, rows), new

    async def _new_of(self, device: Device, rows: Rows) -> list[Fetched]:
        """Those texts that were not taken yet, oldest first. What cannot be read is kept so."""
        readable = []
        for row in reversed(rows):
            try:
                text = text_of(row)
            except Unreadable as why:
                await self._tools.keeping.keep_odd_row(device, encoded(row), str(why))
            else:
                readable.append((key_of(device, text), text, row))
        wanted = [key for key, _, _ in readable if key is not None]
        known = await self._tools.database.read(lambda db: messages.known_events(db, wanted))
        return [(text, encoded(row)) for key, text, row in readable if key not in known]

    def _advanced(self, state: LinkState, rows: Rows) -> LinkState:
        """The state with its cursor moved on; a time that is no time of today does not move it."""
        if not self._tools.trusted():
            return state
        latest = self._tools.clock.now() + DAY
        times = [read_time(row.get("createdAt"))[0] or 0 for row in rows]
        newest = max((at for at in times if at <= latest), default=0)
        if not newest or (state.read_to is not None and newest <= state.read_to):
            return state
        return replace(state, read_to=newest)

    async def _update(self, **fields: object) -> LinkState:
        device_id = self._link.device_id
        return await self._tools.database.write(lambda db: links.update(db, device_id, **fields))

    @property
    def _name(self) -> str:
        return self._tools.device(self._link).name


async def _pages(
    gate: SmsGate, token: str, since: int | None, most: int = MOST
) -> AsyncIterator[Rows]:
    """Every page, newest first. Raises Refused when there are more rows than `most`."""
    offset, before = 0, None
    while True:
        page = await gate.inbox(token, since=since, offset=offset)
        if page.rows == before:  # it gives the same whatever page is asked for
            return
        before = page.rows
        yield page.rows
        offset += len(page.rows)
        if len(page.rows) < PAGE:
            return
        if offset >= most:
            raise _too_many(most)


def _too_many(most: int) -> Refused:
    return Refused(0, f"it says that its inbox has more than {most:,} texts, or never ends it")


def _has_id(row: Row) -> bool:
    try:
        return bool(name_of(row))
    except Unreadable:
        return False


def _chunks(
    texts: Sequence[Fetched],
) -> list[Sequence[Fetched]]:
    return [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
