"""Wiping texts once they are delivered everywhere, and seeing that their bytes leave the files.

Follows the messages in the order of their coming and remembers those that are still open, up to a
limit; what did not fit is found by beginning anew. So a text's own transaction does nothing for it.
Afterwards the log is emptied and what is left of wiped texts between rows is zeroed (`remains`),
at once for a small file, and seldom enough that it stays a small part of the disk's time.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from mmconnect.delivery.pace import Pace
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.store import erasure, mms, remains
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

ROWS = 500
OPEN = 2000
"""Messages that are remembered as not delivered everywhere yet."""
ANEW = 3600.0
"""Seconds after which all messages are looked at anew when some had to be left out."""
BACK = 60.0
"""Seconds between two looks a little further back."""
APART = 10.0
"""Seconds between two rounds of emptying log and pages, at least; and 100 times what one takes."""
PRUNED_APART = 600.0
"""Seconds between two rounds for what was only old: it goes on growing old every minute."""
PAGES = 4096
"""Pages that are searched at once (16 MiB)."""
TRIES = 20
OPEN_FOR = 60_000
"""Milliseconds after which the service finishes an erasure that a command has left unproven."""

Step = Callable[[Callable[[Any], Any], Pace, int], Awaitable[Any]]


class Wiper:
    """Part of the janitor."""

    def __init__(self, database: Database, clock: Clock, step: Step) -> None:
        self._database, self._clock, self._step = database, clock, step
        self._pace, self._pages = Pace(), Pace(size=8, share=0.05)
        self._forget()
        self.wiped = False
        """Whether texts were wiped whose bytes may still be in the files."""
        self.pruned = False
        """The same of what was removed for its age."""
        self._next_round = self._next_pruned = 0.0
        self._looked_at = 0.0

    async def turn(self, *, delivered: bool) -> None:
        """Wipe what is `delivered` everywhere, if that is wished."""
        if delivered:
            await self._wipe_delivered()
        else:
            self._forget()

    async def clean(self) -> None:
        """See that the bytes of wiped texts leave the files, too."""
        now = self._clock.monotonic()
        if now - self._looked_at > APART:
            self._looked_at = now
            self.wiped = self.wiped or await self._left_open()
        if self.pruned and now >= self._next_pruned:
            self.pruned, self.wiped, self._next_pruned = False, True, now + PRUNED_APART
        if self.wiped and now >= self._next_round:
            await self._round()
            took = self._clock.monotonic() - now
            self._next_round = now + max(APART, 100 * took)

    def _forget(self) -> None:
        self._after, self._missed = "", False
        self._open: dict[str, None] = {}
        self._begun = self._back_at = self._clock.monotonic()

    async def _wipe_delivered(self) -> None:
        if self._missed and self._clock.monotonic() - self._begun > ANEW:
            self._forget()
        before = list(islice(self._open, ROWS))
        known = await self._database.read(lambda db: erasure.still_open(db, before))
        for message_id in before:  # what is still open goes to the end
            del self._open[message_id]
        self._keep(known.others)
        await self._wipe(known.delivered)
        self._go_back()
        while True:
            new = await self._database.read(
                partial(erasure.arrived, after_id=self._after, limit=ROWS)
            )
            await self._wipe(new.delivered)
            if new.last == self._after:
                return
            self._keep(new.others)
            self._after = new.last

    def _go_back(self) -> None:
        """Now and then: an MMS comes into the log with the id that its announcement got."""
        now = self._clock.monotonic()
        if now - self._back_at > BACK:
            self._back_at = now
            self._after = min(
                self._after, first_at(MESSAGE, self._clock.now() - mms.PATIENCE - 60_000)
            )

    def _keep(self, message_ids: Sequence[str]) -> None:
        for message_id in message_ids:
            if len(self._open) < OPEN:
                self._open[message_id] = None
            elif message_id not in self._open:
                self._missed = True

    async def _wipe(self, message_ids: Sequence[str]) -> None:
        rest = list(message_ids)
        while rest:
            chunk, rest = rest[: self._pace.size], rest[self._pace.size :]
            now = self._clock.now()
            wipe = partial(erasure.wipe, message_ids=chunk, now=now)
            await self._step(wipe, self._pace, len(chunk))
            self.wiped = True

    async def _left_open(self) -> bool:
        """Whether a command has deleted texts and could not see to the files itself."""
        known = await self._database.read(erasure.erasures)
        return known.begun > known.proven and abs(self._clock.now() - known.at) > OPEN_FOR

    async def _round(self) -> None:
        """Empty the log and zero what is left between rows; comes back when somebody is reading."""
        path = self._database.path
        known = await self._database.read(erasure.erasures)
        self.wiped = False  # what is wiped from now on wants another round
        try:
            if not await self._database.maintain(remains.truncate_log):
                self.wiped = True
                return
            first = 1
            while first <= await asyncio.to_thread(remains.page_count, path):
                found = await asyncio.to_thread(remains.search, path, first, PAGES)
                while found:
                    batch, found = found[: self._pages.size], found[self._pages.size :]
                    await self._clear(batch)
                first += PAGES
                await asyncio.sleep(0)
        except BaseException:
            self.wiped = True
            raise
        if known.begun > known.proven:
            await self._database.write(lambda db: erasure.prove(db, known.begun))

    async def _clear(self, middles: list[remains.Middle]) -> None:
        path = self._database.path

        def clear(db: sqlite3.Connection) -> float | None:
            begun = self._clock.monotonic()
            if not remains.truncate_log(db) or not remains.clear(path, middles):
                return None
            return self._clock.monotonic() - begun

        for _ in range(TRIES):
            seconds = await self._database.maintain(clear)
            if seconds is not None:
                await asyncio.sleep(self._pages.took(seconds / 4, seconds, len(middles)))
                return
            await asyncio.sleep(0.5)
        raise StoreUnavailable("somebody reads the database for a long time")
