"""What the tests of the sender share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mmconnect.delivery import dial
from mmconnect.delivery import sender as sending
from mmconnect.delivery.sender import Sender
from tests.delivery.limits import CONNECT, TOTAL
from tests.support.leaping import Leap


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for seconds is no receiver that is not there."""
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT", CONNECT)
    monkeypatch.setattr(sending, "MEANWHILE", CONNECT)


@pytest.fixture
async def leap() -> Leap:
    """Puts the loop's time forward."""
    return Leap()


@pytest.fixture
async def sender(leap: Leap) -> AsyncIterator[Sender]:
    """With limits that are leapt over, or never met."""
    made = Sender(leap, total_timeout=TOTAL)
    yield made
    await made.close()
