"""The loop that starts deliveries: it sleeps until something is due, somebody wakes it, or stop.

Claims waiting deliveries (committed before their POST), flies those and the ones that were born in
flight, and records what came of each. An exception in one turn is logged, backed off and survived.
While the database cannot commit nothing new starts; results are kept and written first.
Invariants: at least once; one bad endpoint harms nobody else; the loop never dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial

from mmconnect.delivery.attempts import Attempts
from mmconnect.delivery.lanes import Lane
from mmconnect.delivery.sender import Sender
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Endpoint, EndpointState, Flight
from mmconnect.store import outbox
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook import schedule

log = logging.getLogger(__name__)

LONGEST_SLEEP = 60.0
"""Seconds; makes clock jumps and missed wake-ups heal by themselves."""
AFTER_ERROR = 1.0
DRAIN = 20.0
"""Seconds that a stop waits for what is in flight."""


class Dispatcher:
    """The way out. Start it with run(), end it with stop()."""

    def __init__(
        self,
        database: Database,
        look: Look,
        sender: Sender,
        clock: Clock,
        boot_id: str,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 (spreads load, hides nothing)
    ) -> None:
        self.boot_id = boot_id
        self.last_turn = clock.monotonic()
        """When the loop last came round (monotonic seconds)."""
        self._database, self._look, self._clock = database, look, clock
        self._lanes: dict[str, Lane] = {}
        self._held: dict[str, Endpoint] = {}
        """Endpoints that an answer has held, as look() had them: it may not know yet."""
        self._awake = asyncio.Event()
        self._attempts = Attempts(database, sender, clock, jitter, self._awake.set)
        database.on_trouble = self._awake.set  # a turn probes until commits succeed
        self._resting = asyncio.Event()
        """Set while no turn is under way."""
        self._resting.set()
        self._stopping = False
        self._flying: set[asyncio.Task[None]] = set()

    # -- the Outlet of the way in ---------------------------------------------------------------

    def reserve(self, endpoint: Endpoint, sender: str) -> bool:
        """Whether a text of this sender may start at once; if so, its place is kept."""
        lane = self._lane(endpoint.id)
        if self._open(endpoint) and lane.has_room(sender, endpoint.concurrency):
            lane.enter(sender)
            return True
        lane.expected += 1
        return False

    def committed(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """On the disk: start these, and look for the texts that wait for these endpoints."""
        for flight in flights:
            self._start(flight)
        for endpoint_id in waiting:
            lane = self._lane(endpoint_id)
            lane.expected -= 1
            lane.arrived()
        if waiting:
            self._awake.set()

    def abandoned(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """Nothing was kept: free the places."""
        for flight in flights:
            self._lane(flight.endpoint_id).leave(flight.sender)
        for endpoint_id in waiting:
            self._lane(endpoint_id).expected -= 1
        self._awake.set()

    def wake(self) -> None:
        """Something changed that nobody told in detail: look at every endpoint."""
        for lane in self._lanes.values():
            lane.arrived()
        self._awake.set()

    # -- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sweep what an earlier boot left in flight, then deliver until stop()."""
        swept = False
        while not self._stopping:
            self._awake.clear()
            self._resting.clear()
            try:
                if not swept:
                    await self._sweep()
                    swept = True
                sleep = await self._turn()
            except StoreUnavailable as error:
                log.warning("Deliveries wait, as the database cannot commit: %s", error)
                sleep = AFTER_ERROR
            except Exception:
                log.exception("A turn of the dispatcher failed; the next follows in a second")
                sleep = AFTER_ERROR
            finally:
                self._resting.set()
            self.last_turn = self._clock.monotonic()
            try:
                async with asyncio.timeout(sleep):
                    await self._awake.wait()
            except TimeoutError:
                pass

    async def stop(self, patience: float = DRAIN) -> None:
        """Start nothing more, and wait for what is in flight, at most `patience` seconds."""
        self._stopping = True
        self._awake.set()
        if self._flying:
            log.info("Waiting for %d deliveries in flight", len(self._flying))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._resting.wait()  # what a turn is just claiming still flies
                while self._flying:
                    await asyncio.wait(self._flying)
        for task in self._flying:
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)

    @property
    def in_flight(self) -> int:
        """How many POSTs are under way."""
        return len(self._flying)

    async def _sweep(self) -> None:
        count = await self._database.write(
            lambda db: outbox.sweep(
                db, boot_id=self.boot_id, now=self._clock.now(), budget=len(schedule.DEFAULT)
            ),
            heavy=True,
        )
        if count:
            log.warning("%d deliveries were interrupted by the last stop and are sent again", count)

    async def _turn(self) -> float:
        """Claim what is due; how long (seconds) there is nothing to do."""
        known = self._look().endpoints
        for lane in list(self._lanes.values()):
            if lane.endpoint_id not in known and not lane.in_flight and not lane.expected:
                del self._lanes[lane.endpoint_id]
                self._held.pop(lane.endpoint_id, None)
        if self._attempts.unwritten:
            return AFTER_ERROR
        if self._database.trouble is not None:
            await self._database.probe()
        ready = [e for e in known.values() if self._open(e)]
        claims = [self._claim(e, self._lane(e.id)) for e in ready]
        for failed in await asyncio.gather(*claims, return_exceptions=True):
            if failed is not None:
                raise failed
        now = self._clock.now()
        due = [
            lane.next_due for e in ready if (lane := self._lane(e.id)).next_due and not lane.backlog
        ]
        return min([LONGEST_SLEEP, *[max(0.0, (at - now) / 1000) for at in due]])

    async def _claim(self, endpoint: Endpoint, lane: Lane) -> None:
        """Put due deliveries of one endpoint in flight, until there is no room or none is left."""
        while lane.is_due(now := self._clock.now()):
            slots = endpoint.concurrency - lane.in_flight
            if slots <= 0 or self._stopping:
                return
            arrivals, busy = lane.arrivals, list(lane.busy)
            flights, next_due = await self._database.write(
                partial(
                    outbox.claim,
                    endpoint_id=endpoint.id,
                    now=now,
                    slots=slots,
                    busy=busy,
                    boot_id=self.boot_id,
                )
            )
            for flight in flights:
                lane.enter(flight.sender)
                self._start(flight)
            lane.looked(next_due, now, arrivals)
            if not flights and lane.arrivals == arrivals:
                return  # what is due waits for its sender

    # -- one delivery ---------------------------------------------------------------------------

    def _start(self, flight: Flight) -> None:
        task = asyncio.create_task(self._fly(flight))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _fly(self, flight: Flight) -> None:
        """One attempt; its lane is free when the answer is in, before that is recorded."""
        lane = self._lane(flight.endpoint_id)
        endpoint = self._look().endpoints.get(flight.endpoint_id)
        try:
            landed = None if endpoint is None else await self._attempts.make(endpoint, flight)
            if endpoint is not None and landed is not None and landed.hold is not None:
                self._held[endpoint.id] = endpoint
        finally:
            lane.leave(flight.sender)
            if lane.backlog:
                self._awake.set()
        if endpoint is None or landed is None:
            await self._attempts.give_up(flight)
            return
        await self._attempts.record(endpoint, landed)
        if landed.due_at is not None:
            lane.will_be_due(landed.due_at)
            self._awake.set()

    def _open(self, endpoint: Endpoint) -> bool:
        """Whether anything may be started for this endpoint now."""
        return (
            endpoint.state is EndpointState.ACTIVE
            and self._held.get(endpoint.id) is not endpoint
            and not self._stopping
            and not self._attempts.unwritten
            and self._database.trouble is None
        )

    def _lane(self, endpoint_id: str) -> Lane:
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = Lane(endpoint_id)
        return lane
