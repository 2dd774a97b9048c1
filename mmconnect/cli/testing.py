"""Test texts from the command line, made in this process, whether or not the service runs.

They go where the service's own may go: by the same settings, and never to its own listeners.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from mmconnect.cli.open import Store
from mmconnect.cli.reach import egress
from mmconnect.delivery.sender import Sender
from mmconnect.delivery.trials import Trials
from mmconnect.domain.models import Attempt, Delivery, Endpoint
from mmconnect.store.connection import transaction
from mmconnect.store.database import Write

T = TypeVar("T")


@asynccontextmanager
async def trials(store: Store) -> AsyncIterator[Trials]:
    """What sends test texts and records them in `store`."""

    async def write(function: Write[T]) -> T:
        with transaction(store.db):
            return function(store.db)

    sender = Sender(store.clock, rule=egress(store).rule)
    try:
        yield Trials(write, sender, store.clock, store.ids)
    finally:
        await sender.close()


async def send_test(store: Store, endpoint: Endpoint) -> tuple[Delivery, Attempt]:
    """Send one and record it; the delivery and its one attempt."""
    async with trials(store) as made:
        trial = await made.send(endpoint)
    return trial.delivery, trial.attempt
