"""Replaying many in the running machine: its rate, its turns, and what it survives."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from mmconnect.delivery.replays import Replays
from mmconnect.desk import deliveries as desk
from mmconnect.desk.actor import Actor
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import DELIVERY
from mmconnect.domain.models import DeliveryState, EndpointState, Trigger
from mmconnect.store import delivery_counts, endpoints, replays, settings
from mmconnect.store.delivery_lists import Wanted
from mmconnect.store.outbox import NewDelivery, add
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver

FAILED = Wanted(states=frozenset({DeliveryState.FAILED}))


def loop(box: Appliance) -> Replays:
    return Replays(box.database, box.watch.look, box.dispatcher.wake, box.clock)


async def failed(box: Appliance, endpoint_id: str, count: int) -> list[str]:
    """So many deliveries that have failed for good; their ids."""
    message_id = await box.text()
    made = [box.ids.new(DELIVERY) for _ in range(count)]

    def write(db):
        for one in made:
            new = NewDelivery(
                id=one,
                message_id=message_id,
                endpoint_id=endpoint_id,
                sender=one,
                trigger=Trigger.PUSH,
                created_at=box.clock.now(),
            )
            add(db, new)
            db.execute(
                "UPDATE deliveries SET state = 'failed', due_at = NULL, spent = 10, attempts = 10"
                " WHERE id = ?",
                (one,),
            )

    box.change(write)
    return made


async def order(box: Appliance, wanted: Wanted = FAILED) -> str:
    def write(db):
        counted = delivery_counts.exact(db, wanted)
        now, by = box.clock.now(), Actor(name="cli")
        replay = desk.order(db, wanted, counted, ids=box.ids, now=now, by=by)
        return replay.id

    replay_id = box.change(write)
    await box.watch.refresh()
    return replay_id


def pending(box: Appliance) -> int:
    """How many replayed ones wait."""
    found = [d for d in box.deliveries() if d.trigger is Trigger.REPLAY]
    return sum(d.state is DeliveryState.PENDING for d in found)


async def paused(box: Appliance) -> str:
    return await box.endpoint("http://127.0.0.1:9/", state=EndpointState.PAUSED)


async def test_a_turn_offers_as_many_as_the_rate_says(tmp_path: Path):
    async with appliance(tmp_path, clock=FakeClock()) as box:
        endpoint_id = await paused(box)
        await failed(box, endpoint_id, 50)
        box.change(lambda db: settings.put(db, "replay_rate", "7"))
        replay_id = await order(box)
        working = loop(box)
        assert [await working.turn() for _ in range(3)] == [7, 7, 7]
        assert pending(box) == 21, "what is paused just waits"
        box.change(lambda db: settings.put(db, "replay_rate", "1000"))
        await box.watch.refresh()
        assert await working.turn() == 29
        assert await working.turn() == 0
        done = await box.database.read(lambda db: replays.get(db, replay_id))
        assert done is not None
        assert done.done == done.total == 50


async def test_they_are_sent_with_a_fresh_budget_and_the_same_body(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url)
        made = await failed(box, endpoint_id, 5)
        await there.until(1)
        before = 1
        await order(box)
        await loop(box).turn()
        await there.until(before + 5)
        await eventually(lambda: not [d for d in box.deliveries() if d.state != "delivered"])
        again = there.arrivals[before:]
        assert {one.header("X-MMConnect-Delivery") for one in again} == set(made)
        assert {one.header("X-MMConnect-Attempt") for one in again} == {"11"}
        assert len({one.body for one in there.arrivals}) == 1
        (attempts,) = {len(box.attempts(one)) for one in made}
        assert attempts == 1
        assert {d.spent for d in box.deliveries() if d.id in made} == {1}


async def test_a_dead_one_has_its_whole_schedule_again(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        endpoint_id = await box.endpoint(there.url, state=EndpointState.PAUSED)
        (one,) = await failed(box, endpoint_id, 1)
        await order(box, Wanted(states=frozenset({DeliveryState.FAILED}), endpoint_id=endpoint_id))
        await loop(box).turn()
        box.change(lambda db: endpoints.resume(db, endpoint_id, clock.now()))
        await box.watch.refresh()
        await eventually(lambda: box.attempts(one))
        (found,) = [d for d in box.deliveries() if d.id == one]
        assert (found.state, found.attempts, found.spent) == ("pending", 11, 1)
        assert found.due_at == clock.now() + 5000


async def test_it_rests_until_something_is_ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    looks = 0
    real = replays.next_open

    def counting(*args):
        nonlocal looks
        looks += 1
        return real(*args)

    monkeypatch.setattr(replays, "next_open", counting)
    async with appliance(tmp_path) as box:
        endpoint_id = await paused(box)
        await failed(box, endpoint_id, 1)
        working = loop(box)
        await box.watch.refresh()
        for _ in range(10):
            await working.turn()
        assert looks == 1, "not one look at the database while nothing changes"
        await order(box)
        assert await working.turn() > 0


async def test_the_loop_survives_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    errors = [RuntimeError("a mistake of ours"), StoreUnavailable("the disk is full")]
    real = replays.next_open

    def broken(*args):
        if errors:
            raise errors.pop(0)
        return real(*args)

    monkeypatch.setattr(replays, "next_open", broken)
    monkeypatch.setattr("mmconnect.delivery.replays.TURN", 0.0)
    async with appliance(tmp_path) as box:
        endpoint_id = await paused(box)
        await failed(box, endpoint_id, 3)
        await order(box)
        running = asyncio.create_task(loop(box).run())
        try:
            await eventually(lambda: pending(box) >= 3)
        finally:
            running.cancel()
            await asyncio.wait([running])
    assert "A turn of a replay failed" in caplog.text
    assert "the disk is full" in caplog.text
