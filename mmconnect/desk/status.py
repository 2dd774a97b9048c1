"""How the service is: what /readyz and the overview tell. The truth, or nothing.

Commits that succeeded once prove nothing of now: on an idle appliance a question makes one, at most
every PROBE_EVERY seconds, so that nobody's monitoring wears out a memory card.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmconnect.domain.clock import Clock
from mmconnect.domain.models import EndpointState
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.events import SystemWarning

LOOP_MAY_REST = 90.0
"""Seconds without a turn after which the delivery loop counts as stuck; it rests 60 at most."""
LOOP_MAY_STALL = 5.0
"""Seconds that the event loop may stand still: that long a phone waits for its answer."""
STALL_COUNTS = 10.0
"""Seconds for which a standstill counts after it is over: it is told, and then it is past."""
SMALLEST_DISK = 16 * 2**20
PROBE_EVERY = 10.0
PROBE_PATIENCE = 5.0
"""Seconds that a commit may take before the disk counts as hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Whether texts are taken in and delivered, and what is in the way."""

    problems: dict[str, str]
    """Part (`loop`, `stall`, `database`, `results`, `disk`) to sentence; empty when all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the parts tell of themselves, each asked when somebody wants to know."""

    last_turn: Callable[[], float]
    """When the delivery loop last came round (monotonic seconds)."""
    unwritten: Callable[[], int] = lambda: 0
    """Results of attempts that wait for the database."""
    stalled: Callable[[], float] = lambda: 0.0
    """The longest that the event loop has stood still in the last STALL_COUNTS seconds."""
    offline: Callable[[], bool] = lambda: False
    """Whether nothing is reached because this machine has no network."""
    warnings: Callable[[], list[str]] = list
    """What is wrong but not yet in the way, in sentences."""
    machine: Callable[[], list[SystemWarning]] = list
    """Of that, what is not about a phone, for its owner."""


class Status:
    """Asks the parts how they are."""

    def __init__(
        self, database: Database, vitals: Vitals, look: Look, clock: Clock, directory: Path
    ) -> None:
        self._database, self._vitals, self._look = database, vitals, look
        self._clock, self._directory = clock, directory
        self.also: Callable[[], list[SystemWarning]] = list
        """What else is wrong, as the sites themselves have noticed."""
        self._probed_at: float | None = None
        self._probe: asyncio.Future[None] | None = None

    async def ready(self) -> Ready:
        """Look at loop, database and disk."""
        problems: dict[str, str] = {}
        rested = self._clock.monotonic() - self._vitals.last_turn()
        if rested > LOOP_MAY_REST:
            problems["loop"] = f"The delivery loop has not turned for {rested:.0f} s."
        if (stalled := self._vitals.stalled()) > LOOP_MAY_STALL:
            problems["stall"] = (
                f"mmconnect stood still for {stalled:.0f} s just now: the machine is"
                " overloaded, or was suspended."
            )
        if (trouble := await self._trouble()) is not None:
            problems["database"] = trouble
        if (count := self._vitals.unwritten()) > 0:
            problems["results"] = (
                f"{count} results of deliveries wait until the database can be written; nothing"
                " new is sent before."
            )
        if (disk := self._disk()) is not None:
            problems["disk"] = disk
        return Ready(problems=problems)

    @property
    def warnings(self) -> list[str]:
        """What is wrong but not yet in the way."""
        also = [f"{one.sentence} {one.remedy}" for one in self.also()]
        return [*self._vitals.warnings(), *also]

    @property
    def machine(self) -> list[SystemWarning]:
        """What is wrong with the machine or the appliance, as its owner may read it."""
        return [*self._vitals.machine(), *self.also()]

    @property
    def offline(self) -> bool:
        """Whether nothing is reached because this machine has no network."""
        return self._vitals.offline()

    @property
    def devices(self) -> int:
        """How many phones are paired."""
        return len(self._look().phones)

    @property
    def endpoints(self) -> int:
        """How many endpoints there are; the alert URL is none of them."""
        return sum(not e.alert for e in self._look().endpoints.values())

    @property
    def idle(self) -> list[str]:
        """Who gets no texts at present, in sentences; anybody may read them, so without names."""
        states = [one.state for one in self._look().receivers]
        held, paused = states.count(EndpointState.HELD), states.count(EndpointState.PAUSED)
        told = []
        if self._vitals.offline():
            told.append(
                "This machine has no network, so no endpoint is reached: texts wait, and go out"
                " when it is back. Check its cable or Wi-Fi, its router, and its DNS server."
            )
        if held:
            told.append(
                f"{_some(held, len(states))} held, as texts cannot be delivered: they wait, and go"
                " out when that is over. On this machine, `mmconnect endpoint list` says which, and"
                " `mmconnect endpoint show ID` why and what to do."
            )
        if paused:
            told.append(
                f"{_some(paused, len(states))} paused: texts wait until somebody says"
                " `mmconnect endpoint resume ID`."
            )
        return told

    async def _trouble(self) -> str | None:
        """Why the database cannot commit, as of a commit that is not older than PROBE_EVERY."""
        if self._probe is None and self._database.trouble is None and self._is_probe_due():
            self._probed_at = self._clock.monotonic()
            self._probe = asyncio.ensure_future(self._database.probe())
        if (probe := self._probe) is not None:
            await asyncio.wait([probe], timeout=PROBE_PATIENCE)
            if not probe.done():
                return f"The database has not committed within {PROBE_PATIENCE:.0f} s."
            self._probe = None
            if not probe.cancelled() and (error := probe.exception()) is not None:
                return f"The database cannot commit: {error}."
        if self._database.trouble is not None:
            return f"The database cannot commit: {self._database.trouble}."
        return None

    def _is_probe_due(self) -> bool:
        last = self._probed_at
        return last is None or self._clock.monotonic() - last >= PROBE_EVERY

    def _disk(self) -> str | None:
        try:
            free = shutil.disk_usage(self._directory).free
            read_only = os.statvfs(self._directory).f_flag & os.ST_RDONLY
        except OSError as error:
            return f"The data directory cannot be looked at: {error.strerror or error}."
        if read_only:
            return "The disk of the database can only be read."
        if free < SMALLEST_DISK:
            return f"Only {free // 2**20} MB are free on the disk of the database."
        return None


def _some(count: int, of: int) -> str:
    if of == 1:
        return "The only endpoint is"
    return f"{count} of {of} endpoints {'is' if count == 1 else 'are'}"
