"""Attempts: one POST is made and judged, and what came of it is recorded.

Knows nothing of when an attempt is due or what else is under way. A result is recorded however long
the database takes to be able to, as it is all that keeps a delivered text from being sent again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mmconnect.delivery.announcing import Announcing
from mmconnect.delivery.flight import Landing, landing
from mmconnect.delivery.holding import Change, Holding
from mmconnect.delivery.journal import Journal
from mmconnect.delivery.sender import Answer, Sender
from mmconnect.delivery.signed import Sent, send_signed
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Endpoint, Flight
from mmconnect.store import outbox
from mmconnect.store.database import Database
from mmconnect.webhook.outcome import OutcomeClass, Trouble

T = TypeVar("T")

log = logging.getLogger(__name__)

AGAIN = 1.0
"""Seconds between two tries to write a result down."""


class Attempts:
    """Makes attempts and records them."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        clock: Clock,
        holding: Holding,
        jitter: Callable[[], float],
        written: Callable[[], None],
        trusted: Callable[[], bool],
        announcing: Announcing,
        wake: Callable[[], None],
    ) -> None:
        """`written` is called when a result no longer waits for the database, `wake` when there are
        deliveries that nobody expects; `trusted` tells whether nothing speaks against the clock."""
        self._database, self._sender, self._clock = database, sender, clock
        self._holding = holding
        self._jitter, self._written, self._trusted = jitter, written, trusted
        self._announcing, self._wake, self._journal = announcing, wake, Journal()
        self.unwritten = 0
        """Results that wait for the database; they come before anything new."""

    async def make(self, endpoint: Endpoint, flight: Flight) -> Landing:
        """POST once, and judge the answer. Never raises."""
        started_at = self._clock.now()
        try:
            sent = await send_signed(
                self._sender, endpoint, flight, started_at, trusted=self._trusted()
            )
        except Exception:
            log.exception("Delivery %s failed in an unexpected way", flight.delivery_id)
            answer = Answer(status=None, trouble=Trouble.INTERNAL, duration_ms=0, address=None)
            sent = Sent(answer=answer)
        return landing(
            endpoint,
            flight,
            sent.answer,
            started_at=started_at,
            now=self._clock.now(),
            jitter=self._jitter(),
            note=sent.remark,
            request=sent.request,
        )

    async def record(
        self,
        endpoint: Endpoint,
        flight: Flight,
        landed: Landing,
        change: Change | None,
        mark: str | None,
    ) -> int | None:
        """Write down an attempt, what follows for its delivery, and for its endpoint.

        `mark`: where the next sweep has to begin, to be noted on this occasion. Returns the
        configuration's revision where the endpoint's state has moved.
        """
        attempt, landed_at = landed.attempt, self._clock.now()

        def write(moved: int, db: sqlite3.Connection) -> tuple[int | None, int]:
            now = landed_at + moved
            due_at = None if landed.due_at is None else landed.due_at + moved
            if landed.result is OutcomeClass.BLOCKED and due_at is not None:
                outbox.put_back(db, flight.delivery_id, spent=landed.spent, due_at=due_at, now=now)
            else:
                outbox.settle(db, attempt, landed.state, spent=landed.spent, due_at=due_at, now=now)
            if mark is not None:
                outbox.mark(db, mark)
            revision = None if change is None else self._holding.write(db, endpoint, change, now)
            return revision, self._announcing.landed(db, endpoint, flight, landed, change, now)

        revision, announced = await self._write(write) or (None, 0)
        self._tell(endpoint, flight, landed, change)
        if announced:
            self._wake()
        return revision

    def _tell(
        self, endpoint: Endpoint, flight: Flight, landed: Landing, change: Change | None
    ) -> None:
        """A line per failed attempt and per change of health; a row of free probes is one."""
        if landed.result is not OutcomeClass.BLOCKED and not flight.free:
            self._journal.landed(endpoint, landed.attempt, landed.told, landed.due_at)
        if change is None:
            return
        if change.held:
            self._journal.held(endpoint, landed.result, change.reason)
        elif change.released and not change.before.local:
            self._journal.recovered(endpoint)

    async def give_up(self, flight: Flight) -> None:
        """Its endpoint was removed before it was sent."""
        now = self._clock.now()
        await self._write(lambda moved, db: outbox.give_up(db, flight.delivery_id, now + moved))

    async def _write(self, write: Callable[[int, sqlite3.Connection], T]) -> T | None:
        """Write until that succeeds; `write` is told by how many ms the clock was set meanwhile."""
        waiting, began, at = False, self._clock.now(), self._clock.monotonic()
        try:
            while True:
                passed = round((self._clock.monotonic() - at) * 1000)
                moved = self._clock.now() - began - passed
                try:
                    return await self._database.write(partial(write, moved))
                except StoreUnavailable as error:
                    if not waiting:
                        waiting = True
                        self.unwritten += 1
                        log.warning("A result waits, as the database cannot commit: %s", error)
                except Exception:
                    log.exception("A result could not be written down")
                    return None
                await asyncio.sleep(AGAIN)
        finally:
            if waiting:
                self.unwritten -= 1
                self._written()
