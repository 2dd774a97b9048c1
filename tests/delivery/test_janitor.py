"""The janitor beside a real database: short steps, nothing that waits, nothing by a wrong clock."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery import janitor as module
from mmconnect.delivery import pace, wiper
from mmconnect.delivery.janitor import Janitor
from mmconnect.delivery.pace import AIM, LONGEST, SHARE, Pace
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.days import HOUR
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import DELIVERY, MESSAGE, first_at
from mmconnect.store import (
    configuration,
    endpoints,
    preferences,
    retention,
    settings,
    tallies,
    upkeep,
)
from mmconnect.store import devices as device_store
from mmconnect.store.configuration import Configuration
from mmconnect.store.connection import CHECKPOINT, FILE, WAL_LIMIT, connect
from mmconnect.store.database import Database
from mmconnect.store.messages import take
from mmconnect.store.remains import log_size
from tests.store.making import DAY, device, endpoint, message, new_message
from tests.support.inprocess import NOW, FakeClock

HOUSE = device(), endpoint()


class House:
    """A database, a janitor, and a clock that may be right."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.synchronised = True
        self.configuration: Configuration
        self.janitor = Janitor(
            database, lambda: self.configuration, clock, lambda: self.synchronised
        )

    async def set(self, **values: str) -> None:
        def write(db: sqlite3.Connection) -> None:
            for name, value in values.items():
                assert name in preferences.BY_NAME
                settings.put(db, name, value)

        await self.database.write(write)
        self.configuration = await self.database.read(configuration.load)

    async def texts(self, count: int, at: int, state: str = "delivered", text: str = "t") -> None:
        """So many texts, taken from a time on, a millisecond apart."""
        await self.database.write(lambda db: fill(db, count, at, state, text), heavy=True)

    async def count(self, sql: str = "SELECT count(*) FROM messages") -> Any:
        return await self.database.read(lambda db: db.execute(sql).fetchone()[0])


def everything(directory: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in directory.iterdir())


