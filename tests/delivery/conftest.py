"""What the tests of the sender share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mmconnect.delivery.sender import Sender
from mmconnect.domain.clock import SystemClock


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """With half a second for everything, so that what never ends ends soon."""
    made = Sender(SystemClock(), total_timeout=0.5)
    yield made
    await made.close()
