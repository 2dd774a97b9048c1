"""Figures in memory: written once a minute, kept while nothing can be, told before they are."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mmconnect.delivery.flight import Landing
from mmconnect.desk import figures as module
from mmconnect.desk import trends
from mmconnect.desk.figures import Figures
from mmconnect.domain.days import DAY, HOUR
from mmconnect.domain.models import Attempt, DeliveryState, Flight, Trigger
from mmconnect.phones.counts import Counts
from mmconnect.store import tallies
from mmconnect.store.database import Database
from mmconnect.webhook.outcome import OutcomeClass
from tests.store.making import endpoint
from tests.support.inprocess import NOW, FakeClock

UTC = ZoneInfo("UTC")
ENDPOINT = endpoint()


class House:
    def __init__(self, database: Database) -> None:
        self.database, self.clock, self.counts = database, FakeClock(), Counts()
        self.figures = Figures(database, self.clock, self.counts, UTC)

    def text(self, device_id: str = "dev_1", count: int = 1) -> None:
        for _ in range(count):
            self.counts.text_taken(device_id, self.clock.now(), duplicate=False)

    def attempt(
        self,
        result: OutcomeClass = OutcomeClass.DELIVERED,
        state: DeliveryState = DeliveryState.DELIVERED,
        *,
        trigger: Trigger = Trigger.PUSH,
        probe: bool = False,
    ) -> None:
        flight = Flight(
            delivery_id="dlv_1",
            message_id="msg_1",
            endpoint_id=ENDPOINT.id,
            sender="",
            number=1,
            spent=1,
            trigger=trigger,
            probe=probe,
            body=b"",
        )
        attempt = Attempt(
            delivery_id="dlv_1",
            number=1,
            started_at=self.clock.now(),
            duration_ms=40,
            outcome=result,
            status=None if result is OutcomeClass.NOT_REACHED else 200,
            error=None,
            address=None,
        )
        landed = Landing(attempt=attempt, result=result, state=state, due_at=None, spent=1)
        self.figures.observed(ENDPOINT, flight, landed)

    async def trend(self, device_id: str = "") -> trends.TextTrend:
        return await self.figures.read(lambda db, new: trends.texts(db, new, device_id))

    async def endpoint_trend(self) -> trends.EndpointTrend:
        return await self.figures.read(lambda db, new: trends.endpoint(db, new, ENDPOINT.id))

    async def rows(self) -> list[tuple[str, int, int]]:
        return await self.database.read(
            lambda db: db.execute("SELECT * FROM text_hours ORDER BY 1, 2").fetchall()
        )


@pytest.fixture
async def house(database: Database) -> House:
    return House(database)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    await opened.close()


async def test_a_text_is_told_before_it_is_written_and_once_after(house: House):
    house.text(count=3)
    house.text("dev_2")
    assert (await house.trend()).today == 4
    await house.figures.flush()
    assert ((await house.trend()).today, (await house.trend("dev_2")).today) == (4, 1)
    this = NOW - NOW % HOUR
    assert await house.rows() == [("", this, 4), ("dev_1", this, 3), ("dev_2", this, 1)]
    await house.figures.flush()
    assert (await house.trend()).today == 4


async def test_a_push_again_is_no_text(house: House):
    house.counts.text_taken("dev_1", NOW, duplicate=True)
    assert (await house.trend()).today == 0


async def test_what_is_being_written_is_told_all_the_while(house: House):
    house.text(count=5)
    told = []
    writing = asyncio.create_task(house.figures.flush())
    for _ in range(40):
        told.append((await house.trend()).today)
    await writing
    assert set(told) == {5}


async def test_what_is_on_the_disk_before_that_is_told_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.text(count=5)
    submit, loop = house.database.submit, asyncio.get_running_loop()
    committed, told = asyncio.Event(), loop.create_future()

    def late(function: Any, then: Any, **how: Any) -> asyncio.Future[None]:
        def landed(*what: Any) -> None:
            committed.set()
            loop.call_later(0.2, then, *what)
            loop.call_later(0.2, told.set_result, None)

        submit(function, landed, **how)
        return told

    monkeypatch.setattr(house.database, "submit", late)
    writing = asyncio.create_task(house.figures.flush())
    await committed.wait()
    assert (await house.trend()).today == 5
    await writing


async def test_what_cannot_be_written_is_kept_and_written_later(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    house.text(count=2)
    house.attempt()
    monkeypatch.setattr(tallies, "add", full)
    with pytest.raises(sqlite3.OperationalError):
        await house.figures.flush()
    house.text()
    assert await house.rows() == []
    assert (await house.trend()).today == 3
    monkeypatch.undo()
    await house.figures.flush()
    assert [row[2] for row in await house.rows()] == [3, 3]
    assert (await house.endpoint_trend()).delivered == 1


async def test_memory_is_bounded_while_nothing_can_be_written(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MOST", 3)
    for _ in range(10):
        house.attempt()
        house.clock.advance(3600)
    assert len(house.figures.unwritten().attempts) == 3


async def test_two_flushes_at_once_write_everything_once(house: House):
    house.text()
    first = asyncio.create_task(house.figures.flush())
    await asyncio.sleep(0)
    house.text()
    await house.figures.flush()  # as at a stop: what has come since is written, too
    await first
    assert [row[2] for row in await house.rows()] == [2, 2]


async def test_attempts_are_judged(house: House):
    for _ in range(3):
        house.attempt()
    house.attempt(OutcomeClass.FAILING, state=DeliveryState.FAILED)
    house.attempt(OutcomeClass.NOT_REACHED, state=DeliveryState.PENDING, probe=True)
    house.attempt(OutcomeClass.FAILING, state=DeliveryState.FAILED, trigger=Trigger.TEST)
    house.figures.expired(ENDPOINT.id, 2)
    trend = await house.endpoint_trend()
    assert (trend.delivered, trend.failed, trend.given_up) == (3, 1, 3)
    assert trend.success == 0.75
    assert trend.p95 == pytest.approx(40, rel=0.11)
    assert (trend.bars[-1].delivered, trend.bars[-1].failed) == (3, 1)
    house.clock.advance(25 * 3600)
    later = await house.endpoint_trend()
    assert (later.delivered, later.success, later.p95) == (0, None, None)
    assert later.bars[-2].delivered == 3


async def weeks_of(house: House, *counts: int) -> None:
    """So many texts at noon of today's weekday, the last week first; then it is 14:32."""
    now = house.clock.now()
    begin = (*counts, 1)  # the day of the very first text may have begun before it, and is no guide
    rows = {("dev_1", now - n * 7 * DAY - 2 * HOUR): c for n, c in enumerate(begin, 1) if c}
    hours = {(owner, at - at % HOUR): count for (owner, at), count in rows.items()}
    await house.database.write(lambda db: tallies.add(db, hours, {}))


