"""Phones that fall silent: noticed, told once as `device.silent`, and once more when they are back.

Time is counted by the monotonic clock from this very start on, so that neither a clock that is set,
nor a night in which the machine slept, nor the time mmconnect was off makes a phone silent. Who is
silent stays so over a restart, and is not told again. Whether a silence is told and written down is
one write: never one without the other.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device
from mmconnect.phones.presence import Presences
from mmconnect.store import device_watch, events
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.events import Event, device_recovered, device_silent

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks."""
LEAST = 15 * 60
"""Seconds of silence that a pulled phone, and one with a heartbeat, is allowed at the least."""
BEATS_MISSED = 3
RELAXED = 120
"""Seconds between two looks at a phone whose pushes arrive."""
LOOKS = 2
"""Looks that have to fail before a pulled phone can count as silent, whatever a person has set."""


def allowed(device: Device, *, pulled: bool, beat_gap: int | None, every: int = 0) -> int | None:
    """Seconds after which a device counts as silent; None: never.

    What a person set, else by its way: 15 min for one that is fetched from, and three times the
    usual gap (ms) of a heartbeat, 15 min at least. A phone that only pushes texts may be quiet for
    as long as nobody writes to it. And one that is asked `every` so many ms says nothing between.
    """
    least = LOOKS * max(RELAXED, every // 1000) + 60 if pulled else 0
    if device.silent_after is not None:
        return max(device.silent_after, least) if device.silent_after else None
    if pulled:
        return max(LEAST, least)
    if beat_gap is not None:
        return max(LEAST, round(BEATS_MISSED * beat_gap / 1000))
    return None


class Liveness:
    """Watches all phones."""

    def __init__(
        self,
        database: Database,
        look: Look,
        ids: Ids,
        clock: Clock,
        presences: Presences,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when there are new deliveries."""
        self._database, self._look, self._ids, self._clock = database, look, ids, clock
        self._presences, self._wake = presences, wake
        self._begun = clock.monotonic()
        self._first_seen: dict[str, float] = {}
        """When each device was first looked at: from then on it has its full time."""
        self._pulled: Mapping[str, int] = {}
        self._revision = -1

    @property
    def pulled(self) -> frozenset[str]:
        """The devices that mmconnect fetches from, as of the last turn."""
        return frozenset(self._pulled)

    def silent(self) -> list[Device]:
        """Those that count as silent now."""
        return [d for d in self._watched() if self._presences.of(d.id).silent_at is not None]

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self.turn()
            except StoreUnavailable as error:
                log.debug("Telling of silent phones waits for the database: %s", error)
            except Exception:
                log.exception("Looking for silent phones failed; it is tried again")
            await asyncio.sleep(INTERVAL)

    async def turn(self) -> None:
        """Look once. Raises StoreUnavailable; then nothing has changed, and the next turn tells."""
        revision = self._look().revision
        if revision != self._revision:
            self._pulled = await self._database.read(device_watch.pulled)
            self._revision = revision
        for device in self._watched():
            await self._judge(device)

    def _watched(self) -> Iterable[Device]:
        return self._look().phones

    async def _judge(self, device: Device) -> None:
        now = self._clock.monotonic()
        seen = self._first_seen.setdefault(device.id, now)
        alive = self._presences.alive(device.id)
        known = self._presences.of(device.id)
        limit = allowed(
            device,
            pulled=device.id in self._pulled,
            beat_gap=known.beat_gap,
            every=self._pulled.get(device.id, 0),
        )
        if known.silent_at is None:
            quiet = now - (seen if alive is None else alive)
            if limit is not None and quiet >= limit:
                last = known.last_heard_at or device.created_at
                log.warning("%s has fallen silent", device.name)
                await self._change(device, self._clock.now(), device_silent(device, last))
        elif limit is None:
            await self._change(device, None, None)  # nobody wants to know any more
        elif alive is not None and now - alive < limit:
            log.info("%s has been heard again", device.name)
            await self._change(device, None, device_recovered(device))

    async def _change(self, device: Device, silent_at: int | None, event: Event | None) -> None:
        """Write down, tell, and remember it."""
        before = self._presences.of(device.id).silent_at
        configuration, now = self._look(), self._clock.now()

        def write(db: sqlite3.Connection) -> int:
            device_watch.set_silent(db, device.id, silent_at)
            if event is None:
                return 0
            return events.tell(db, configuration, self._ids, now, event)

        self._presences.silent(device.id, silent_at)  # before: a save in between must not undo it
        try:
            made = await self._database.write(write)
        except StoreUnavailable:
            self._presences.silent(device.id, before)
            raise
        if made:
            self._wake()
