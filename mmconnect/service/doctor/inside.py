"""The examination of the service by itself, for its pages and the API."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mmconnect.desk.doctor import Report
from mmconnect.domain.clock import Clock
from mmconnect.service.clock_sync import Standing
from mmconnect.service.doctor.examination import examine as examine_all
from mmconnect.service.doctor.scene import Before, Subject

SECONDS = 5.0
"""For the look through the database: somebody waits for the page, and texts want the disk, too."""


async def examine(directory: Path, clock: Clock, standing: Standing | None) -> Report:
    """Look at everything, as the service's own user. `standing`: what it knows of its clock."""
    before = await asyncio.to_thread(Before.look)
    return await examine_all(
        Subject(
            directory=directory,
            source="the service",
            clock=clock,
            before=before,
            standing=standing,
            seconds=SECONDS,
        )
    )
