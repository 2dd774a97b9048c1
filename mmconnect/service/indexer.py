"""The index of what texts hold, made beside the texts: new ones now and then, old ones gently.

Each step takes a millisecond or two and then stands back, so that a million messages of history are
in the index after an hour that no text has noticed. A segment in which something was erased
goes at once, and is made anew when the range has been quiet: retention and wiping go through the
oldest segment bit by bit. Nothing waits for this; a search looks at what is not indexed itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Any

from mmconnect.delivery.pace import Pace
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import segment_building as building
from mmconnect.store import segments
from mmconnect.store.database import Database
from mmconnect.store.segment_building import Draft, Range

log = logging.getLogger(__name__)

TURN = 2.0
"""Seconds between two looks at whether there is anything to do."""
READ = 12
"""Messages that are read at once: a millisecond of work that nothing interrupts."""
SHARE = 0.05
"""Of a core, and of the writer's time, what indexing takes at most."""
QUIET, QUIET_MANY = 3600.0, 30.0
"""Seconds without a change after which a dropped range is indexed anew; the latter when more than
FEW were dropped, which is no retention but a person who has erased texts all over the history."""
FEW = 4

Step = Callable[[Callable[[Any], Any], Pace, int], Awaitable[Any]]
"""One short transaction when nothing waits for the writer; then it stands back."""


class Indexer:
    """Runs beside the dispatcher for as long as the service does."""

    def __init__(self, database: Database, clock: Clock, step: Step) -> None:
        self._database, self._clock, self._step = database, clock, step
        self._writing = Pace(size=64, share=SHARE)
        self._clearing = Pace(size=64, share=SHARE)
        self._changes: dict[Range, tuple[int, float]] = {}
        """Of each dropped range how often it had changed, and since when (monotonic seconds)."""
        self._last_row = 0
        self._taken_up = False

    async def turn(self) -> float:
        """Index what there is to index; seconds until the next look."""
        try:
            if not self._taken_up:
                await self._database.write(building.take_up)
                self._taken_up = True
            await self._drop_strays()
            await self._clear()
            for one in await self._ripe():
                await self._build(one)
            while (wanted := await self._database.read(building.next_range)) is not None:
                await self._build(wanted)
                await self._drop_strays()
                await self._clear()
        except StoreUnavailable as error:
            log.info("Indexing waits, as the database cannot commit: %s", error)
        return TURN

    async def _drop_strays(self) -> None:
        found, self._last_row = await self._database.read(
            lambda db: building.strays(db, self._last_row)
        )
        if found:
            await self._step(lambda db: segments.changed(db, found), Pace(), 1)

    async def _clear(self) -> None:
        while await self._database.read(building.to_clear):
            size = self._clearing.size
            await self._step(partial(segments.clear, limit=size), self._clearing, size)

    async def _ripe(self) -> list[Range]:
        """The dropped ranges in which nothing has changed for long enough."""
        now = self._clock.monotonic()
        dropped = await self._database.read(building.dropped)
        before, self._changes = self._changes, {}
        for one in dropped:
            changes, since = before.get(one.range, (-1, now))
            self._changes[one.range] = (one.changes, since if changes == one.changes else now)
        quiet = QUIET if len(dropped) <= FEW else QUIET_MANY
        return [
            one
            for one, (changes, since) in self._changes.items()
            if not changes or now - since >= quiet
        ]

    async def _build(self, wanted: Range) -> None:
        draft: Draft | None = await self._step(partial(building.begin, wanted=wanted), Pace(), 1)
        if draft is None:
            return
        more = True
        while more:
            began = self._clock.monotonic()
            more = await self._database.read(partial(building.read, draft=draft, limit=READ))
            took = self._clock.monotonic() - began
            await asyncio.sleep(took * (1 / SHARE - 1))
        postings, stands = draft.postings(), True
        while stands and (some := list(islice(postings, self._writing.size))):
            write = partial(building.write, draft=draft, postings=some)
            stands = await self._step(write, self._writing, len(some))
        if stands:
            await self._step(partial(building.finish, draft=draft), Pace(), 1)
