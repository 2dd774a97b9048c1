"""Deliveries that are born in flight, and how the next start finds those that a kill left there.

No index holds them, as every text would pay for it: the database keeps a mark instead, below which
none is in flight. It is moved on now and then, with a result that is written down anyway.
"""

from __future__ import annotations

from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import BOOT, DELIVERY
from mmconnect.store import outbox
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook import schedule

MARK = 10.0
"""Seconds between two notes of where a sweep has to begin."""


class Born:
    """Those whose result is not recorded yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids: set[str] = set()
        self._marked = clock.monotonic()
        self.add, self.recorded = self._ids.add, self._ids.discard

    def mark(self) -> str | None:
        """Now and then, the oldest of them, to be noted."""
        now = self._clock.monotonic()
        if now - self._marked < MARK or not self._ids:
            return None
        self._marked = now
        return min(self._ids)


async def sweep(database: Database, look: Look, boot_id: str, clock: Clock) -> int:
    """Let what an earlier boot left in flight wait for its next attempt; how many."""
    budgets = {e.id: len(e.schedule) for e in look().endpoints.values() if e.schedule}
    now = clock.now()  # and not later on another thread: the clock may be set in between
    return await database.write(
        lambda db: outbox.sweep(
            db,
            boot_id=boot_id,
            now=now,
            budgets=budgets,
            budget=len(schedule.DEFAULT),
            oldest=DELIVERY + boot_id.removeprefix(BOOT),
        ),
        heavy=True,
    )
