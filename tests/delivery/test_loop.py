"""The loop never dies: exceptions, a database that cannot commit, a stop in mid-flight."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

import pytest

from mmconnect.delivery import dispatcher as dispatching
from mmconnect.delivery.signed import sign
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import EndpointState
from mmconnect.store import claims, database, deliveries, endpoints
from mmconnect.store.connection import FILE
from tests.delivery.outages import quiet
from tests.support.clocks import DAY, SetClock
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.receiver import answer, free_port, hang, receiver, when


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are backed off for a moment only, so that the test is short."""
    monkeypatch.setattr(dispatching, "AFTER_ERROR", 0.05)
    monkeypatch.setattr(database, "PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_twenty_exceptions_in_a_row_are_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    real, calls = claims.claim, 0

    def broken(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls <= 20:
            raise RuntimeError("a mistake of ours")
        return real(*args, **kwargs)

    monkeypatch.setattr(claims, "claim", broken)
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url, state=EndpointState.PAUSED)
        message_id = await box.text()
        begun = box.dispatcher.last_turn
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        await box.settled(message_id)
        assert calls > 20
        assert box.dispatcher.last_turn > begun
        assert len(there.arrivals) == 1
        # each is run a second time, alone, before it counts as failed
        assert caplog.text.count("A turn of the dispatcher failed") == 10
        assert "a mistake of ours" in caplog.text


async def test_an_exception_is_backed_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A loop that fails at once must not spin."""
    assert dispatching.AFTER_ERROR >= 1
    monkeypatch.setattr(dispatching, "AFTER_ERROR", 3600)
    calls = 0

    def broken(*_args, **_kwargs):
        nonlocal calls
        calls += 1
        raise RuntimeError("always")

    monkeypatch.setattr(claims, "claim", broken)
    async with appliance(tmp_path) as box:
        await box.endpoint("http://127.0.0.1:9/")
        await eventually(lambda: calls)
        await quiet(box)
        before = calls
        await asyncio.sleep(0.3)
        assert calls == before


async def test_the_loop_rests_when_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls, real = 0, claims.claim

    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(claims, "claim", counting)
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        await box.endpoint(there.url)
        await box.settled(await box.text(), "pending")
        await quiet(box)
        before = calls
        await asyncio.sleep(0.6)
        assert calls == before, "not one look at a queue in which nothing is due"


@pytest.mark.usefixtures("impatient")
async def test_a_mistake_while_sending_is_recorded_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = 0

    def broken(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a mistake of ours")
        return sign(*args, **kwargs)

    monkeypatch.setattr("mmconnect.delivery.signed.sign", broken)
    async with appliance(tmp_path, clock=FakeClock()) as box, receiver() as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        await eventually(lambda: calls == 1)
        delivery = await box.settled(message_id, "pending")
        assert box.attempts(delivery.id)[0].outcome == "failing"
        assert there.arrivals == []


async def test_a_mistake_while_sending_frees_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = 0

    def broken(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("a mistake of ours")
        return sign(*args, **kwargs)

    monkeypatch.setattr("mmconnect.delivery.signed.sign", broken)
    async with appliance(tmp_path, clock=FakeClock()) as box, receiver() as there:
        await box.endpoint(there.url, concurrency=1)
        await box.text("1")
        await eventually(lambda: calls == 1)
        await box.settled(await box.text("2"))
        assert there.texts == ["2"]


@pytest.mark.usefixtures("impatient")
async def test_while_the_database_cannot_commit_results_wait_and_nothing_new_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(when(gate)) as there:
        paused = await box.endpoint(there.url + "2", state=EndpointState.PAUSED)
        await box.endpoint(there.url)
        first = await box.text("in flight", "+6581230001")
        await there.until(1)
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        gate.set()
        await eventually(lambda: "A result waits" in caplog.text)
        assert box.database.trouble is not None
        for _ in range(10):
            box.dispatcher.wake()
            await asyncio.sleep(0.01)
        assert len(there.arrivals) == 1
        blocker.execute("ROLLBACK")
        blocker.close()
        (delivery,) = [d for d in box.deliveries(first) if d.endpoint_id != paused]
        await eventually(lambda: box.attempts(delivery.id))
        assert box.attempts(delivery.id)[0].status == 200
        box.change(lambda db: endpoints.resume(db, paused, box.clock.now()))
        await there.until(2)
        assert [one.target for one in there.arrivals] == ["/hook", "/hook2"]
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_result_that_waits_for_the_database_moves_with_the_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, jump: int
):
    clock, gate = SetClock(), asyncio.Event()
    async with appliance(tmp_path, clock=clock) as box, receiver(when(gate, answer(500))) as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        await there.until(1)
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        gate.set()
        await eventually(lambda: "A result waits" in caplog.text)
        clock.set_by(jump)
        blocker.close()
        await box.settled(message_id, "pending", attempts=1)
        (delivery,) = box.deliveries(message_id)
        assert delivery.due_at == clock.now() + 5000


async def test_nothing_starts_until_all_has_moved_with_the_clock(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        moving = True
        box.dispatcher._moving = lambda: moving
        message_ids = [await box.text(sender=f"+658123000{n}") for n in range(3)]
        box.dispatcher.wake()
        await asyncio.sleep(0.1)
        assert there.arrivals == []
        moving = False
        box.dispatcher.wake()
        for message_id in message_ids:
            await box.settled(message_id)


@pytest.mark.usefixtures("impatient")
async def test_the_loop_survives_a_database_that_cannot_be_claimed_from(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url, state=EndpointState.PAUSED)
        message_id = await box.text()
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        await eventually(lambda: box.database.trouble)
        with pytest.raises(StoreUnavailable):
            await box.database.probe()
        assert there.arrivals == []
        blocker.close()
        await box.settled(message_id)


async def test_a_stop_waits_for_what_is_in_flight(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate)) as there:
        await box.endpoint(there.url)
        first = await box.text("first", "+6581230001")
        await there.until(1)
        stopping = asyncio.create_task(box.dispatcher.stop())
        await asyncio.sleep(0.01)
        second = await box.text("second", "+6581230002")
        assert not stopping.done()
        gate.set()
        await stopping
        await box.settled(first)
        assert [d.state for d in box.deliveries(second)] == ["pending"], "nothing new starts"
        assert len(there.arrivals) == 1


async def test_a_stop_does_not_wait_for_ever_and_the_next_start_sends_again(tmp_path: Path):
    port = free_port()
    async with (
        appliance(tmp_path, total_timeout=3600) as box,
        receiver(hang, port=port) as there,
    ):
        await box.endpoint(there.url)
        message_id = await box.text()
        await there.until(1)
        async with asyncio.timeout(60):
            await box.dispatcher.stop(patience=0.1)
        assert [d.state for d in box.deliveries(message_id)] == ["in_flight"]
    async with appliance(tmp_path, tokens=()) as box, receiver(port=port) as there:
        delivery = await box.settled(message_id, attempts=2)
        one, two = box.attempts(delivery.id)
        assert (one.outcome, one.status) == ("interrupted", None)
        assert "it may have been delivered" in (one.error or "")
        assert two.outcome == "delivered"
        assert there.arrivals[0].header("X-MMConnect-Attempt") == "2"


async def test_what_was_cut_short_still_comes_before_its_senders_next_text(tmp_path: Path):
    port = free_port()
    async with appliance(tmp_path) as box, receiver(hang, port=port) as there:
        await box.endpoint(there.url)
        await box.text("one")
        await there.until(1)
        await box.text("two")
        await box.dispatcher.stop(patience=0.1)
    async with appliance(tmp_path, tokens=()), receiver(port=port) as there:
        await there.until(2)
        assert there.texts == ["one", "two"]


async def test_a_retry_from_another_process_is_noticed(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        delivery = await box.settled(await box.text())
        box.change(lambda db: deliveries.retry(db, [delivery.id], box.clock.now()))
        await there.until(2)