def fill(db: sqlite3.Connection, count: int, at: int, state: str, text: str) -> None:
    """Straight into the tables, in four statements: a log of thousands is there at once."""
    given = {
        "count": count,
        "at": at,
        "state": state,
        "text": text,
        "raw": text.encode(),
        "message": first_at(MESSAGE, at)[:-8],
        "delivery": first_at(DELIVERY, at)[:-8],
        "endpoint": HOUSE[1].id,
    }
    numbers = (
        "WITH RECURSIVE t (n, s) AS (SELECT 0, '00000000' UNION ALL"
        " SELECT n + 1, printf('%08d', n + 1) FROM t LIMIT :count)"
    )
    db.execute(
        f"{numbers} INSERT INTO messages (id, kind, sender, text, received_at, payload, raw)"
        " SELECT :message || s, 'sms', '+6581230000', :text, :at + n, :raw, :raw FROM t",
        given,
    )
    db.execute(
        f"{numbers} INSERT INTO deliveries (id, message_id, endpoint_id, state, trigger, sender,"
        " created_at, finished_at, due_at) SELECT :delivery || s, :message || s, :endpoint, :state,"
        " 'push', 'x', :at + n, :at + n, iif(:state = 'pending', :at, NULL) FROM t",
        given,
    )
    db.execute(
        f"{numbers} INSERT INTO attempts (delivery_id, number, started_at, outcome, response_body)"
        " SELECT :delivery || s, i.value, :at + n, 'delivered', :text"
        " FROM t, json_each('[1, 2, 3]') i",
        given,
    )


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Whose janitor stands back for nobody: there is nobody else."""
    monkeypatch.setattr(pace, "LONGEST", 0.0)
    database = Database.open(tmp_path)

    def furnish(db: sqlite3.Connection) -> None:
        device_store.add(db, HOUSE[0], "a-token")
        endpoints.add(db, HOUSE[1])

    await database.write(furnish)
    made = House(database, FakeClock())
    await made.set()
    yield made
    await database.close()


# -- retention ----------------------------------------------------------------------------------


async def test_a_sweep_removes_what_is_old_and_leaves_what_waits(house: House):
    old = NOW - 91 * DAY
    await house.texts(120, old)
    await house.texts(30, old + 1000, "pending")
    await house.texts(50, NOW - 31 * DAY)
    await house.texts(10, NOW - DAY)
    await house.janitor.sweep()
    assert await house.count() == 90
    assert await house.count("SELECT count(*) FROM deliveries WHERE state = 'pending'") == 30
    # 30 that wait, 50 of which only the last attempt stays, 10 that are young
    assert await house.count("SELECT count(*) FROM attempts") == 30 * 3 + 50 + 10 * 3
    await house.set(retention_messages="30d")
    await house.janitor.sweep()
    assert await house.count() == 40


async def test_what_had_to_stay_goes_in_a_later_round(house: House):
    await house.texts(5, NOW - 91 * DAY, "pending")
    await house.janitor.sweep()
    await house.database.write(lambda db: db.execute("UPDATE deliveries SET state = 'expired'"))
    house.clock.advance(module.ROUND + 1)
    await house.janitor.sweep()
    assert await house.count() == 0


async def test_while_the_clock_is_not_known_to_be_right_nothing_is_pruned(house: House):
    await house.set(wipe_after="1d")
    await house.texts(20, NOW - 100 * DAY)
    house.synchronised = False
    await house.janitor.sweep()
    await house.janitor.quick()
    assert await house.count() == 20
    assert await house.count("SELECT count(*) FROM messages WHERE wiped_at IS NULL") == 20
    assert await house.count("SELECT count(*) FROM attempts") == 60
    house.synchronised = True
    await house.janitor.sweep()
    assert await house.count() == 0


async def test_figures_go_after_400_days_and_by_a_clock_that_is_right(house: House):
    owner, hour = HOUSE[0].id, NOW - NOW % HOUR
    hours = {(owner, hour - tallies.KEPT - n * HOUR): 1 for n in range(600)} | {(owner, hour): 1}
    await house.database.write(lambda db: tallies.add(db, hours, {}))
    house.synchronised = False
    await house.janitor.sweep()
    count = "SELECT count(*) FROM text_hours"
    assert await house.count(count) == 1202
    house.synchronised = True
    await house.janitor.sweep()
    assert await house.count(count) == 2, "those of the present hour"


async def test_keys_are_looked_through_once_an_hour_and_not_each_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """Found by a year in fast motion: who had few keys looked at every one each minute."""
    looks, look = [0], retention.old_keys

    def looked(*given: Any) -> Any:
        looks[0] += 1
        return look(*given)

    monkeypatch.setattr(retention, "old_keys", looked)
    monkeypatch.setattr(module, "ROWS", 50)
    monkeypatch.setattr(module, "KEYS", 100)
    key = "INSERT INTO dedupe_keys (key, message_id, seen_at) VALUES (?, ?, ?)"
    rows = [(n.to_bytes(4, "big"), f"gone{n}", NOW - 91 * DAY) for n in range(230)]
    await house.database.write(lambda db: db.executemany(key, rows))
    for _ in range(10):
        await house.janitor.sweep()
        house.clock.advance(module.SWEEP)
    assert looks[0] == 5, "two a sweep, until the round is over"
    assert await house.count("SELECT count(*) FROM dedupe_keys") == 0
    await house.database.write(lambda db: db.execute(key, rows[0]))
    house.clock.advance(module.KEYS_EVERY)
    await house.janitor.sweep()
    assert await house.count("SELECT count(*) FROM dedupe_keys") == 0


async def test_a_clock_that_is_doubted_in_the_middle_stops_it_there(house: House):
    await house.texts(600, NOW - 91 * DAY)
    asked = iter([True] * 4)
    house.janitor._may_prune = lambda: next(asked, False)
    await house.janitor.sweep()
    assert 0 < await house.count() < 600


async def test_a_crash_in_the_middle_of_retention_loses_nothing_else(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await house.texts(200, NOW - 91 * DAY)
    await house.texts(5, NOW - DAY)
    steps = iter(range(3))
    step = house.janitor.step

    async def dies(*given: Any) -> Any:
        if next(steps, None) is None:
            raise SystemExit("kill -9")
        return await step(*given)

    monkeypatch.setattr(house.janitor, "step", dies)
    with pytest.raises(SystemExit):
        await house.janitor.sweep()
    left = await house.count()
    assert 5 < left < 205
    assert await house.count("SELECT count(*) FROM deliveries") == left
    assert await house.count("SELECT count(*) FROM attempts") == left * 3
    second = Janitor(house.database, lambda: house.configuration, house.clock, lambda: True)
    await second.sweep()
    assert await house.count() == 5


async def test_it_survives_a_disk_that_cannot_commit(house: House, monkeypatch: pytest.MonkeyPatch):
    await house.texts(10, NOW - 91 * DAY)
    monkeypatch.setattr(module, "QUICK", 0.01)
    monkeypatch.setattr(module, "SWEEP", 0.01)
    faults: Iterator[Exception] = iter([StoreUnavailable("full"), RuntimeError("a mistake")])
    maintain = house.database.maintain

    async def broken(function: Callable[[sqlite3.Connection], Any]) -> Any:
        if (fault := next(faults, None)) is not None:
            raise fault
        return await maintain(function)

    monkeypatch.setattr(house.database, "maintain", broken)
    running = asyncio.create_task(house.janitor.run())
    async with asyncio.timeout(60):
        while await house.count():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


# -- wiping ---------------------------------------------------------------------------------------


async def test_texts_are_wiped_after_their_time_while_the_rows_stay(house: House, tmp_path: Path):
    await house.set(wipe_after="7d")
    await house.texts(20, NOW - 8 * DAY, text="MARKER-OLD")
    await house.texts(5, NOW - 8 * DAY + 5000, "pending", "MARKER-WAITS")
    await house.texts(5, NOW - 6 * DAY, text="MARKER-YOUNG")
    await house.janitor.sweep()
    assert await house.count("SELECT count(*) FROM messages WHERE wiped_at IS NOT NULL") == 20
    assert await house.count() == 30
    await house.janitor.quick()
    await house.janitor.clean()
    files = everything(tmp_path)
    assert b"MARKER-OLD" not in files
    assert b"MARKER-WAITS" in files
    assert b"MARKER-YOUNG" in files


async def test_texts_are_wiped_once_they_are_delivered_and_only_if_that_is_wished(
    house: House, tmp_path: Path
):
    await house.texts(20, NOW, text="MARKER-DONE")
    await house.texts(3, NOW + 5000, "pending", "MARKER-WAITS")
    await house.janitor.quick()
    wiped = "SELECT count(*) FROM messages WHERE wiped_at IS NOT NULL"
    assert await house.count(wiped) == 0
    await house.set(wipe_delivered="on")
    house.synchronised = False  # it is no matter of age
    house.clock.advance(20)
    await house.janitor.quick()
    await house.janitor.clean()
    assert await house.count(wiped) == 20
    files = everything(tmp_path)
    assert b"MARKER-DONE" not in files
    assert b"MARKER-WAITS" in files
    await house.database.write(
        lambda db: db.execute("UPDATE deliveries SET state = 'delivered', due_at = NULL")
    )
    house.clock.advance(20)
    await house.janitor.quick()
    await house.janitor.clean()
    assert await house.count(wiped) == 23
    files = everything(tmp_path)
    assert b"MARKER-WAITS" not in files


async def test_more_open_texts_than_it_remembers_are_found_later(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wiper, "OPEN", 5)
    await house.set(wipe_delivered="on")
    await house.texts(12, NOW, "pending")
    await house.janitor.quick()
    await house.database.write(lambda db: db.execute("UPDATE deliveries SET state = 'delivered'"))
    wiped = "SELECT count(*) FROM messages WHERE wiped_at IS NOT NULL"
    await house.janitor.quick()
    assert await house.count(wiped) == 5
    house.clock.advance(wiper.ANEW + 1)
    await house.janitor.quick()
    assert await house.count(wiped) == 12


async def test_an_mms_that_comes_into_the_log_with_an_older_id_is_wiped_too(house: House):
    await house.set(wipe_delivered="on")
    await house.texts(3, NOW)
    await house.janitor.quick()
    await house.texts(1, NOW - 10 * 60_000)
    house.clock.advance(wiper.BACK + 1)
    await house.janitor.quick()
    assert await house.count("SELECT count(*) FROM messages WHERE wiped_at IS NULL") == 0


async def test_what_was_only_old_leaves_the_files_too(house: House, tmp_path: Path):
    await house.texts(20, NOW - 100 * DAY, text="MARKER-OLD")
    await house.texts(5, NOW, text="MARKER-YOUNG")
    await house.janitor.sweep()
    await house.janitor.clean()
    assert await house.count() == 5
    files = everything(tmp_path)
    assert b"MARKER-OLD" not in files
    assert b"MARKER-YOUNG" in files
    # every minute something more grows old: that is no reason to look through the file each time
    await house.texts(20, NOW - 99 * DAY, text="MARKER-NEXT")
    house.clock.advance(120)
    await house.janitor.sweep()
    await house.janitor.clean()
    assert await house.count() == 5
    assert b"MARKER-NEXT" in everything(tmp_path)
    house.clock.advance(wiper.PRUNED_APART)
    await house.janitor.clean()
    assert b"MARKER-NEXT" not in everything(tmp_path)


async def test_an_erasure_that_a_command_left_unproven_is_finished(house: House, tmp_path: Path):
    await house.texts(3, NOW, text="MARKER-GONE")
    db = connect(tmp_path / FILE)
    db.execute("DELETE FROM messages")
    db.execute("UPDATE erasures SET begun = 1, at = ?", (NOW,))
    db.close()
    await house.janitor.clean()
    assert b"MARKER-GONE" in (tmp_path / f"{FILE}-wal").read_bytes(), "the command may be at it"
    house.clock.advance(120)
    await house.janitor.clean()
    assert b"MARKER-GONE" not in everything(tmp_path)
    assert await house.count("SELECT proven FROM erasures") == 1


# -- a small log and file -------------------------------------------------------------------------


@contextmanager
def reading(path: Path) -> Iterator[None]:
    reader = connect(path, readonly=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    try:
        yield
    finally:
        reader.close()


async def test_the_log_grows_behind_a_reader_and_returns_to_its_cap(house: House, tmp_path: Path):
    path = tmp_path / FILE
    with reading(path):
        for n in range(30):
            await house.texts(100, NOW + n * 1000, text="x" * 3000)
        assert log_size(path) > WAL_LIMIT, "a reader holds it"
        await house.janitor.quick()
    await house.janitor.quick()
    await house.texts(1, NOW + 100_000)
    assert log_size(path) <= CHECKPOINT


async def test_the_file_becomes_shorter_after_much_has_gone(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "SPARE_PAGES", 100)
    await house.texts(1500, NOW - 91 * DAY, text="x" * 800)
    await house.texts(100, NOW - DAY, text="y" * 800)
    before = await house.count("PRAGMA page_count")
    await house.janitor.sweep()
    free, pages = await house.database.read(upkeep.free_pages)
    assert pages < before / 2
    assert free <= max(pages / 8, 50)
    assert await house.count("PRAGMA integrity_check") == "ok"
    assert await house.count() == 100


async def test_as_many_pages_are_given_back_as_are_asked_for(house: House):
    await house.texts(500, NOW - 91 * DAY, text="x" * 800)
    await house.janitor.sweep()
    free, pages = await house.database.read(upkeep.free_pages)
    assert free > 100
    await house.database.maintain(partial(upkeep.vacuum, pages=64))
    left, shorter = await house.database.read(upkeep.free_pages)
    assert 64 <= free - left <= 66, "and a page or two that say where the others are"
    assert 64 <= pages - shorter <= 66


async def test_making_it_shorter_holds_up_no_later_sweep(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It goes on in the next sweep, and what has become old meanwhile is removed before."""
    monkeypatch.setattr(module, "SPARE_PAGES", 100)
    shorten = upkeep.vacuum
    monkeypatch.setattr(upkeep, "vacuum", lambda db, pages: shorten(db, 1))
    stand_back = house.janitor._stand_back

    async def slowly(pace: Any, work: float, held: float, size: int) -> None:
        house.clock.advance(1)
        await stand_back(pace, 0.0, 0.0, size)

    monkeypatch.setattr(house.janitor, "_stand_back", slowly)
    await house.texts(1500, NOW - 91 * DAY, text="x" * 800)
    await house.janitor.sweep()
    first = await house.count("PRAGMA page_count")
    free, pages = await house.database.read(upkeep.free_pages)
    assert free * 8 > pages, "it is not through"
    await house.texts(1, NOW - 91 * DAY + 5000)
    await house.janitor.sweep()
    assert await house.count() == 0
    assert 0 < first - await house.count("PRAGMA page_count") <= module.SWEEP + 1


