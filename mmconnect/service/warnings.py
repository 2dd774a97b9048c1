"""What is wrong with the appliance or its machine, told once when it begins and once a day after.

Looks at the disk and the database itself; whoever knows of something else calls begin() and end().
Also tells the events that were only counted while they came in a flood. What is under way is known
in memory alone: a restart tells it again (`store/events.py` sees that this is no storm).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.facts import facts
from mmconnect.domain.ids import Ids
from mmconnect.store import events
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.events import SYSTEM_WARNING, SystemWarning, system_warning

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks."""
AGAIN = 86_400.0
"""Seconds after which what is still wrong is told again."""
DISK_LOW, DISK_FINE = 256 * 2**20, 320 * 2**20
"""Free bytes: a warning begins below the first and ends above the second."""


@dataclass(slots=True)
class _Standing:
    warning: SystemWarning
    told: float | None = None
    """When it was last told (monotonic seconds)."""
    passing: bool = False
    """It is over already, and only has to be told."""
    shown: str = ""
    """What anybody may read of it, where that is not all."""


class Warnings:
    """Keeps what is wrong at present."""

    def __init__(
        self,
        database: Database,
        look: Look,
        ids: Ids,
        clock: Clock,
        directory: Path,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when there are new deliveries. Listens to `database.on_trouble`, too:
        whoever else does has to be there before."""
        self._database, self._look, self._ids, self._clock = database, look, ids, clock
        self._directory, self._wake = directory, wake
        self._standing: dict[str, _Standing] = {}
        self._trouble: tuple[float, str] | None = None
        """When the database began to fail (monotonic seconds), and why."""
        found = database.on_trouble

        def on_trouble() -> None:
            found()
            self._database_failed()

        database.on_trouble = on_trouble

    @property
    def now(self) -> list[SystemWarning]:
        """What is wrong at present."""
        return [one.warning for one in self._standing.values() if not one.passing]

    @property
    def shown(self) -> list[str]:
        """The same as anybody may read it, in sentences."""
        return [
            one.shown or f"{one.warning.sentence} {one.warning.remedy}".strip()
            for one in self._standing.values()
            if not one.passing
        ]

    def begin(
        self, code: str, sentence: str, remedy: str, *, shown: str = "", anew: bool = False
    ) -> None:
        """Something is wrong; to say so again while it lasts changes nothing, except `anew`.

        `shown`: what anybody may read of it, when the sentence has names in it.
        """
        warning = SystemWarning(code=code, sentence=sentence, remedy=remedy)
        present = self._standing.get(code)
        if anew or present is None or present.passing:
            log.warning("%s %s", sentence, remedy, extra=facts(warning=code))
            self._standing[code] = _Standing(warning, shown=shown)
        else:
            present.warning, present.shown = warning, shown

    def end(self, code: str) -> None:
        """It is over."""
        present = self._standing.get(code)
        if present is not None and not present.passing:
            log.info("Over: %s", present.warning.sentence, extra=facts(warning=code))
            if present.told is None:
                present.passing = True  # it was there, so it is told
            else:
                del self._standing[code]

    async def run(self) -> None:
        """Look and tell, for ever."""
        while True:
            try:
                await self.turn()
            except StoreUnavailable as error:
                log.debug("Warnings wait, as the database cannot commit: %s", error)
            except Exception:
                log.exception("Looking for what is wrong failed; it is tried again")
            await asyncio.sleep(INTERVAL)

    async def turn(self) -> None:
        """Look at disk and database, and tell what has to be told."""
        self._look_at_disk()
        self._look_at_database()
        if self._database.trouble is not None:
            return
        at = self._clock.monotonic()
        due = [
            (code, one)
            for code, one in self._standing.items()
            if one.told is None or at - one.told >= AGAIN
        ]
        made = 0
        heard = bool(events.recipients(self._look(), SYSTEM_WARNING, None))
        for code, one in due:
            if heard:
                made += await self._tell(one.warning)
                one.told = at  # else whoever comes to listen is told then
            if one.passing and self._standing.get(code) is one:
                del self._standing[code]
        now = self._clock.now()
        if await self._database.read(lambda db: events.is_due(db, now)):
            configuration, still = self._look(), self._clock.now()
            made += await self._database.write(
                lambda db: events.flush(db, configuration, self._ids, still)
            )
        if made:
            self._wake()

    async def _tell(self, warning: SystemWarning) -> int:
        configuration, now, event = self._look(), self._clock.now(), system_warning(warning)
        return await self._database.write(
            lambda db: events.tell(db, configuration, self._ids, now, event)
        )

    def _look_at_disk(self) -> None:
        try:
            free = shutil.disk_usage(self._directory).free
        except OSError:
            return  # /readyz says so; without its disk no event can be kept anyway
        if free < DISK_LOW:
            self.begin(
                "disk",
                f"Only {free // 2**20} MB are free on the disk of the database.",
                "Free some space: when it is full, no text can be taken in.",
            )
        elif free > DISK_FINE:
            self.end("disk")

    def _database_failed(self) -> None:
        if self._trouble is None:
            self._trouble = (self._clock.monotonic(), self._database.trouble or "")

    def _look_at_database(self) -> None:
        """While it fails nothing can be told; what is told is that it did."""
        if self._database.trouble is not None or self._trouble is None:
            return
        (began, why), self._trouble = self._trouble, None
        lasted = max(1, round(self._clock.monotonic() - began))
        self.begin(
            "database",
            f"The database could not be written for {lasted} s ({why}). It can again.",
            "Phones were asked to push again; look at the disk if this repeats.",
        )
        self.end("database")
