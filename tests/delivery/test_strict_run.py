"""Strict order, run: a text that fails holds up its sender, and nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmconnect.store import deliveries, erasure
from tests.delivery.outages import ANN, BOB, live, quiet, states, texts
from tests.delivery.test_expiry import letting_expire
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver


async def test_strict_order_holds_the_later_texts_of_one_sender_only(tmp_path: Path):
    clock = FakeClock()

    async def picky(exchange) -> None:
        await answer(500 if exchange.arrival.text == "bad" else 200)(exchange)

    async with appliance(tmp_path, clock=clock) as box, receiver(default=picky) as there:
        await box.endpoint(there.url, strict_order=True)
        await texts(box, "bad", "a1", "a2", sender=ANN)
        await texts(box, "b1", "b2", sender=BOB)
        await eventually(lambda: states(box) == {"delivered": 2, "pending": 3})
        await live(box, clock, 5, 5)
        assert [t for t in there.texts if t != "bad"] == ["b1", "b2"]
        there.default = answer()
        await live(box, clock, 300, 300)
        await eventually(lambda: states(box) == {"delivered": 5})
        assert [t for t in there.texts if t[0] != "b"] == ["a1", "a2"]
        assert there.texts.index("a1") > max(n for n, t in enumerate(there.texts) if t == "bad")


async def test_in_strict_order_none_slips_past_a_failure_that_is_being_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url, strict_order=True)
        await texts(box, "fine")
        await quiet(box)
        there.then(answer(500))
        record = box.dispatcher._attempts._write
        recording, taken = asyncio.Event(), asyncio.Event()

        async def slow(write):
            recording.set()
            written = await record(write)
            await taken.wait()
            await asyncio.sleep(0.05)
            return written

        monkeypatch.setattr(box.dispatcher._attempts, "_write", slow)
        await texts(box, "bad")
        await recording.wait()
        await texts(box, "next")
        taken.set()
        await quiet(box)
        await live(box, clock, 5, 5)
        await eventually(lambda: states(box) == {"delivered": 3})
        assert there.texts == ["fine", "bad", "bad", "next"]


async def test_strict_order_gives_way_when_a_text_has_failed_for_good(tmp_path: Path):
    clock = FakeClock()

    async def picky(exchange) -> None:
        await answer(500 if exchange.arrival.text == "bad" else 200)(exchange)

    async with appliance(tmp_path, clock=clock) as box, receiver(default=picky) as there:
        await box.endpoint(there.url, strict_order=True, schedule=(0, 5))
        await texts(box, "bad", "next")
        await live(box, clock, 10, 5)
        await eventually(lambda: states(box) == {"failed": 1, "delivered": 1})


@pytest.mark.parametrize("how", ["expired", "cancelled", "deleted"])
async def test_strict_order_gives_way_when_a_text_is_not_sent_any_more(tmp_path: Path, how: str):
    """Whoever has taken it away, and however long it would still have waited."""
    clock = FakeClock()

    async def picky(exchange) -> None:
        await answer(500 if exchange.arrival.text == "bad" else 200)(exchange)

    async with appliance(tmp_path, clock=clock) as box, receiver(default=picky) as there:
        await box.endpoint(there.url, strict_order=True, schedule=(0, 86_400), max_age=900)
        (bad,) = await texts(box, "bad")
        await quiet(box)
        clock.advance(600)
        await texts(box, "next")
        await quiet(box)
        assert there.texts == ["bad"]
        if how == "expired":
            clock.advance(300)
            await letting_expire(box).turn()
        elif how == "cancelled":
            (one,) = box.deliveries(bad)
            box.change(lambda db: deliveries.cancel(db, [one.id], clock.now()))
        else:
            box.change(lambda db: erasure.delete(db, [bad]))
        await there.until(2)
        assert there.texts == ["bad", "next"]
