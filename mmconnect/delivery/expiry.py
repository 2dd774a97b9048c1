"""The loop that lets waiting deliveries expire, also those that nobody tries (a held endpoint's).

How old is too old it is told by the one who keeps the time. It looks at what waits only when
something can have grown too old, and rests the longer the longer a look takes. It never dies.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mmconnect.delivery.announcing import Announcing
from mmconnect.domain.clock import Clock, short_duration
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.store import expiry
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

INTERVAL = 10.0
AT_ONCE = 500
"""Deliveries that one transaction expires."""
_SHARE = 50
"""A look at all that waits for an endpoint may take a fiftieth of the time at the most."""
_AGAIN = 300.0
"""Seconds after which a look is taken in any case."""
_UNSEEN = 60_000
"""Milliseconds by which something may be older than the moment it came to wait."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a look at one endpoint has found."""

    oldest: int
    """Nothing that waits was made before (UTC ms)."""
    looked: float
    """When (monotonic seconds)."""
    took: float


class Expiry:
    """Start it with run()."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: Clock,
        too_old: Callable[[Endpoint], int],
        announcing: Announcing,
        wake: Callable[[], None],
    ) -> None:
        """`too_old`: the time (UTC ms) at or before which what was made is too old; `wake` is
        called when there is something to send that nobody expects."""
        self._database, self._look, self._clock = database, look, clock
        self._too_old, self._announcing, self._wake = too_old, announcing, wake
        self._known: dict[str, _Known] = {}
        self.on_expired: Callable[[str, int], None] = lambda endpoint_id, count: None
        """Told how many deliveries of an endpoint have expired."""

    def forget(self) -> None:
        """The clock was set: what is known of ages is not true any more."""
        self._known.clear()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self.turn()
            except Exception as error:
                log.warning("Looking for what is too old failed; it is tried again: %s", error)
            await asyncio.sleep(INTERVAL)

    async def turn(self) -> None:
        """Expire what is too old now."""
        endpoints = self._look().endpoints
        for gone in self._known.keys() - endpoints.keys():
            del self._known[gone]
        for endpoint in list(endpoints.values()):
            if endpoint.state is not EndpointState.PAUSED:
                while self._is_due(endpoint) and await self._expire(endpoint):
                    pass

    def _is_due(self, endpoint: Endpoint) -> bool:
        known = self._known.get(endpoint.id)
        if known is None:
            return True
        rested = self._clock.monotonic() - known.looked
        if rested < known.took * _SHARE:
            return False
        return rested > _AGAIN or self._too_old(endpoint) >= known.oldest

    async def _expire(self, endpoint: Endpoint) -> bool:
        """Expire some deliveries of one endpoint; whether there may be more."""
        begun, now, threshold = self._clock.monotonic(), self._clock.now(), self._too_old(endpoint)
        found = await self._database.read(
            partial(expiry.find, endpoint_id=endpoint.id, threshold=threshold, limit=AT_ONCE)
        )
        took = self._clock.monotonic() - begun
        more = len(found.ids) == AT_ONCE
        if not more:
            oldest = now - _UNSEEN if found.oldest is None else min(found.oldest, now - _UNSEEN)
            self._known[endpoint.id] = _Known(max(oldest, threshold + 1), begun, took)
        if not found.ids:
            return False
        still, now = min(threshold, self._too_old(endpoint)), self._clock.now()

        def expire(db: sqlite3.Connection) -> tuple[int, int]:
            expired = expiry.expire(
                db,
                endpoint.id,
                found.ids,
                threshold=still,
                max_age=endpoint.max_age,
                now=now,
            )
            return len(expired), self._announcing.expired(db, endpoint, expired, now)

        count, announced = await self._database.write(expire, heavy=True)
        if announced or (count and endpoint.strict_order):  # others may have waited for those
            self._wake()
        if count:
            self.on_expired(endpoint.id, count)
            log.warning(
                "%d texts for %s have waited longer than %s and are not sent any more; to send"
                " them all the same: mmconnect delivery retry --state expired --endpoint %s",
                count,
                endpoint.name,
                short_duration(endpoint.max_age),
                endpoint.id,
            )
        return more and count > 0
