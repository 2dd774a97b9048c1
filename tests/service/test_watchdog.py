"""When the watchdog is fed: the judgement by itself, and then a real loop, writer and socket."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.service import watchdog
from mmconnect.service.systemd import Systemd
from mmconnect.service.watchdog import (
    DELIVERIES_MAY_REST,
    PROVE_EVERY,
    WRITER_MAY_TAKE,
    Signs,
    Verdict,
    Watchdog,
    judge,
)
from mmconnect.store.connection import FILE, connect
from mmconnect.store.database import Database
from mmconnect.store.pulse import Pulse
from tests.support.inprocess import FakeClock
from tests.support.notified import Notified

FULL = "the disk is full (database or disk is full)"


@pytest.mark.parametrize(
    ("signs", "fed"),
    [
        (Signs(), True),
        (Signs(writer_at_it=WRITER_MAY_TAKE, writer_silent=WRITER_MAY_TAKE), True),
        (Signs(writer_at_it=WRITER_MAY_TAKE + 1), False),
        (Signs(deliveries_rested=DELIVERIES_MAY_REST), True),
        (Signs(deliveries_rested=DELIVERIES_MAY_REST + 1), False),
        (Signs(refused=FULL), True),
        (Signs(refused=FULL, writer_silent=PROVE_EVERY), True),
        (Signs(refused=FULL, writer_at_it=WRITER_MAY_TAKE + 1), False),
        (Signs(writer_silent=PROVE_EVERY + WRITER_MAY_TAKE), True),
        (Signs(writer_silent=PROVE_EVERY + WRITER_MAY_TAKE + 1), False),
    ],
)
def test_which_states_feed_it(signs: Signs, fed: bool) -> None:
    verdict = judge(signs)
    assert verdict.feed is fed
    assert fed or verdict.why, "whoever looks into the log is to know why"


def test_a_refusal_is_told_although_it_is_fed() -> None:
    why = judge(Signs(refused=FULL)).why
    assert why == f"No text can be taken in: {FULL}."


def test_a_commit_is_made_only_after_a_long_time_without_one() -> None:
    assert not judge(Signs(writer_silent=PROVE_EVERY)).prove
    assert judge(Signs(writer_silent=PROVE_EVERY + 1)).prove
    assert not judge(Signs(writer_silent=PROVE_EVERY + 1, writer_at_it=1.0)).prove
    assert not judge(Signs(writer_silent=PROVE_EVERY + 1, refused=FULL)).prove


# -- the writer's pulse ---


def test_the_pulse() -> None:
    clock = FakeClock()
    pulse = Pulse(clock.monotonic)
    clock.advance(5)
    assert (pulse.at_it, pulse.silent) == (0.0, 5.0)
    pulse.begins()
    clock.advance(2)
    assert (pulse.at_it, pulse.silent) == (2.0, 7.0)
    pulse.settles(1, refused=False)
    pulse.rests()
    assert (pulse.at_it, pulse.silent) == (0.0, 0.0)
    clock.advance(1)
    pulse.settles(1, refused=False)
    assert pulse.silent == 1.0, "a commit of nothing asks the disk nothing"
    pulse.settles(1, refused=True)
    assert pulse.silent == 0.0, "a refusal is an answer"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    await opened.close()


async def test_what_the_disk_has_answered_and_what_not(database: Database) -> None:
    def lately(before: float) -> bool:
        return database.pulse.silent < asyncio.get_running_loop().time() - before

    async def long_ago() -> float:
        """Some time after anything before."""
        await asyncio.sleep(0.05)
        return asyncio.get_running_loop().time()

    before = await long_ago()
    await database.write(lambda db: db.execute("INSERT INTO settings VALUES ('x', 'y')"))
    assert lately(before)
    before = await long_ago()
    await database.write(lambda db: db.execute("DELETE FROM settings WHERE 0"))
    await database.maintain(lambda db: None)
    await database.read(lambda db: None)
    assert not lately(before)
    with contextlib.closing(connect(database.path)) as other:
        version = other.execute("PRAGMA data_version").fetchone()
        await database.probe()
        assert other.execute("PRAGMA data_version").fetchone() != version, "it was on the disk"
    assert lately(before)
    assert database.pulse.at_it == 0.0


# -- a real loop, writer and socket ---


@pytest.fixture
def manager() -> Iterator[Notified]:
    listening = Notified()
    yield listening
    listening.close()


@contextlib.asynccontextmanager
async def watched(
    manager: Notified, database: Database, rested: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[Watchdog]:
    """A watchdog that is fed a hundred times a second."""
    told = Watchdog(Systemd(manager.address, 0.04), database, rested, list, "All is well")
    task = asyncio.create_task(told.run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told(manager: Notified, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    return await asyncio.to_thread(manager.wait, wanted)


def is_fed(message: dict[str, str]) -> bool:
    return message == {"WATCHDOG": "1"}


async def test_it_is_fed_while_all_is_well(manager: Notified, database: Database) -> None:
    async with watched(manager, database):
        await told(manager, lambda message: message == {"STATUS": "All is well"})
        await told(manager, is_fed)


async def test_what_cannot_be_told_keeps_nobody_from_being_fed(
    manager: Notified, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def troubles() -> list[str]:
        raise ValueError("no such thing")

    watching = Watchdog(Systemd(manager.address, 0.04), database, lambda: 0.0, troubles, "")
    task = asyncio.create_task(watching.run())
    await told(manager, is_fed)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "no such thing" in caplog.text


async def test_a_loop_that_stands_still_feeds_nothing(
    manager: Notified, database: Database
) -> None:
    async with watched(manager, database):
        await told(manager, is_fed)
        manager.forget()  # the loop stands still from here on, as it is held up by this very test
        time.sleep(0.5)  # noqa: ASYNC251 (that is the point: fifty feedings long)
        assert manager.look() == []
        await told(manager, is_fed)


async def test_a_writer_that_does_not_come_back_ends_the_feeding(
    manager: Notified,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watchdog, "WRITER_MAY_TAKE", 0.2)
    released = threading.Event()
    async with watched(manager, database) as watching:
        stuck = database.submit(lambda db: released.wait(600), heavy=True)
        why = await told(manager, lambda m: "has not answered a write" in m.get("STATUS", ""))
        assert why.keys() == {"STATUS"}
        manager.forget()
        for _ in range(5):
            assert not watching.turn().feed
        assert manager.feedings() == 0
        released.set()
        await stuck
        await told(manager, is_fed)
    assert "systemd is left to start mmconnect again" in caplog.text
    assert "That is over" in caplog.text


async def test_a_delivery_loop_that_does_not_come_round_ends_it_too(
    manager: Notified, database: Database
) -> None:
    async with watched(manager, database, rested=lambda: DELIVERIES_MAY_REST + 1) as watching:
        await told(manager, lambda m: "delivery loop has not turned" in m.get("STATUS", ""))
        assert not watching.turn().feed
        assert manager.feedings() == 0


async def test_a_database_that_refuses_goes_on_being_fed_and_says_why(
    manager: Notified, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds it: refused as a full disk is (the e2e test has one of those)."""
    monkeypatch.setattr("mmconnect.store.database.PATIENCE", 0.05)
    blocker = connect(tmp_path / FILE)
    blocker.execute("BEGIN IMMEDIATE")
    async with watched(manager, database) as watching:
        with pytest.raises(StoreUnavailable):
            await database.probe()
        why = await told(manager, lambda m: "No text can be taken in" in m.get("STATUS", ""))
        assert "another program holds the database" in why["STATUS"]
        manager.forget()
        await told(manager, is_fed)
        blocker.execute("ROLLBACK")
        blocker.close()
        await database.probe()
        await told(manager, lambda message: message == {"STATUS": "All is well"})
        assert watching.turn() == Verdict(feed=True)


async def test_an_idle_one_proves_now_and_then_that_it_can_write(
    manager: Notified, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "PROVE_EVERY", 0.3)
    proofs = 0
    probe = database.probe

    async def counted() -> None:
        nonlocal proofs
        await probe()
        proofs += 1

    monkeypatch.setattr(database, "probe", counted)
    async with watched(manager, database):
        while proofs < 2:
            await told(manager, is_fed)
            manager.forget()
    assert database.trouble is None


async def test_a_proof_that_fails_is_trouble_for_all_to_see(
    manager: Notified, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(db: sqlite3.Connection) -> int:
        raise StoreUnavailable("the disk gave an input/output error")

    monkeypatch.setattr(watchdog, "PROVE_EVERY", 0.0)
    monkeypatch.setattr("mmconnect.store.migrate.version", refuse)
    async with watched(manager, database):
        why = await told(manager, lambda m: "No text can be taken in" in m.get("STATUS", ""))
        assert "input/output error" in why["STATUS"]


async def test_without_systemd_there_is_nothing_to_do(database: Database) -> None:
    await Watchdog(Systemd(), database, lambda: 0.0, list, "").run()
