"""How the service is: what /readyz and the status page tell. The truth, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmconnect.domain.clock import Clock
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database

LOOP_MAY_REST = 90.0
"""Seconds without a turn after which the delivery loop counts as stuck; it rests 60 at most."""
SMALLEST_DISK = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Whether texts are taken in and delivered, and what is in the way."""

    problems: dict[str, str]
    """Part (`loop`, `database`, `disk`) to sentence; empty when all is well."""


class Status:
    """Asks the parts how they are."""

    def __init__(
        self,
        database: Database,
        last_turn: Callable[[], float],
        look: Look,
        clock: Clock,
        directory: Path,
        clock_trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`clock_trouble`: why the machine's clock may be wrong, in a sentence."""
        self._database, self._last_turn, self._look = database, last_turn, look
        self._clock, self._directory = clock, directory
        self._clock_trouble = clock_trouble

    def ready(self) -> Ready:
        """Look at loop, database and disk."""
        problems: dict[str, str] = {}
        rested = self._clock.monotonic() - self._last_turn()
        if rested > LOOP_MAY_REST:
            problems["loop"] = f"The delivery loop has not turned for {rested:.0f} s."
        if self._database.trouble is not None:
            problems["database"] = f"The database cannot commit: {self._database.trouble}."
        free = shutil.disk_usage(self._directory).free
        if free < SMALLEST_DISK:
            problems["disk"] = f"Only {free // 2**20} MB are free on the disk of the database."
        return Ready(problems=problems)

    @property
    def notices(self) -> list[str]:
        """What is in nobody's way, but should be seen to."""
        trouble = self._clock_trouble()
        return [] if trouble is None else [trouble]

    @property
    def devices(self) -> int:
        """How many phones are paired."""
        return sum(d.removed_at is None for d in self._look().devices.values())

    @property
    def endpoints(self) -> int:
        """How many endpoints there are."""
        return len(self._look().endpoints)