class Worked(SystemClock):
    """Tells the writer's thread how long it has worked, not how long the machine stood still."""

    def monotonic(self) -> float:
        main = threading.current_thread() is threading.main_thread()
        return super().monotonic() if main else time.thread_time()


async def test_100_000_texts_go_beside_a_trickle_and_nobody_waits_long(tmp_path: Path):
    """§5.3: the log stays within its cap, and no step of the janitor holds the writer for long."""
    database = Database.open(tmp_path)
    try:
        clock = Worked()
        house = House(database, FakeClock(clock.now()))
        house.janitor = Janitor(database, lambda: house.configuration, clock, lambda: True)

        def furnish(db: sqlite3.Connection) -> None:
            device_store.add(db, HOUSE[0], "a-token")
            endpoints.add(db, HOUSE[1])

        await database.write(furnish)
        await house.set()
        for n in range(10):
            await house.texts(10_000, clock.now() - 100 * DAY + n * 10_000)
        sweeping = asyncio.create_task(house.janitor.sweep())
        log, gone = 0, 0
        waited: list[float] = []
        while len(waited) < 60 or gone <= 100:  # it goes on beside the trickle
            new = new_message(message(HOUSE[0].id, received_at=clock.now()))
            begun = clock.monotonic()
            await database.write(partial(take, new=new))
            waited.append(clock.monotonic() - begun)
            await house.janitor.quick()
            log = max(log, log_size(tmp_path / FILE))
            await asyncio.sleep(0.1)
            gone = 100_000 - (await house.count() - len(waited))
        assert log <= 2 * WAL_LIMIT
        assert house.janitor.longest < 0.5, "seconds of its own work"
        assert sorted(waited)[-10] < 2.0, "seconds: a phone gives up after 5"
        sweeping.cancel()
        await asyncio.wait([sweeping])
    finally:
        await database.close()


# -- the pace -------------------------------------------------------------------------------------


def test_steps_grow_while_they_are_quick_and_shrink_when_they_are_slow():
    pace = Pace(size=8, most=100)
    for _ in range(40):
        pace.took(AIM / 4, 0.01, pace.size)
    assert pace.size == 100
    pace.took(AIM * 0.7, 0.01, pace.size)
    assert pace.size == 100
    for _ in range(20):
        pace.took(AIM * 4, 0.01, pace.size)
    assert pace.size == 1


def test_a_slow_disk_is_no_reason_for_tiny_steps_nor_for_hours_of_standing_back():
    pace = Pace(size=8, most=100)
    back = [pace.took(AIM / 4, 0.2, pace.size) for _ in range(40)]  # a memory card's fsync
    assert pace.size == 100
    assert set(back) == {LONGEST}


def test_the_last_step_of_a_look_says_nothing_about_larger_ones():
    pace = Pace(size=80)
    pace.took(AIM / 100, 0.01, 1)
    assert pace.size == 80


def test_the_writer_is_left_alone_nearly_all_of_the_time():
    assert Pace().took(0.001, 0.002, 8) == pytest.approx(0.002 * (1 / SHARE - 1))
    assert SHARE <= 0.05
