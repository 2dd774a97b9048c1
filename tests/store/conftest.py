"""Each test of the store has a real database file of its own, never one in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device, Endpoint
from mmconnect.store import devices, endpoints, migrate, settings
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.database import Database
from tests.store.making import FixedClock, device, endpoint


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the CLI has it, on a migrated database."""
    opened = connect(tmp_path / FILE)
    migrate.migrate(opened, tmp_path / FILE)
    with transaction(opened):
        settings.ensure_tenant(opened, Ids(FixedClock()))
    yield opened
    opened.close()


@dataclass(frozen=True, slots=True)
class House:
    """A phone and an endpoint that are in the database."""

    db: sqlite3.Connection
    device: Device
    endpoint: Endpoint
    token: str = "a-token"


@pytest.fixture
def house(db: sqlite3.Connection) -> House:
    made = House(db, device(), endpoint())
    with transaction(db):
        devices.add(db, made.device, made.token)
        endpoints.add(db, made.endpoint)
    return made
