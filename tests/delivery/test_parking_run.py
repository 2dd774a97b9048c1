"""Texts for an endpoint that takes nothing are parked, and all of them go out afterwards."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery import parking as lot
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import claims, deliveries, endpoints, parking
from tests.delivery.outages import live, nobody, quiet, states, texts
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver, when


def parked(box: Appliance) -> int:
    return box.one("SELECT count(*) FROM deliveries WHERE state = 'pending' AND parked = 1")


async def paused(box: Appliance, url: str) -> str:
    endpoint_id = await box.endpoint(url)
    box.change(lambda db: endpoints.pause(db, endpoint_id, box.clock.now()))
    await box.watch.refresh()
    return endpoint_id


async def test_what_comes_while_paused_is_parked_and_goes_out_in_order(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await paused(box, there.url)
        await texts(box, "1", "2", "3")
        await quiet(box)
        assert parked(box) == 3
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        await there.until(3)
        assert there.texts == ["1", "2", "3"]
        await eventually(lambda: states(box) == {"delivered": 3})


async def test_what_is_parked_at_a_stop_goes_out_after_the_next_start(tmp_path: Path):
    async with receiver() as there:
        async with appliance(tmp_path) as box:
            endpoint_id = await paused(box, there.url)
            await texts(box, "1", "2")
            assert parked(box) == 2
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        async with appliance(tmp_path, tokens=()) as box:
            await there.until(2)
            assert there.texts == ["1", "2"]


async def test_a_probe_of_what_is_held_takes_what_is_parked(tmp_path: Path):
    async with nobody(tmp_path) as (box, _, endpoint_id, _), receiver() as there:
        await texts(box, "2", "3")
        await quiet(box)
        assert parked(box) == 2
        box.change(
            lambda db: db.execute(
                "UPDATE endpoints SET url = ? WHERE id = ?", (there.url, endpoint_id)
            )
        )
        await there.until(3)
        assert parked(box) == 0
        assert there.texts[1:] == ["2", "3"]


async def test_a_text_for_an_endpoint_that_works_is_never_parked(tmp_path: Path):
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, concurrency=1)
        there.then(when(gate))
        await texts(box, "1", "2", "3")
        assert (parked(box), len(states(box))) == (0, 2), "one is in flight, and two wait"
        gate.set()
        await there.until(3)


async def test_when_there_is_no_room_all_are_queued_and_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lot, "ROOM", 5)
    monkeypatch.setattr(lot, "_AT_ONCE", 2)
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await paused(box, there.url)
        await texts(box, *"12345")
        assert parked(box) == 5
        await texts(box, "6")
        await eventually(lambda: parked(box) == 0)
        await eventually(lambda: box.dispatcher._parking._taken == 0)
        await texts(box, "7")
        assert parked(box) == 1
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        await there.until(7)
        assert there.texts == list("1234567")


@pytest.mark.parametrize("error", [StoreUnavailable("full"), RuntimeError("a bug")])
async def test_queuing_them_is_tried_again_when_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    monkeypatch.setattr(lot, "ROOM", 1)
    real: Callable[[sqlite3.Connection, int], int] = parking.queue_all
    failed = asyncio.Event()

    def fails_once(db: sqlite3.Connection, limit: int = -1) -> int:
        if failed.is_set():
            return real(db, limit)
        loop.call_soon_threadsafe(failed.set)
        raise error

    loop = asyncio.get_running_loop()
    async with appliance(tmp_path) as box:
        await paused(box, "http://127.0.0.1:9/")
        await quiet(box)  # the sweep of the start queues them, too
        monkeypatch.setattr(parking, "queue_all", fails_once)
        await texts(box, "1", "2")
        await failed.wait()
        await eventually(lambda: box.dispatcher._parking._clearing is None)
        # the second text was queued at once, or came so late that it has had them queued already
        assert parked(box) <= 1
        await texts(box, "3")
        await eventually(lambda: parked(box) == 0)


async def test_a_claim_that_fails_looks_for_what_is_parked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        endpoint_id = await paused(box, there.url)
        await texts(box, "1")
        real, failures = claims.claim, iter([StoreUnavailable("full")] * 2)  # it is run once more

        def fails_once(*how: Any, **more: Any) -> claims.Claimed:
            for failure in failures:
                raise failure
            return real(*how, **more)

        monkeypatch.setattr(claims, "claim", fails_once)
        box.change(lambda db: endpoints.resume(db, endpoint_id, clock.now()))
        await there.until(1)
        assert next(failures, None) is None


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_people_and_receivers_do_every_text_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """Three endpoints that come and go, pauses, replays, full rooms, and a start in between."""
    monkeypatch.setattr(lot, "ROOM", 7)
    monkeypatch.setattr(lot, "_AT_ONCE", 3)
    rng, clock = random.Random(seed), FakeClock()
    sent: list[str] = []
    async with receiver() as one, receiver() as two, receiver() as three:
        there = [one, two, three]
        ids: list[str] = []
        for run in range(3):
            async with appliance(tmp_path, clock=clock, tokens=() if run else ("a-token",)) as box:
                box.tokens["dev"] = "a-token"
                ids = ids or [await box.endpoint(r.url) for r in there]
                for _ in range(30):
                    at = rng.randrange(3)
                    match rng.randrange(8):
                        case 0:
                            there[at].default = rng.choice([answer(), answer(503), answer(500)])
                        case 1:
                            box.change(
                                partial(endpoints.pause, endpoint_id=ids[at], now=clock.now())
                            )
                        case 2:
                            box.change(
                                partial(endpoints.resume, endpoint_id=ids[at], now=clock.now())
                            )
                        case 3:
                            await live(box, clock, 60, 10)
                        case 4 if sent:
                            again = box.deliveries(rng.choice(sent))[at].id
                            box.change(
                                partial(deliveries.retry, delivery_ids=[again], now=clock.now())
                            )
                        case _:
                            sent.append(await box.text(f"{len(sent)}", f"+6581{rng.randrange(4)}"))
                await box.watch.refresh()
        for each in there:
            each.default = answer()
        async with appliance(tmp_path, clock=clock, tokens=()) as box:
            for endpoint_id in ids:
                box.change(partial(endpoints.resume, endpoint_id=endpoint_id, now=clock.now()))
            await live(box, clock, 7200, 60)
            await eventually(lambda: set(states(box)) == {"delivered"})
        for each in there:
            assert set(each.texts) == {f"{n}" for n in range(len(sent))}
