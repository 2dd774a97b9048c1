"""The indexer beside a real database, and in a process that is killed in the middle of it."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from mmconnect.delivery.janitor import Janitor
from mmconnect.delivery.pace import AIM
from mmconnect.domain.clock import SystemClock
from mmconnect.service import indexer as module
from mmconnect.service.indexer import Indexer
from mmconnect.store import configuration, devices, endpoints, erasure
from mmconnect.store import segment_building as building
from mmconnect.store.connection import FILE, connect
from mmconnect.store.database import Database
from mmconnect.store.message_list import find
from mmconnect.store.message_query import MessageQuery
from tests.store.conftest import House
from tests.store.making import NOW, device, endpoint
from tests.store.test_message_list import filled, naive, shown
from tests.support.service import Service, until

ENDS_ITSELF = """
import os, signal, sys
from mmconnect.cli import main
from mmconnect.service import indexer
from mmconnect.store import segment_building as building

indexer.SHARE = 1.0  # it need not be gentle
left, write = int(sys.argv[1]), building.write

def counted(*what, **more):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*what, **more)

building.write = counted
sys.exit(main(sys.argv[2:]))
"""
"""mmconnect that kills itself before it keeps the n-th lot of postings; 0: never."""


class Worked(SystemClock):
    """Whose durations are what a thread has worked: a disk or a machine that stands still takes
    no time by it."""

    def monotonic(self) -> float:
        return time.thread_time()


async def made(database: Database) -> tuple[Indexer, Janitor]:
    """An indexer that need not be gentle."""
    look = await database.read(configuration.load)
    janitor = Janitor(database, lambda: look, Worked(), lambda: True)
    return Indexer(database, SystemClock(), janitor.step), janitor


def furnish(db: sqlite3.Connection, count: int) -> None:
    house = House(db, device(), endpoint())
    devices.add(db, house.device, house.token)
    endpoints.add(db, house.endpoint)
    filled(house, 1, count)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", 1.0)
    monkeypatch.setattr(building, "SIZE", 100)
    monkeypatch.setattr(building, "FRESH", 30)


async def states(database: Database) -> list[str]:
    return await database.read(
        lambda db: [r[0] for r in db.execute("SELECT state FROM search_segments ORDER BY to_id")]
    )


@pytest.mark.usefixtures("_quick")
async def test_it_indexes_what_is_there_and_what_comes(tmp_path: Path):
    database = Database.open(tmp_path)
    try:
        other = connect(tmp_path / FILE)
        furnish(other, 500)
        other.close()
        indexer, janitor = await made(database)
        await indexer.turn()
        assert await states(database) == ["built"] * 5
        assert janitor.longest < 50 * AIM, "steps are short"
        query = MessageQuery(search="code 4711")
        found = await database.read(lambda db: find(db, query, limit=1000))
        assert shown(found) == await database.read(lambda db: naive(db, query)) != []
    finally:
        await database.close()


@pytest.mark.usefixtures("_quick")
async def test_a_range_is_indexed_anew_when_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database = Database.open(tmp_path)
    try:
        other = connect(tmp_path / FILE)
        furnish(other, 500)
        indexer, _ = await made(database)
        await indexer.turn()
        other.execute("UPDATE deliveries SET state = 'delivered'")
        ids = [r[0] for r in other.execute("SELECT id FROM messages ORDER BY id LIMIT 3")]
        other.execute("BEGIN IMMEDIATE")
        assert erasure.wipe(other, ids, NOW) == 3
        other.execute("COMMIT")
        known = erasure.erasures(other)
        await indexer.turn()
        assert await states(database) == ["dropped", *["built"] * 4]
        assert other.execute("SELECT min(segment) FROM search_postings").fetchone() == (1,)
        assert len(other.execute("SELECT DISTINCT segment FROM search_postings").fetchall()) == 4
        assert erasure.erasures(other).begun > known.begun, "its bytes are seen to as well"
        monkeypatch.setattr(module, "QUIET", 0.0)
        await indexer.turn()
        assert await states(database) == ["built"] * 5
        other.close()
    finally:
        await database.close()


def test_a_process_that_is_killed_while_it_indexes_goes_on(tmp_path: Path):
    service = Service(tmp_path / "data", tmp_path)
    service.start()
    service.stop()
    db = connect(service.directory / FILE)
    furnish(db, 4000)
    service.program = [sys.executable, "-c", ENDS_ITSELF, "2"]
    for _ in range(2):
        assert service.spawn().wait(60) == -signal.SIGKILL
        assert _halfway(db)
    service.program[-1] = "0"
    service.start()
    until(lambda: building.next_range(db) is None and _settled(db), "all is indexed", 60)
    service.stop()
    numbers = {r[0] for r in db.execute("SELECT number FROM search_segments")}
    assert {r[0] for r in db.execute("SELECT DISTINCT segment FROM search_postings")} == numbers
    query = MessageQuery(search="ärger café", device_id=None)
    assert shown(find(db, query, limit=1000)) == naive(db, query)[:1000]
    assert [r[0] for r in db.execute("PRAGMA integrity_check")] == ["ok"]
    db.close()


def _halfway(db: sqlite3.Connection) -> bool:
    return bool(
        db.execute(
            "SELECT 1 FROM search_segments s JOIN search_postings p ON p.segment = s.number"
            " WHERE s.state = 'building' LIMIT 1"
        ).fetchone()
    )


def _settled(db: sqlite3.Connection) -> bool:
    rows = db.execute("SELECT state FROM search_segments").fetchall()
    return bool(rows) and all(state == "built" for (state,) in rows)
