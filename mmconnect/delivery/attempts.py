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

from mmconnect.delivery.flight import Landing, landing, sign
from mmconnect.delivery.sender import Answer, Sender
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Endpoint, Flight
from mmconnect.store import endpoints, outbox
from mmconnect.store.database import Database, Write
from mmconnect.webhook.outcome import OutcomeClass, Trouble

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
        jitter: Callable[[], float],
        written: Callable[[], None],
    ) -> None:
        """`written` is called when a result no longer waits for the database."""
        self._database, self._sender, self._clock = database, sender, clock
        self._jitter, self._written = jitter, written
        self.unwritten = 0
        """Results that wait for the database; they come before anything new."""

    async def make(self, endpoint: Endpoint, flight: Flight) -> Landing:
        """POST once, and judge the answer. Never raises."""
        started_at = self._clock.now()
        try:
            headers = sign(endpoint, flight, started_at)
            answer = await self._sender.post(endpoint.url, headers, flight.body)
        except Exception:
            log.exception("Delivery %s failed in an unexpected way", flight.delivery_id)
            answer = Answer(status=None, trouble=Trouble.INTERNAL, duration_ms=0, address=None)
        now = self._clock.now()
        return landing(flight, answer, started_at=started_at, now=now, jitter=self._jitter())

    async def record(self, endpoint: Endpoint, landed: Landing) -> None:
        """Write down an attempt, what follows for its delivery, and for its endpoint."""
        attempt, now = landed.attempt, self._clock.now()

        def write(db: sqlite3.Connection) -> None:
            if landed.hold is OutcomeClass.BLOCKED:
                outbox.put_back(db, attempt.delivery_id, now)
            else:
                outbox.settle(db, attempt, landed.state, landed.due_at, now)
            if landed.hold is not None:
                endpoints.hold(db, endpoint.id, landed.hold, attempt.error or "", endpoint.url)

        await self._write(write)
        if landed.hold is not None:
            log.warning("Endpoint %s is held: %s", endpoint.name, landed.told)
        elif landed.told is not None:
            log.warning(
                "Delivery %s to %s: attempt %d failed: %s",
                attempt.delivery_id,
                endpoint.name,
                attempt.number,
                landed.told,
            )

    async def give_up(self, flight: Flight) -> None:
        """Its endpoint was removed before it was sent."""
        now = self._clock.now()
        await self._write(partial(outbox.give_up, delivery_id=flight.delivery_id, now=now))

    async def _write(self, write: Write[None]) -> None:
        waiting = False
        try:
            while True:
                try:
                    await self._database.write(write)
                    return
                except StoreUnavailable as error:
                    if not waiting:
                        waiting = True
                        self.unwritten += 1
                        log.warning("A result waits, as the database cannot commit: %s", error)
                except Exception:
                    log.exception("A result could not be written down")
                    return
                await asyncio.sleep(AGAIN)
        finally:
            if waiting:
                self.unwritten -= 1
                self._written()
