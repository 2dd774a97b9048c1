"""What an owner changes of an endpoint reaches the next attempt, also of texts that wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmconnect.store import endpoints
from mmconnect.webhook import signing
from tests.support.inprocess import NOW, Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Arrival, answer, receiver


async def changed(box: Appliance, endpoint: str, **fields: Any) -> None:
    row = box.endpoint_row(endpoint)
    box.change(lambda db: endpoints.update(db, replace(row, **fields)))
    await box.watch.refresh()


EDITS: dict[str, tuple[dict[str, Any], Callable[[Arrival], object]]] = {
    "plain headers": (
        {"plain_headers": False},
        lambda one: one.header(signing.SIGNATURE) is None,
    ),
    "a header": (
        {"headers": (("X-Api-Key", "new"), ("Authorization", "Bearer n3w"))},
        lambda one: (one.header("X-Api-Key"), one.header("Authorization")) == ("new", "Bearer n3w"),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_reaches_the_next_attempt(tmp_path: Path, edit: str):
    fields, seen = EDITS[edit]
    clock = FakeClock(NOW)
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        endpoint = await box.endpoint(there.url)
        message = await box.text("waits")
        await box.settled(message, "pending")
        await changed(box, endpoint, **fields)
        clock.advance(5)
        box.dispatcher.wake()
        await box.settled(message, attempts=2)
        first, second = there.arrivals
        assert not seen(first)
        assert seen(second)
        assert first.body == second.body


async def test_another_url_gets_what_waits(tmp_path: Path):
    clock = FakeClock(NOW)
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(default=answer(500)) as old,
        receiver() as new,
    ):
        endpoint = await box.endpoint(old.url)
        message = await box.text("moves")
        await box.settled(message, "pending")
        await changed(box, endpoint, url=new.url)
        clock.advance(5)
        box.dispatcher.wake()
        await box.settled(message, attempts=2)
        assert (old.texts, new.texts) == (["moves"], ["moves"])


@pytest.mark.parametrize(
    "column",
    [
        '{"X-A": "a\\r\\nX-B: b"}',
        '{"X-A": "Дом"}',
        '{"X-A": "\\udcff"}',
        '{"X-A": 5}',
        '{"Host": "x"}',
        "nonsense",
    ],
)
async def test_a_header_that_was_broken_by_hand_holds_its_endpoint_and_nobody_else(
    tmp_path: Path, column: str
):
    async with appliance(tmp_path) as box, receiver() as there, receiver() as good:
        broken = await box.endpoint(there.url)
        await box.endpoint(good.url)
        box.change(
            lambda db: db.execute("UPDATE endpoints SET headers = ? WHERE id = ?", (column, broken))
        )
        await box.watch.refresh()
        message = await box.text("x")
        await good.until(1)
        await eventually(lambda: box.endpoint_row(broken).state == "held")
        (waits,) = [d for d in box.deliveries(message) if d.endpoint_id == broken]
        assert (waits.state, waits.spent) == ("pending", 0)
        assert there.arrivals == []
