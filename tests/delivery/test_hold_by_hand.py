"""What a person does to a held endpoint: resumes, pauses, changes, tries it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mmconnect.domain.models import EndpointState
from mmconnect.store import endpoints
from tests.delivery.outages import DAY, live, nobody, quiet, states, texts
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver, when


async def test_gone_waits_for_a_person(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(410)) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("0")
        await quiet(box)
        assert box.endpoint_row(endpoint_id).held_class == "gone"
        await texts(box, "1", "2")
        await live(box, clock, 5 * DAY, 3600)
        assert len(there.arrivals) == 1
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
        await there.until(2)
        await eventually(lambda: box.endpoint_row(endpoint_id).held_class == "gone")
        there.default = answer()
        clock.advance(1)
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
        await eventually(lambda: states(box) == {"delivered": 3})
        assert there.texts[2:] == ["0", "1", "2"]


async def test_gone_is_asked_once_for_a_persons_once_whatever_is_started_anew(tmp_path: Path):
    clock = FakeClock()
    async with receiver(default=answer(410)) as there:
        async with appliance(tmp_path, clock=clock) as box:
            endpoint_id = await box.endpoint(there.url)
            await box.text("0")
            await quiet(box)
            clock.advance(1)
            box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
            await there.until(2)
            await quiet(box)
        clock.advance(1)
        async with appliance(tmp_path, clock=clock, tokens=()) as box:
            await quiet(box)
            assert len(there.arrivals) == 2
            clock.advance(1)
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
        async with appliance(tmp_path, clock=clock, tokens=()):
            await there.until(3)


async def test_a_probe_that_is_asked_for_while_one_hangs_follows_it_at_once(tmp_path: Path):
    clock, gate = FakeClock(), asyncio.Event()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        endpoint_id = await box.endpoint(there.url)
        for n in range(3):
            await box.text(str(n), f"+658123000{n}")
        await quiet(box)
        there.then(when(gate, answer(500)))
        clock.advance(1)
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
        await there.until(4)
        there.default = answer()
        clock.advance(1)
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, clock.now()))
        await eventually(lambda: box.dispatcher._lanes[endpoint_id].asked)
        gate.set()
        await eventually(lambda: states(box) == {"delivered": 3})


async def test_an_edit_by_a_person_is_tried_at_once(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, endpoint_id, _), receiver() as there:
        await live(box, clock, 3600, 60)
        sql = "UPDATE endpoints SET url = ? WHERE id = ?"
        box.change(lambda db: db.execute(sql, (there.url, endpoint_id)))
        await eventually(lambda: states(box) == {"delivered": 1})


async def test_a_success_seen_by_another_process_ends_a_hold(tmp_path: Path):
    """`endpoint test` runs in a process of its own."""
    async with nobody(tmp_path) as (box, clock, endpoint_id, port):
        await texts(box, "1", "2")
        async with receiver(port=port):
            box.change(lambda db: endpoints.release(db, endpoint_id, clock.now()))
            await eventually(lambda: states(box) == {"delivered": 3})


async def test_a_success_seen_by_another_process_is_not_forgotten_by_a_restart(tmp_path: Path):
    clock = FakeClock()
    async with receiver(default=answer(500)) as there:
        async with appliance(tmp_path, clock=clock) as box:
            endpoint_id = await box.endpoint(there.url)
            for n in range(3):
                await box.text(str(n), f"+658123000{n}")
            await eventually(lambda: box.endpoint_row(endpoint_id).held_class == "failing")
            there.default = answer()
            clock.advance(1)
            box.change(lambda db: endpoints.release(db, endpoint_id, box.clock.now()))
            await eventually(lambda: states(box) == {"delivered": 3})
        there.default = answer(500)
        async with appliance(tmp_path, clock=clock, tokens=["second"]) as box:
            await box.settled(await box.text("3"), "pending")
            assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE


async def test_paused_while_held(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, endpoint_id, port), receiver(port=port) as there:
        box.change(lambda db: endpoints.pause(db, endpoint_id, clock.now()))
        await box.watch.refresh()
        await live(box, clock, 600, 60)
        assert there.arrivals == []
        box.change(lambda db: endpoints.resume(db, endpoint_id, clock.now()))
        await eventually(lambda: states(box) == {"delivered": 1})


async def test_resuming_sends_what_waits_for_its_next_attempt_also_without_a_pause(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        endpoint_id = await box.endpoint(there.url, schedule=(0, 3600))
        await texts(box, "again")
        await quiet(box)
        await box.watch.refresh()
        await quiet(box)
        box.change(lambda db: endpoints.resume(db, endpoint_id, clock.now()))
        await eventually(lambda: states(box) == {"delivered": 1})
