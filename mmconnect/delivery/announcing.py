"""Operational events of the way out, made in the very write that makes them true.

Each method returns how many deliveries were made, at `now` (UTC ms): when it is more than none,
whoever committed the write wakes the dispatcher. Whom an event goes to, and how often, is
`store/events.py`'s business.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from mmconnect.delivery.flight import Landing
from mmconnect.delivery.holding import Change
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import DeliveryState, Endpoint, Flight
from mmconnect.store import backlog, deliveries, events
from mmconnect.store.configuration import Look
from mmconnect.webhook.events import (
    Event,
    delivery_expired,
    delivery_failed,
    endpoint_held,
    endpoint_recovered,
)

log = logging.getLogger(__name__)


class Announcing:
    """Makes the events."""

    def __init__(self, look: Look, ids: Ids) -> None:
        self._look, self._ids = look, ids

    def landed(
        self,
        db: sqlite3.Connection,
        endpoint: Endpoint,
        flight: Flight,
        landed: Landing,
        change: Change | None,
        now: int,
    ) -> int:
        """An attempt was recorded: its endpoint was held or works again, or it was the last one."""
        made = 0
        if landed.state is DeliveryState.FAILED:
            told = landed.told or ""
            made += self._tell(
                db,
                delivery_failed(
                    endpoint, flight.delivery_id, flight.message_id, flight.number, told
                ),
                now,
            )
        if change is not None and change.held:
            made += self._tell(db, endpoint_held(endpoint, change.reason), now)
        elif change is not None and change.moves:
            waiting = backlog.waiting(db, endpoint.id)
            made += self._tell(db, endpoint_recovered(endpoint, waiting), now)
        return made

    def expired(
        self, db: sqlite3.Connection, endpoint: Endpoint, ids: Sequence[str], now: int
    ) -> int:
        """Deliveries of an endpoint have grown too old."""
        last = deliveries.get(db, ids[-1]) if ids else None
        if last is None:
            return 0
        event = delivery_expired(
            endpoint, last.id, last.message_id, last.attempts, endpoint.max_age
        )
        return self._tell(db, event, now, count=len(ids))

    def _tell(self, db: sqlite3.Connection, event: Event, now: int, *, count: int = 1) -> int:
        try:
            return events.tell(db, self._look(), self._ids, now, event, count=count)
        except sqlite3.Error:
            raise
        except Exception:  # what it tells of has to be written down all the same
            log.exception("An event could not be made: %s", event.name)
            return 0
