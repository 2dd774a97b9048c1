"""Figures: texts and attempts, counted in memory as they come and written once a minute.

Counting costs a text one entry of a dict, and nothing on the disk. A crash loses up to a minute of
figures, never a text. What is not written yet is in whatever is read here; what cannot be written
is kept until it can. What came in before there were figures is counted in the background, once.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import TypeVar

from mmconnect.delivery.flight import Landing
from mmconnect.domain import days
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import DeliveryState, Endpoint, Flight, Trigger
from mmconnect.phones.counts import Counts
from mmconnect.store import tallies, tally_seeds
from mmconnect.store.database import Database
from mmconnect.store.tallies import AttemptHours, Tally, TextHours
from mmconnect.webhook.outcome import OutcomeClass

log = logging.getLogger(__name__)

T = TypeVar("T")

INTERVAL = 60.0
"""Seconds from one writing to the next: an SD card has a limited number of them."""
PATIENCE = 1.0
"""Seconds that a look waits for a writing whose end is not told yet."""
MOST = 20_000
"""Hours of phones and endpoints that memory holds while nothing can be written."""
SEED_ROWS, SEED_REST = 500, 0.05
"""Rows of old history that are counted at once, and seconds of rest after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """What is counted and not in the database yet, as of now."""

    texts: TextHours
    attempts: AttemptHours
    now: int
    """UTC milliseconds."""
    zone: tzinfo | None


class Figures:
    """Counts; its run() has to go on for ever, and flush() comes last."""

    def __init__(
        self, database: Database, clock: Clock, counts: Counts, zone: tzinfo | None = None
    ) -> None:
        """`counts` counts the texts; `zone` is the machine's own where None."""
        self._database, self._clock, self._counts, self._zone = database, clock, counts, zone
        self._attempts: AttemptHours = {}
        self._under_way: tuple[TextHours, AttemptHours] = {}, {}
        """What is just being written."""
        self._writing: asyncio.Future[None] | None = None
        self._written = 0
        self._set_hours()

    # -- counting -------------------------------------------------------------------------------

    def observed(self, endpoint: Endpoint, flight: Flight, landed: Landing) -> None:
        """An attempt was made (an Observe). A test is its owner's, and no figure."""
        if flight.trigger is Trigger.TEST:
            return
        attempt = landed.attempt
        if (tally := self._tally(endpoint.id, attempt.started_at)) is None:
            return
        tally.attempt(
            delivered=landed.result is OutcomeClass.DELIVERED,
            probe=flight.probe,
            answered_in=None if attempt.status is None else attempt.duration_ms,
        )
        tally.given_up += landed.state is DeliveryState.FAILED

    def expired(self, endpoint_id: str, count: int) -> None:
        """That many deliveries have waited too long."""
        if (tally := self._tally(endpoint_id, self._clock.now())) is not None:
            tally.given_up += count

    def _tally(self, endpoint_id: str, at: int) -> Tally | None:
        key = (endpoint_id, days.hour_of(at, self._counts.phase))
        found = self._attempts.get(key)
        if found is None and len(self._attempts) < MOST:
            found = self._attempts[key] = Tally()
        return found

    # -- reading --------------------------------------------------------------------------------

    async def read(self, function: Callable[[sqlite3.Connection, Unwritten], T]) -> T:
        """Run `function` on the reader with what is not written yet. Raises StoreUnavailable."""
        while True:
            written, unwritten = self._written, self.unwritten()
            result = await self._database.read(partial(_with, function, unwritten))
            if (writing := self._writing) is not None:  # on the disk maybe, and not told yet
                await asyncio.wait([writing], timeout=PATIENCE)
            if written == self._written:  # else something may be in it twice
                return result

    def unwritten(self) -> Unwritten:
        """What a look into the database now does not tell."""
        texts, attempts = dict(self._under_way[0]), _copy(self._under_way[1])
        _add_texts(texts, self._counts.by_hour)
        _add_attempts(attempts, self._attempts)
        return Unwritten(texts=texts, attempts=attempts, now=self._clock.now(), zone=self._zone)

    # -- writing --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Count what is old, and write down what is new, for ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._seed_all())
            both.create_task(self._write_for_ever())

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                self._set_hours()
                await self.flush()
            except Exception:
                log.exception("Figures could not be written; they are kept, and tried again")

    async def flush(self) -> None:
        """Write what has been counted, if anything; what cannot be written is kept."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        texts, self._counts.by_hour = self._counts.by_hour, {}
        attempts, self._attempts = self._attempts, {}
        if not texts and not attempts:
            return
        self._under_way = texts, attempts
        try:
            self._writing = self._database.submit(
                lambda db: tallies.add(db, texts, attempts),
                then=lambda _, error: self._landed(error),
                heavy=True,
            )
            await asyncio.shield(self._writing)
        except StoreUnavailable as error:
            log.debug("Figures wait for the database: %s", error)

    def _landed(self, error: BaseException | None) -> None:
        (texts, attempts), self._under_way = self._under_way, ({}, {})
        self._writing = None
        if error is None:
            self._written += 1
            return
        if len(texts) < MOST:
            _add_texts(texts, self._counts.by_hour)
            self._counts.by_hour = texts
        _add_attempts(attempts, self._attempts)
        self._attempts = attempts

    def _set_hours(self) -> None:
        self._counts.phase = days.phase(self._clock.now(), self._zone)

    # -- what came before -----------------------------------------------------------------------

    async def _seed_all(self) -> None:
        for what in (tally_seeds.TEXTS, tally_seeds.ATTEMPTS):
            while True:
                try:
                    if not await self.seed(what):
                        break
                    await asyncio.sleep(SEED_REST)
                except Exception as error:
                    log.warning("Counting what is old waits, and is tried again: %s", error)
                    await asyncio.sleep(INTERVAL)

    async def seed(self, what: str) -> bool:
        """Count some more of what came before; whether there may be more."""
        oldest = self._clock.now() - tallies.KEPT
        phase = self._counts.phase
        found = await self._database.read(
            lambda db: tally_seeds.step(
                db, what, oldest, SEED_ROWS, lambda at: days.hour_of(at, phase)
            )
        )
        if found is None:
            return False
        await self._database.write(lambda db: tally_seeds.keep(db, found), heavy=True)
        return found.before_id is not None


def _with(
    function: Callable[[sqlite3.Connection, Unwritten], T],
    unwritten: Unwritten,
    db: sqlite3.Connection,
) -> T:
    return function(db, unwritten)


def _add_texts(to: TextHours, new: TextHours) -> None:
    for key, count in new.items():
        to[key] = to.get(key, 0) + count


def _add_attempts(to: AttemptHours, new: AttemptHours) -> None:
    for key, tally in new.items():
        to.setdefault(key, Tally()).add(tally)


def _copy(of: AttemptHours) -> AttemptHours:
    copied: AttemptHours = {}
    _add_attempts(copied, of)
    return copied
