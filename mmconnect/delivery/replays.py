"""Works through replays: each second it offers so many deliveries again, from where it left off.

Knows nothing of how they are sent: an offered delivery is pending, and waits for its turn, or for
its endpoint where that is held or paused. Invariants: each delivery of a replay is offered once,
also across a kill; and the loop never dies.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import replays
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.store.replays import Found, Replay

log = logging.getLogger(__name__)

TURN = 1.0
"""Seconds; `preferences.replay_rate` deliveries are offered in each."""
LOOKS = 20
"""Looks for what matches in one turn at the most, so that a turn ends in a long history, too."""


class Replays:
    """The loop behind `delivery retry --state …`."""

    def __init__(
        self, database: Database, look: Look, wake: Callable[[], None], clock: Clock
    ) -> None:
        """`wake` is called when deliveries have become pending."""
        self._database, self._look, self._wake, self._clock = database, look, wake, clock
        self._last = ""
        """The replay whose turn it was."""
        self._idle_since: int | None = None
        """The revision at which no replay was open: while it stands there is none."""

    async def run(self) -> None:
        """Work through replays for ever; rest while there is none."""
        while True:
            begun = self._clock.monotonic()
            try:
                await self.turn()
            except StoreUnavailable as error:
                log.warning("A replay waits, as the database cannot commit: %s", error)
            except Exception:
                log.exception("A turn of a replay failed; it is tried again")
            await asyncio.sleep(max(0.05, TURN - (self._clock.monotonic() - begun)))

    async def turn(self) -> int:
        """Offer one second's deliveries of the replay whose turn it is; how many."""
        revision = self._look().revision
        if self._idle_since == revision:
            return 0
        last = self._last
        replay = await self._database.read(lambda db: replays.next_open(db, last))
        if replay is None:
            self._idle_since = revision
            return 0
        self._last = replay.id
        found = await self._find(replay, self._look().preferences.replay_rate)
        now = self._clock.now()

        def write(db: sqlite3.Connection) -> int:
            return replays.advance(db, replay, found, now)

        offered = await self._database.write(write, heavy=True)
        if offered:
            self._wake()
        if found.end:
            log.info("Replay %s is through: all its deliveries are offered", replay.id)
        return offered

    async def _find(self, replay: Replay, wanted: int) -> Found:
        """Up to `wanted` deliveries behind the cursor, in looks that are bounded."""
        ids: list[str] = []
        cursor, end = replay.cursor, False
        for _ in range(LOOKS):
            left = wanted - len(ids)
            look = partial(replays.look, replay=replay, cursor=cursor, limit=left)
            found = await self._database.read(look)
            ids += found.ids
            cursor, end = found.cursor, found.end
            if end or len(ids) >= wanted:
                break
        return Found(ids=ids, cursor=cursor, end=end)
