"""A running mmconnect with an endpoint, and a receiver: for phones that are fetched from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.receiver import Receiver, receiving
from tests.support.service import Service
from tests.support.smsgate_phone import SmsgatePhone


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def phone() -> Iterator[SmsgatePhone]:
    with SmsgatePhone(timeout_scale=10) as one:  # it does not push again because a machine stalls
        yield one


@pytest.fixture
def service(
    tmp_path: Path, receiver: Receiver, request: pytest.FixtureRequest
) -> Iterator[Service]:
    """Started, by a module's own options of `serve` (`SERVE`) if it has any."""
    one = Service(tmp_path / "data", None, *getattr(request.module, "SERVE", ()))
    one.start()
    one.cli("endpoint", "add", receiver.url)
    try:
        yield one
    finally:
        one.kill()
