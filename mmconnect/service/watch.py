"""Keeps the configuration in memory up to date with the database, whoever changed it.

The CLI writes to the same file from another process; `revision` tells that something moved. Asked
often enough that a change takes effect within a second, and at once when the CLI sends a signal or
a phone comes with a token that is not known yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mmconnect.store import configuration
from mmconnect.store.configuration import Configuration
from mmconnect.store.database import Database

log = logging.getLogger(__name__)

INTERVAL = 0.5


class Watch:
    """Holds the present configuration."""

    def __init__(self, database: Database, now: Configuration) -> None:
        self._database, self._now = database, now
        self._asked = asyncio.Event()
        self._changed: Callable[[], None] = lambda: None

    def look(self) -> Configuration:
        """The configuration as it stands."""
        return self._now

    def ask(self) -> None:
        """Somebody says that something has changed: look soon."""
        self._asked.set()

    async def refresh(self) -> None:
        """Look now."""
        if await self._database.read(configuration.revision) != self._now.revision:
            self._now = await self._database.read(configuration.load)
            self._changed()

    async def run(self, changed: Callable[[], None]) -> None:
        """Look for changes for ever; `changed` is called after each."""
        self._changed = changed
        while True:
            try:
                async with asyncio.timeout(INTERVAL):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()
            try:
                await self.refresh()
            except Exception:
                log.exception("The configuration could not be read; the last one stays in use")
                await asyncio.sleep(INTERVAL)
