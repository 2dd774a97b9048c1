"""Claiming: waiting deliveries of one endpoint are put in flight, as many as its lane has room for.

An active endpoint's go out oldest first; a held one has one probe at a time. Each claim is
committed before its POST. Knows nothing of answers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial

from mmconnect.delivery.announcing import Announcing
from mmconnect.delivery.health import ARRIVAL_PROBE, launched
from mmconnect.delivery.lanes import Lane
from mmconnect.domain.clock import Clock
from mmconnect.domain.models import Endpoint, Flight
from mmconnect.store import claims
from mmconnect.store.claims import Claimed
from mmconnect.store.database import Database, Write
from mmconnect.webhook import schedule
from mmconnect.webhook.outcome import OutcomeClass

_SHARE = 50
"""When thousands are due for senders that are busy, looking behind them may take a fiftieth of the
time."""
NOTHING = 60.0
"""Seconds that the loop sleeps when nothing is due."""


class Claiming:
    """Finds what is due and starts it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        boot_id: str,
        too_old: Callable[[Endpoint], int],
        going: Callable[[], bool],
        start: Callable[[Flight], None],
        announcing: Announcing,
        wake: Callable[[], None],
    ) -> None:
        """`going`: whether anything may start now; `start`: makes the attempt."""
        self._database, self._clock, self._boot_id = database, clock, boot_id
        self._too_old, self._going, self._start = too_old, going, start
        self._announcing, self._wake = announcing, wake

    async def claim(self, endpoint: Endpoint, lane: Lane) -> float:
        """Start due deliveries, as many as there is room for.

        Returns for how long (seconds) there is nothing to do: not at all when another look may find
        more, which is left to the next turn, so that nobody waits for another's backlog.
        """
        now = self._clock.now()
        lane.backlog = True  # nothing new goes beside what is due, and each landing looks again
        slots = lane.slots(endpoint)
        if slots <= 0 or not self._going():
            return NOTHING
        arrivals, began = lane.arrivals, self._clock.monotonic()
        deep = began >= lane.deep_at
        found = await self._write(
            endpoint,
            lane,
            partial(
                claims.claim,
                by=self._by(endpoint, lane, now),
                slots=slots,
                busy=list(lane.busy),
                depth=claims.DEEP if deep else claims.SHALLOW,
            ),
            now,
        )
        if deep:
            lane.deep_at = began + (self._clock.monotonic() - began) * _SHARE
        for flight in found.flights:
            lane.enter(flight.sender)
            self._start(flight)
        lane.looked(found.next_due, now, arrivals)
        if not lane.backlog:
            return NOTHING if lane.next_due is None else max(0.0, (lane.next_due - now) / 1000)
        if found.flights or found.expired or lane.arrivals != arrivals:
            return 0.0
        # what is due waits for its sender, as far as was looked
        return NOTHING if deep else max(0.0, lane.deep_at - began)

    def until_probe(self, lane: Lane) -> float:
        """For how long (seconds) a held endpoint needs no probe; 0 when it is time for one."""
        known = lane.health
        if lane.probing or known.probe_due is None or not self._going():
            return NOTHING
        at = self._clock.monotonic()
        if not known.wants_probe(at) and not (lane.new_text and known.takes_arrival(at)):
            due = max(known.probe_due, known.not_before)
            if lane.new_text:
                due = min(due, max(known.last_probe + ARRIVAL_PROBE, known.not_before))
            return max(0.0, due - at)
        now = self._clock.now()
        if lane.is_due(now):
            return 0.0
        return NOTHING if lane.next_due is None else (lane.next_due - now) / 1000

    async def probe(self, endpoint: Endpoint, lane: Lane) -> float:
        """Probe a held endpoint if it is time; how long (seconds) there is nothing to do."""
        if wait := self.until_probe(lane):
            return wait
        at, now, known = self._clock.monotonic(), self._clock.now(), lane.health
        timed = known.wants_probe(at)
        arrivals, lane.probing, lane.new_text = lane.arrivals, True, False
        found = Claimed()
        try:
            found = await self._write(
                endpoint,
                lane,
                partial(
                    claims.claim_probe,
                    by=self._by(endpoint, lane, now),
                    free=known.free,
                    spare_last=known.held is OutcomeClass.REFUSED,
                    budget=len(endpoint.schedule or schedule.DEFAULT),
                    arrival=not timed,
                    avoid=known.avoid,
                ),
                now,
            )
        finally:
            lane.probing = bool(found.flights)
        lane.looked(found.next_due, now, arrivals)
        for flight in found.flights:
            lane.health = launched(lane.health, at)
            lane.enter(flight.sender)
            self._start(flight)
        return NOTHING if found.flights or lane.next_due is None else 1.0

    async def _write(
        self, endpoint: Endpoint, lane: Lane, claim: Write[Claimed], now: int
    ) -> Claimed:
        """Claim, and make an event of what has grown too old."""
        announced = 0

        def write(db: sqlite3.Connection) -> Claimed:
            nonlocal announced
            found = claim(db)
            announced = self._announcing.expired(db, endpoint, found.expired, now)
            return found

        lane.parked = False  # what is parked after this says so when it is committed
        try:
            found = await self._database.write(write)
        except BaseException:
            lane.parked = True
            raise
        if announced:
            self._wake()
        return found

    def _by(self, endpoint: Endpoint, lane: Lane, now: int) -> claims.Claim:
        return claims.Claim(
            endpoint_id=endpoint.id,
            now=now,
            boot_id=self._boot_id,
            too_old=self._too_old(endpoint),
            max_age=endpoint.max_age,
            strict=endpoint.strict_order,
            parked=lane.parked,
        )