async def test_today_is_held_against_the_same_weekday(house: House):
    await weeks_of(house, 20, 22, 18, 24, 30)
    house.text(count=9)
    trend = await house.trend()
    assert (trend.today, trend.usual, trend.quiet) == (9, 22, True)
    house.text(count=9)
    assert not (await house.trend()).quiet


async def test_of_the_present_hour_as_much_counts_as_has_passed(house: House):
    now = house.clock.now()  # 14:32
    rows = {("dev_1", now - n * 7 * DAY - now % HOUR): 60 for n in range(1, 6)}
    await house.database.write(lambda db: tallies.add(db, rows, {}))
    assert (await house.trend()).usual == 32


@pytest.mark.parametrize(
    ("weeks", "usual"),
    [((20, 20, 20), None), ((3, 4, 3, 4, 3), 3), ((40, 0, 41, 40, 40, 40), 40)],
    ids=["not weeks enough", "few texts", "it has happened before"],
)
async def test_nothing_is_unusual_without_good_reason(
    house: House, weeks: tuple[int, ...], usual: int | None
):
    await weeks_of(house, *weeks)
    trend = await house.trend()
    assert (trend.today, trend.usual, trend.quiet) == (0, usual, False)


async def test_after_a_jump_of_the_clock_today_is_today(house: House):
    house.text(count=2)
    house.clock.advance(3 * 86400)
    house.text()
    trend = await house.trend()
    assert trend.today == 1
    assert [bar.texts for bar in trend.bars[-4:]] == [2, 0, 0, 1]
    house.clock.advance(-40 * 86400)
    assert (await house.trend()).today == 0
