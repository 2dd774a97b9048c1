"""When POSTs begin: after the phones have their answers, and not at all when something changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery import takeoff
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Flight
from mmconnect.store import endpoints
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Act, Receiver, answer, receiver, when


@asynccontextmanager
async def still(
    tmp_path: Path, *first: Act, then: Act | None = None
) -> AsyncIterator[tuple[Appliance, Receiver, asyncio.Event]]:
    """An appliance whose time stands still, and a receiver that answers once the gate is open."""
    gate = asyncio.Event()
    async with (
        appliance(tmp_path, clock=FakeClock()) as box,
        receiver(*first, default=when(gate, then)) as there,
    ):
        yield box, there, gate


async def added(box: Appliance, there: Receiver, **fields: Any) -> str:
    """An endpoint of which it is known that nothing waits: its texts are born in flight."""
    made = await box.endpoint(there.url, **fields)
    await eventually(lambda: not box.dispatcher._lane(made).backlog)
    return made


async def burst(box: Appliance, there: Receiver, count: int) -> None:
    """So many texts of different senders while another is on its way to the disk: few leave."""
    box.dispatcher._takeoff.expect()
    for n in range(count):
        await box.text(str(n), f"+6581230{n:03}")
    await there.until(2)
    await asyncio.sleep(0.05)
    assert there.texts == ["0", "1"]
    assert {d.state for d in box.deliveries()[2:]} == {"in_flight"}


async def test_texts_on_their_way_to_the_disk_go_first(tmp_path: Path):
    async with still(tmp_path) as (box, there, gate):
        await added(box, there)
        await burst(box, there, 8)
        box.dispatcher._takeoff.arrived(1)
        await there.until(8)
        assert there.texts == [str(n) for n in range(8)], "in the order in which they came"
        gate.set()
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})


async def test_but_only_for_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(takeoff, "PATIENCE", 0.05)
    async with appliance(tmp_path) as box, receiver(default=when(asyncio.Event())) as there:
        await added(box, there)
        box.dispatcher._takeoff.expect()
        for n in range(8):
            await box.text(str(n), f"+658123000{n}")
        await there.until(8)


async def test_a_receiver_that_takes_its_time_gets_more_at_once_meanwhile(tmp_path: Path):
    async with still(tmp_path) as (box, there, _):
        made = await added(box, there)
        box.dispatcher._lane(made).last_ms = 25
        box.dispatcher._takeoff.expect()
        for n in range(20):
            await box.text(str(n), f"+65812300{n:02}")
        await there.until(10)
        await asyncio.sleep(0.05)
        assert there.together == 10


async def test_the_quickest_receivers_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is new has to be dialled first, which takes longer than all the others' POSTs."""
    async with still(tmp_path) as (box, there, _):
        speeds = {await added(box, there, name=str(ms)): ms for ms in (None, 80, 2)}
        for made, ms in speeds.items():
            box.dispatcher._lane(made).last_ms = ms
        order: list[int | None] = []
        start = box.dispatcher._takeoff._start

        def spy(flight: Flight) -> None:
            order.append(speeds[flight.endpoint_id])
            start(flight)

        monkeypatch.setattr(box.dispatcher._takeoff, "_start", spy)
        await box.text()
        await there.until(3)
        assert order == [2, 80, None]


async def test_what_has_not_left_when_the_endpoint_is_held_has_spent_nothing(tmp_path: Path):
    async with still(tmp_path, then=answer(410)) as (box, there, gate):
        made = await added(box, there)
        await burst(box, there, 8)
        gate.set()
        await eventually(lambda: {d.state for d in box.deliveries()} == {"pending"})
        assert [d.attempts for d in box.deliveries()] == [1, 1, *[0] * 6]
        assert [d.spent for d in box.deliveries()[2:]] == [0] * 6
        there.default = answer()
        box.change(lambda db: endpoints.ask_probe(db, made, box.clock.now()))
        await box.watch.refresh()
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        assert len(there.arrivals) == 10


async def test_what_has_not_left_when_a_person_pauses_waits(tmp_path: Path):
    async with still(tmp_path) as (box, there, gate):
        made = await added(box, there)
        await burst(box, there, 8)
        box.change(lambda db: endpoints.pause(db, made, box.clock.now()))
        await box.watch.refresh()
        await eventually(lambda: {d.state for d in box.deliveries()[2:]} == {"pending"})
        box.dispatcher._takeoff.arrived(1)
        gate.set()
        box.change(lambda db: endpoints.resume(db, made, box.clock.now()))
        await box.watch.refresh()
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        assert sorted(there.texts) == [str(n) for n in range(8)], "each once"


async def test_what_has_not_left_when_the_endpoint_is_removed_is_cancelled(tmp_path: Path):
    async with still(tmp_path) as (box, there, _):
        made = await added(box, there)
        await burst(box, there, 8)
        box.change(lambda db: endpoints.remove(db, made, box.clock.now()))
        await box.watch.refresh()
        await eventually(lambda: {d.state for d in box.deliveries()[2:]} == {"cancelled"})
        assert len(there.arrivals) == 2


async def test_what_has_not_left_when_mmconnect_stops_waits_for_the_next_start(tmp_path: Path):
    async with still(tmp_path) as (box, there, gate):
        await added(box, there)
        await burst(box, there, 8)
        gate.set()
        await box.dispatcher.stop()
        states = [(d.state, d.attempts, d.spent) for d in box.deliveries()]
        assert states == [("delivered", 1, 1)] * 2 + [("pending", 0, 0)] * 6


async def test_it_is_kept_while_the_database_cannot_take_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with still(tmp_path) as (box, there, _):
        made = await added(box, there)
        await burst(box, there, 8)
        lane = box.dispatcher._lane(made)

        async def full(*_: object, **__: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(box.database, "write", full)
            with pytest.raises(StoreUnavailable):
                await box.dispatcher._takeoff.take_back(lane)
        assert [flight.body for _, flight in lane.ready]
        box.dispatcher._takeoff.arrived(1)
        await there.until(8)


async def test_a_quick_receiver_has_texts_ready_beyond_its_limit(tmp_path: Path):
    async with still(tmp_path, answer()) as (box, there, gate):
        await added(box, there, concurrency=1)
        await box.settled(await box.text("first"))
        for n in range(10):
            await box.text(str(n), f"+658123000{n}")
        await there.until(2)
        assert {d.state for d in box.deliveries()[1:]} == {"in_flight"}
        gate.set()
        await there.until(11)
        assert there.together == 1, "one at a time, all the same"
        assert there.texts[1:] == [str(n) for n in range(10)]


async def test_a_receiver_of_unknown_speed_has_none(tmp_path: Path):
    async with still(tmp_path) as (box, there, _):
        await added(box, there, concurrency=1)
        for n in range(5):
            await box.text(str(n), f"+658123000{n}")
        assert [d.state for d in box.deliveries()] == ["in_flight", *["pending"] * 4]
