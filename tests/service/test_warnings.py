"""What is wrong with the machine is told once when it begins, once a day after, and when it was
only short, afterwards."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmconnect.domain.clock import SystemClock
from mmconnect.service.heartbeat import REMEMBERED, Heartbeat
from mmconnect.service.warnings import AGAIN, DISK_FINE, DISK_LOW, Warnings
from mmconnect.store import alerts, database, settings
from mmconnect.store.connection import FILE
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Receiver, answer, receiver


@dataclass
class Watched:
    box: Appliance
    clock: FakeClock
    warnings: Warnings
    there: Receiver

    @property
    def told(self) -> list[str]:
        """The sentences that have arrived at the alert URL, in order."""
        return [arrival.json["message"] for arrival in self.there.arrivals]


@asynccontextmanager
async def watched(directory: Path) -> AsyncIterator[Watched]:
    clock = FakeClock()
    async with appliance(directory, clock=clock) as box, receiver() as there:

        def alert(db: sqlite3.Connection) -> None:
            settings.put(db, "alert_url", there.url)
            alerts.sync(db, box.ids, clock.now())

        box.change(alert)
        await box.watch.refresh()
        warnings = Warnings(
            box.database, box.watch.look, box.ids, clock, directory, box.dispatcher.wake
        )
        yield Watched(box, clock, warnings, there)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """How much is free on every disk."""
    free = SimpleNamespace(free=DISK_FINE + 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    return free


async def test_a_disk_that_fills_up(tmp_path: Path, disk: SimpleNamespace):
    async with watched(tmp_path) as it:
        await it.warnings.turn()
        disk.free = DISK_LOW - 1
        for _ in range(3):
            await it.warnings.turn()
        await it.there.until(1)
        assert it.told[0].startswith("Only 255 MB are free on the disk of the database.")
        (arrival,) = it.there.arrivals
        assert arrival.json["warning"]["code"] == "disk"
        assert arrival.header("webhook-id") == arrival.id
        assert [w.code for w in it.warnings.now] == ["disk"]

        disk.free = DISK_FINE
        await it.warnings.turn()
        assert it.warnings.now, "not yet enough to be over"
        it.clock.advance(AGAIN - 1)
        await it.warnings.turn()
        assert len(it.box.rows("SELECT 1 FROM messages")) == 1
        it.clock.advance(1)
        await it.warnings.turn()
        await it.there.until(2)

        disk.free = DISK_FINE + 1
        await it.warnings.turn()
        assert it.warnings.now == []


async def test_what_comes_and_goes_is_told_once_in_an_hour(tmp_path: Path, disk: SimpleNamespace):
    async with watched(tmp_path) as it:
        for _ in range(20):
            for free in (DISK_LOW - 1, DISK_FINE + 1):
                disk.free = free
                await it.warnings.turn()
            it.clock.advance(60)
        await it.there.until(1)
        it.clock.advance(3600)
        await it.warnings.turn()
        await it.there.until(2)
        assert [a.json["count"] for a in it.there.arrivals] == [1, 19]


async def test_a_database_that_could_not_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: SimpleNamespace
):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr("mmconnect.delivery.dispatcher.AFTER_ERROR", 0.05)
    async with watched(tmp_path) as it:
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert (await it.box.push({}, b"{}")).status == 503
        it.clock.advance(42)
        it.warnings.begin("clock", "The clock is wrong.", "Set it.")
        await it.warnings.turn()
        assert not it.told
        blocker.close()
        await eventually(lambda: it.box.database.trouble is None)
        await it.warnings.turn()
        await it.there.until(2)
        clock, short = sorted(it.told)
        assert clock == "The clock is wrong. Set it."
        assert short.startswith("The database could not be written for 42 s (another program")
        assert [w.code for w in it.warnings.now] == ["clock"], "the database is well again"
        await it.warnings.turn()
        assert len(it.box.rows("SELECT 1 FROM messages")) == 2


async def test_others_begin_and_end_warnings(tmp_path: Path, disk: SimpleNamespace):
    async with watched(tmp_path) as it:
        it.warnings.end("clock")
        for n in (1, 2):
            it.warnings.begin("clock", f"The clock is {n} s off.", "Set it.")
        assert [w.sentence for w in it.warnings.now] == ["The clock is 2 s off."]
        it.warnings.end("clock")
        assert it.warnings.now == []
        await it.warnings.turn()
        await it.there.until(1)
        assert it.told == ["The clock is 2 s off. Set it."], "over, but nobody had been told"
        await it.warnings.turn()
        assert len(it.there.arrivals) == 1


async def test_whoever_comes_to_listen_later_is_told_too(tmp_path: Path, disk: SimpleNamespace):
    async with watched(tmp_path) as it:
        it.box.change(lambda db: settings.put(db, "alert_url", "off"))
        it.box.change(lambda db: alerts.sync(db, it.box.ids, it.clock.now()))
        await it.box.watch.refresh()
        it.warnings.begin("clock", "The clock is wrong.", "Set it.")
        await it.warnings.turn()
        assert it.box.rows("SELECT 1 FROM messages") == []
        it.box.change(lambda db: settings.put(db, "alert_url", it.there.url))
        it.box.change(lambda db: alerts.sync(db, it.box.ids, it.clock.now()))
        await it.box.watch.refresh()
        await it.warnings.turn()
        await it.there.until(1)
        await it.warnings.turn()
        assert it.told == ["The clock is wrong. Set it."]


async def test_the_loop_survives_a_bad_turn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("mmconnect.service.warnings.INTERVAL", 0.01)
    async with watched(tmp_path) as it:
        turn, bad = it.warnings.turn, [ZeroDivisionError(), ZeroDivisionError()]

        async def sometimes() -> None:
            if bad:
                raise bad.pop()
            await turn()

        monkeypatch.setattr(it.warnings, "turn", sometimes)
        running = asyncio.create_task(it.warnings.run())
        disk.free = 1
        await it.there.until(1)
        running.cancel()
        assert caplog.text.count("it is tried again") == 2


async def test_a_failing_alert_url_is_quiet_about_itself(tmp_path: Path, disk: SimpleNamespace):
    async with watched(tmp_path) as it:
        (alert,) = it.box.watch.look().endpoints
        it.there.default = answer(400)
        it.warnings.begin("clock", "The clock is wrong.", "Set it.")
        await it.warnings.turn()
        ((message_id,),) = it.box.rows("SELECT id FROM messages")
        for n in range(1, 11):
            it.box.dispatcher.wake()
            await it.box.settled(message_id, "failed" if n == 10 else "pending", attempts=n)
            it.clock.advance(90_000)
        await it.warnings.turn()
        kinds = it.box.rows("SELECT DISTINCT endpoint_id FROM deliveries")
        assert kinds == [(alert,)]
        bodies = it.box.rows("SELECT payload FROM messages")
        assert {json.loads(b)["event"] for (b,) in bodies} == {"system.warning"}


def test_a_heart_that_skips():
    clock = FakeClock()
    heart = Heartbeat(clock)
    assert heart.worst() == 0
    for _ in range(5):
        clock.advance(1)
        heart.beat()
    assert heart.worst() == 0
    clock.advance(8)
    assert heart.worst() == pytest.approx(7), "it tells before it beats again"
    heart.beat()
    for second in range(int(REMEMBERED)):
        assert heart.worst() == pytest.approx(7)
        assert heart.worst(10) == (pytest.approx(7) if second <= 10 else 0)
        clock.advance(1)
        heart.beat()
    clock.advance(1)
    heart.beat()
    assert heart.worst() == 0


async def test_a_loop_that_something_holds_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.service.heartbeat.BEAT", 0.05)
    heart = Heartbeat(SystemClock())
    beating = asyncio.create_task(heart.run())
    await asyncio.sleep(0.2)
    time.sleep(1.0)  # noqa: ASYNC251 (a hung loop is the point)
    await asyncio.sleep(0.2)
    assert heart.worst() > 0.8
    beating.cancel()
