"""The loop that lets texts expire: what it looks at, when, and what it leaves alone."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from mmconnect.delivery import expiry as loop
from mmconnect.delivery.announcing import Announcing
from mmconnect.delivery.expiry import Expiry
from mmconnect.domain.models import Endpoint
from mmconnect.store import deliveries, endpoints, expiry
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, free_port, receiver

MAX_AGE = 900


def letting_expire(box: Appliance) -> Expiry:
    def too_old(endpoint: Endpoint) -> int:
        return box.clock.now() - endpoint.max_age * 1000

    look, clock = box.watch.look, box.clock
    announcing = Announcing(look, box.ids)
    return Expiry(box.database, look, clock, too_old, announcing, box.dispatcher.wake)


async def held(box: Appliance) -> str:
    """An endpoint that gets nothing, and is not probed either."""
    made = await box.endpoint(f"http://127.0.0.1:{free_port()}/", max_age=MAX_AGE)
    await state(box, made, "held")
    return made


async def state(box: Appliance, endpoint_id: str, to: str) -> None:
    box.change(
        lambda db: db.execute(
            "UPDATE endpoints SET state = ?, held_class = 'gone' WHERE id = ?", (to, endpoint_id)
        )
    )
    await box.watch.refresh()


async def test_what_fails_for_too_long_expires_and_can_be_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with receiver(default=answer(500)) as to, appliance(tmp_path, clock=clock) as box:
        await box.endpoint(to.url, max_age=MAX_AGE, schedule=(0, 2 * MAX_AGE))
        made = await box.text("open the door")
        await box.settled(made, "pending")
        turns = letting_expire(box)
        clock.advance(MAX_AGE - 1)
        await turns.turn()
        assert box.deliveries()[0].state == "pending"
        clock.advance(1)
        await turns.turn()
        (gone,) = box.deliveries()
        assert (gone.state, gone.note) == (
            "expired",
            "older than the endpoint's maximum age (15m)",
        )
        assert "1 texts for crm have waited longer than 15m" in caplog.text
        assert "open the door" not in caplog.text

        to.default = answer()
        box.change(lambda db: deliveries.retry(db, [gone.id], clock.now()))
        await turns.turn()
        await box.watch.refresh()
        await box.settled(made, attempts=2)


async def test_what_waits_for_a_held_endpoint_expires(tmp_path: Path) -> None:
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        await held(box)
        made = await box.text("open the door")
        clock.advance(MAX_AGE)
        await letting_expire(box).turn()
        assert box.deliveries(made)[0].state == "expired"


async def test_a_paused_endpoint_is_left_alone(tmp_path: Path) -> None:
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        endpoint_id = await held(box)
        await state(box, endpoint_id, "paused")
        made = await box.text()
        clock.advance(MAX_AGE * 100)
        await letting_expire(box).turn()
        assert box.deliveries(made)[0].state == "pending"


async def test_many_expire_in_parts_without_being_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "AT_ONCE", 3)
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        await held(box)
        for n in range(10):
            await box.text(f"text {n}", f"+658123000{n}")
        clock.advance(MAX_AGE)
        await letting_expire(box).turn()
        assert [d.state for d in box.deliveries()] == ["expired"] * 10


async def test_it_looks_only_when_something_can_have_grown_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    find = expiry.find

    def counted(db: sqlite3.Connection, endpoint_id: str, **how: int) -> expiry.Found:
        looks.append(endpoint_id)
        return find(db, endpoint_id, **how)

    monkeypatch.setattr(expiry, "find", counted)
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        await held(box)
        await box.text()
        turns = letting_expire(box)
        clock.advance(60)
        for _ in range(30):  # five minutes
            await turns.turn()
            clock.advance(10)
        assert len(looks) == 1
        turns.forget()
        await turns.turn()
        assert len(looks) == 2
        box.change(lambda db: endpoints.remove(db, looks[0], clock.now()))
        await box.watch.refresh()
        await turns.turn()
        assert not turns._known


async def test_the_loop_never_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "INTERVAL", 0.001)
    async with appliance(tmp_path, clock=FakeClock()) as box:
        turns, count = letting_expire(box), [0]

        async def turn() -> None:
            count[0] += 1
            raise RuntimeError("something")

        monkeypatch.setattr(turns, "turn", turn)
        task = asyncio.create_task(turns.run())
        await eventually(lambda: count[0] > 3)
        task.cancel()
        await asyncio.wait([task])
