"""Parking: texts for an endpoint that takes nothing get their place in its queue later.

Until then they cost a phone that pushes hardly anything. What is parked is queued by the next claim
for its endpoint, and all of it when there is no room for more.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import parking
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

ROOM = 512
"""Deliveries that may be parked: a claim looks through all of them for its endpoint's."""
_AT_ONCE = 128
"""Deliveries that are queued in one transaction: a millisecond or two."""


class Parking:
    """How much is parked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._taken = 0
        """No more than so many are."""
        self._clearing: asyncio.Task[None] | None = None

    def take(self) -> bool:
        """Whether one more may be parked. When not, all are queued soon."""
        if self._taken < ROOM:
            self._taken += 1
            return True
        if self._clearing is None:
            self._clearing = asyncio.create_task(self._clear())
        return False

    async def close(self) -> None:
        """Queue no more."""
        if self._clearing is not None:
            self._clearing.cancel()
            await asyncio.wait([self._clearing])

    async def _clear(self) -> None:
        some = partial(parking.queue_all, limit=_AT_ONCE)
        try:
            while await self._database.write(some, heavy=True) == _AT_ONCE:
                pass
            self._taken = 0
        except StoreUnavailable:
            pass  # as is everything then
        except Exception:
            log.exception("What is parked could not be queued; that is tried again")
        finally:
            self._clearing = None
