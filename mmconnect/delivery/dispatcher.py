"""The loop that starts deliveries: it sleeps until something is due, somebody wakes it, or stop.

Claims waiting deliveries (committed before their POST), flies those and the ones that were born in
flight, and records what came of each. An endpoint that is held gets one probe at a time. An
exception in one turn is logged, backed off and survived. While the database cannot commit nothing
new starts; results are kept and written first.
Invariants: at least once; one bad endpoint harms nobody else; the loop never dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from mmconnect.delivery.announcing import Announcing
from mmconnect.delivery.attempts import Attempts
from mmconnect.delivery.born import Born, sweep
from mmconnect.delivery.claiming import NOTHING, Claiming
from mmconnect.delivery.flight import Landing
from mmconnect.delivery.holding import Change, Holding
from mmconnect.delivery.lanes import Lane
from mmconnect.delivery.parking import Parking
from mmconnect.delivery.sender import Sender
from mmconnect.delivery.takeoff import Takeoff
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Endpoint, EndpointState, Flight, Place
from mmconnect.store import health
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

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
        ids: Ids,
        boot_id: str,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 (spreads load, hides nothing)
        too_old: Callable[[Endpoint], int] = lambda endpoint: 0,
        trusted: Callable[[], bool] = lambda: True,
        moving: Callable[[], bool] = lambda: False,
    ) -> None:
        """`too_old`: what was made at or before this (UTC ms) has grown too old for an endpoint;
        `trusted`: whether nothing speaks against the clock; `moving`: whether it was set, and what
        waits has not moved with it yet."""
        self.boot_id = boot_id
        self.last_turn = clock.monotonic()
        """When the loop last came round (monotonic seconds)."""
        self._database, self._look, self._clock = database, look, clock
        self._moving = moving
        self._lanes: dict[str, Lane] = {}
        self._holding = Holding(clock)
        announcing = Announcing(look, ids)
        self._claiming = Claiming(
            database, clock, boot_id, too_old, self._going, self._start, announcing, self.wake
        )
        self._parking = Parking(database)
        self._awake = asyncio.Event()
        self._attempts = Attempts(
            database,
            sender,
            clock,
            self._holding,
            jitter,
            self._awake.set,
            trusted,
            announcing,
            self.wake,
        )
        database.on_trouble = self._awake.set  # a turn probes until commits succeed
        self.observe: Callable[[Endpoint, Flight, Landing], None] = lambda *_: None
        """Told of each attempt, once its result is known."""
        self._resting = asyncio.Event()
        """Set while no turn is under way."""
        self._resting.set()
        self._stopping = False
        self._flying: set[asyncio.Task[None]] = set()
        self._born = Born(clock)
        self._takeoff = Takeoff(
            database,
            look,
            clock,
            self._born,
            self._lanes,
            self._going,
            self._start,
            self._awake.set,
        )

    # -- the Outlet of the way in ---------------------------------------------------------------

    def reserve(self, endpoint: Endpoint, sender: str) -> Place:
        """Where a text of this sender goes. If in flight, its place is kept."""
        self._takeoff.expect()
        lane = self._lane(endpoint.id)
        active = lane.state(endpoint, self._look().revision) is EndpointState.ACTIVE
        if active and lane.has_room(endpoint, sender) and self._going():
            lane.enter(sender)
            return Place.IN_FLIGHT
        lane.expected += 1
        return Place.QUEUED if active or not self._parking.take() else Place.PARKED

    def committed(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """On the disk: start these, and look for the texts that wait for these endpoints."""
        for flight in flights:
            self._takeoff.line_up(self._lane(flight.endpoint_id), flight)
        for endpoint_id in waiting:
            lane = self._lane(endpoint_id)
            lane.expected -= 1
            lane.arrived()
        self._takeoff.arrived(len(flights) + len(waiting))
        if waiting:
            self._awake.set()  # after the take-off: a turn over many endpoints takes its time

    def abandoned(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """Nothing was kept: free the places."""
        for flight in flights:
            self._lane(flight.endpoint_id).leave(flight.sender)
        for endpoint_id in waiting:
            self._lane(endpoint_id).expected -= 1
        self._takeoff.arrived(len(flights) + len(waiting))
        self._awake.set()

    def wake(self) -> None:
        """Something changed that nobody told in detail: look at every endpoint."""
        for lane in self._lanes.values():
            lane.look_again()
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(sleep):
                    await self._awake.wait()

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
        await asyncio.gather(*self._flying, return_exceptions=True)
        await self._takeoff.close()
        await self._parking.close()

    @property
    def in_flight(self) -> int:
        """How many POSTs are under way."""
        return len(self._flying)

    @property
    def offline(self) -> bool:
        """Whether nothing is reached because this machine has no network."""
        return any(lane.health.local for lane in self._lanes.values())

    @property
    def unwritten(self) -> int:
        """How many results wait for the database."""
        return self._attempts.unwritten

    async def _sweep(self) -> None:
        count = await sweep(self._database, self._look, self.boot_id, self._clock)
        self._holding.found(await self._database.read(health.load))
        if count:
            log.warning("%d deliveries were interrupted by the last stop and are sent again", count)

    async def _turn(self) -> float:
        """Claim what is due; how long (seconds) there is nothing to do."""
        configuration = self._look()
        known = configuration.endpoints
        for lane in list(self._lanes.values()):
            if lane.endpoint_id not in known and not lane.in_flight and not lane.expected:
                del self._lanes[lane.endpoint_id]
                self._holding.forget(lane.endpoint_id)
        if self._attempts.unwritten:
            return AFTER_ERROR
        if self._database.trouble is not None:
            await self._database.probe()
        self._takeoff.go_all()
        now, work, waits = self._clock.now(), [], [NOTHING]
        for endpoint in known.values():
            lane = self._lane(endpoint.id)
            self._holding.notice(lane, endpoint, configuration)
            state = lane.state(endpoint, configuration.revision)
            if lane.ready and state is not EndpointState.ACTIVE:
                await self._takeoff.take_back(lane)
            if state is EndpointState.HELD and (wait := self._claiming.until_probe(lane)):
                waits.append(wait)
            elif state is EndpointState.HELD:
                work.append(self._claiming.probe(endpoint, lane))
            elif state is EndpointState.ACTIVE and lane.is_due(now):
                work.append(self._claiming.claim(endpoint, lane))
            elif state is EndpointState.ACTIVE and lane.next_due is not None:
                waits.append((lane.next_due - now) / 1000)
        for found in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
            waits.append(found)
        return min(waits)

    def _start(self, flight: Flight) -> None:
        task = asyncio.create_task(self._fly(flight))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _fly(self, flight: Flight) -> None:
        """One attempt; its lane is free when the answer is in, before that is recorded."""
        lane = self._lane(flight.endpoint_id)
        endpoint = self._look().endpoints.get(flight.endpoint_id)
        landed = change = None
        try:
            if endpoint is not None:
                landed = await self._attempts.make(endpoint, flight)
                if endpoint.strict_order and landed.due_at is not None:
                    lane.look_again()  # it waits, though nobody can see that before it is recorded
                self.observe(endpoint, flight, landed)
                now = self._look().endpoints.get(endpoint.id)
                if now is endpoint or (now is not None and now.url == endpoint.url):
                    change = self._holding.learn(lane, endpoint, flight, landed)
        finally:
            lane.leave(flight.sender)
            if flight.probe:
                lane.probing = False
            if lane.ready:
                self._takeoff.go(lane)
            if lane.backlog:
                self._awake.set()
        if endpoint is None or landed is None:
            await self._attempts.give_up(flight)
            self._born.recorded(flight.delivery_id)
            return
        if change is not None:
            self._follow(change)
        revision = await self._attempts.record(endpoint, flight, landed, change, self._born.mark())
        self._born.recorded(flight.delivery_id)
        if change is not None and change.moves:
            lane.has_written(self._look().revision if revision is None else revision)
        if landed.due_at is not None:
            lane.will_be_due(landed.due_at)
            self._awake.set()

    def _follow(self, change: Change) -> None:
        """Health has changed: there may be something to do at once, or later than thought."""
        if change.released and change.before.local:
            self._holding.network_is_back(self._lanes.values())
        self._awake.set()

    def _going(self) -> bool:
        """Whether anything may be started now."""
        can_write = self._database.trouble is None and not self._attempts.unwritten
        return can_write and not self._stopping and not self._moving()

    def _lane(self, endpoint_id: str) -> Lane:
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = Lane(endpoint_id)
        return lane
