"""Take-off: when the POSTs of texts that are born in flight begin.

Answering a phone goes before sending. While texts are on their way to the disk, those that are
there already leave a few at a time, and wait for half a second at most: in a burst every phone has
its answer much sooner, and the last webhook is out hardly later, as the work is the same. What has
not left when its endpoint is held or paused, or mmconnect stops, waits in the database like any
other, and has spent nothing. Knows nothing of answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from mmconnect.delivery.born import Born
from mmconnect.delivery.lanes import Lane
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import EndpointState, Flight
from mmconnect.store import outbox
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database

PATIENCE = 0.5
"""Seconds that a text which is on the disk lets go first those that are not."""
_FEW = 2
"""POSTs to one endpoint at once meanwhile,"""
_FEW_A_SECOND = 400
"""or so many a second, where the receiver takes its time."""


class Takeoff:
    """Lines up what is born in flight, and starts it."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: Clock,
        born: Born,
        lanes: Mapping[str, Lane],
        going: Callable[[], bool],
        start: Callable[[Flight], None],
        wake: Callable[[], None],
    ) -> None:
        """`going`: whether anything may start now; `start`: makes the attempt; `wake`: somebody is
        to call take_back()."""
        self._database, self._look, self._clock, self._born = database, look, clock, born
        self._lanes, self._going, self._start, self._wake = lanes, going, start, wake
        self._expected = 0
        """Deliveries of texts that are on their way to the disk."""
        self._timer: asyncio.TimerHandle | None = None

    def expect(self) -> None:
        """A delivery of a text that is now on its way to the disk."""
        self._expected += 1

    def arrived(self, count: int) -> None:
        """So many of those expected are on the disk, or never will be."""
        self._expected -= count
        self.go_all()

    def line_up(self, lane: Lane, flight: Flight) -> None:
        """It is on the disk as in flight, and has its place in the lane: go() lets it leave."""
        self._born.add(flight.delivery_id)
        lane.ready.append((self._clock.monotonic(), flight))

    def go(self, lane: Lane) -> None:
        """Start what may leave now."""
        endpoint = self._look().endpoints.get(lane.endpoint_id)
        if endpoint is not None:
            if not self._going():
                return  # until the database can commit, or for good
            if lane.state(endpoint, self._look().revision) is not EndpointState.ACTIVE:
                self._wake()
                return
        while lane.ready:
            if endpoint is not None and lane.posting >= self._room(lane, lane.limit(endpoint)):
                break
            self._start(lane.ready.popleft()[1])
        if lane.ready and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE, self._is_late)

    def go_all(self) -> None:
        """The same for every lane, those first whose receivers are quick."""
        ready = [lane for lane in self._lanes.values() if lane.ready]
        for lane in sorted(ready, key=_slowness):
            self.go(lane)

    async def take_back(self, lane: Lane) -> None:
        """Let what has not left wait in the database. Raises StoreUnavailable: it is kept then."""
        flights = [flight for _, flight in lane.ready]
        lane.ready.clear()
        try:
            await self._put_back(flights)
        except BaseException:
            lane.ready.extend((self._clock.monotonic(), flight) for flight in flights)
            raise
        for flight in flights:
            lane.leave(flight.sender)
            self._born.recorded(flight.delivery_id)
        lane.look_again()

    async def close(self) -> None:
        """Nothing leaves any more."""
        if self._timer is not None:
            self._timer.cancel()
        for lane in self._lanes.values():
            if lane.ready:
                with contextlib.suppress(StoreUnavailable):  # the next start takes them back
                    await self.take_back(lane)

    async def _put_back(self, flights: Sequence[Flight]) -> None:
        now = self._clock.now()

        def write(db: sqlite3.Connection) -> None:
            for flight in flights:
                outbox.put_back(
                    db,
                    flight.delivery_id,
                    spent=flight.spent - 1,
                    due_at=now if flight.was_due is None else flight.was_due,
                    now=now,
                )

        await self._database.write(write, heavy=True)

    def _room(self, lane: Lane, limit: int) -> int:
        """How many POSTs may be under way."""
        if self._expected <= 0 or self._clock.monotonic() - lane.ready[0][0] >= PATIENCE:
            return limit
        return min(limit, max(_FEW, _FEW_A_SECOND * (lane.last_ms or 0) // 1000))

    def _is_late(self) -> None:
        self._timer = None
        self.go_all()


def _slowness(lane: Lane) -> float:
    return math.inf if lane.last_ms is None else lane.last_ms
