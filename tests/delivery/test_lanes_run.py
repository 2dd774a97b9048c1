"""Who waits for whom: the order of one sender, other senders beside it, and endpoints apart."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mmconnect.domain.models import EndpointState, Numbers
from mmconnect.service import watch
from mmconnect.store import endpoints
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import after, answer, hang, receiver, when

ALICE, BOB, CAROL = "+6581230001", "+6581230002", "+6581230003"


async def test_texts_of_one_sender_go_one_after_the_other_and_in_order(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver(default=after(0.01, answer())) as there:
        await box.endpoint(there.url)
        for n in range(20):
            await box.text(str(n), ALICE)
        await there.until(20)
        assert there.texts == [str(n) for n in range(20)]
        assert there.together == 1
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})


async def test_different_senders_go_side_by_side(tmp_path: Path):
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate)) as there:
        await box.endpoint(there.url)
        for n in range(12):
            await box.text(f"text {n}", f"+65812300{n:02}")
        await there.until(12)
        assert there.together == 12, "all of them, and none has been answered"
        gate.set()
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})


async def test_one_senders_slow_text_holds_up_nobody_else(tmp_path: Path):
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(when(gate)) as there:
        await box.endpoint(there.url)
        await box.text("slow", ALICE)
        await there.until(1)
        for n in range(5):
            await box.text(f"alice {n}", ALICE)
            await box.text(f"bob {n}", BOB)
        await there.until(6)
        assert there.texts == ["slow", *[f"bob {n}" for n in range(5)]]
        gate.set()
        await there.until(11)
        assert there.texts[6:] == [f"alice {n}" for n in range(5)]


async def test_what_becomes_due_while_all_places_are_taken_goes_when_one_is_free(tmp_path: Path):
    gate, clock = asyncio.Event(), FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(500), answer(), when(gate)) as there,
    ):
        await box.endpoint(there.url, concurrency=1)
        await box.settled(await box.text("again", ALICE), "pending")
        await box.settled(await box.text("fine", BOB))
        await box.text("slow", BOB)
        await there.until(3)
        clock.advance(5)
        box.dispatcher._awake.set()  # it has slept until now
        await eventually(lambda: not box.dispatcher._awake.is_set())
        gate.set()
        await there.until(4)
        assert there.texts[-1] == "again"


async def test_a_new_text_does_not_join_a_retry_of_its_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not even while that is being claimed."""
    gate, clock = asyncio.Event(), FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(500), default=when(gate)) as there,
    ):
        await box.endpoint(there.url)
        await box.settled(await box.text("again", ALICE), "pending")
        claim = box.dispatcher._claiming._write
        claiming, claimed = asyncio.Event(), asyncio.Event()

        async def slow(*args):
            found = await claim(*args)
            claiming.set()
            await claimed.wait()
            return found

        monkeypatch.setattr(box.dispatcher._claiming, "_write", slow)
        clock.advance(5)
        box.dispatcher._awake.set()
        await claiming.wait()
        await box.text("next", ALICE)
        claimed.set()
        await there.until(2)
        await asyncio.sleep(0.05)
        assert there.texts == ["again", "again"]
        gate.set()
        await there.until(3)
        assert there.together == 1


async def test_nobody_waits_for_what_another_endpoint_has_to_catch_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not even when its answers are quicker than the disk, so that more can always be claimed."""
    async with appliance(tmp_path) as box, receiver() as many, receiver() as few:
        behind = await box.endpoint(many.url, state=EndpointState.PAUSED)
        for n in range(60):
            await box.text(str(n), ALICE)
        claim, claims = box.dispatcher._claiming._write, itertools.count(1)

        async def slow(*args):
            await asyncio.sleep(0.02)
            found = await claim(*args)
            if next(claims) == 1:  # from now on there is always one whose sender is free
                await asyncio.gather(*[box.text(f"carol {n}", CAROL) for n in range(60)])
            return found

        monkeypatch.setattr(box.dispatcher._claiming, "_write", slow)
        box.change(lambda db: endpoints.resume(db, behind, box.clock.now()))
        await many.until(4)
        await box.endpoint(few.url)
        await box.text("b1", BOB)
        await box.text("b2", BOB)
        await few.until(2)
        assert len(many.arrivals) < 100


async def test_never_more_at_once_than_the_endpoint_wants(tmp_path: Path):
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate)) as there:
        await box.endpoint(there.url, concurrency=3)
        texts = [f"text {n}" for n in range(30)]
        await asyncio.gather(*[box.text(t, f"+65812300{n:02}") for n, t in enumerate(texts)])
        await there.until(3)
        await asyncio.sleep(0.05)
        gate.set()
        await there.until(30)
        assert there.together == 3
        assert sorted(there.texts) == sorted(texts)


async def test_a_strict_endpoint_gets_everything_in_order(tmp_path: Path):
    """With one at a time, the order of arrival is the order of departure, whoever sent it."""
    async with appliance(tmp_path) as box, receiver(default=after(0.005, answer())) as there:
        await box.endpoint(there.url, concurrency=1)
        for n in range(20):
            await box.text(str(n), f"+658123000{n % 3}")
        await there.until(20)
        assert there.texts == [str(n) for n in range(20)]


async def test_a_burst_while_the_receiver_is_slow_is_drained(tmp_path: Path):
    gate, slow = asyncio.Event(), after(0.002, answer())
    async with (
        appliance(tmp_path) as box,
        receiver(*[when(gate, slow)] * 4, default=slow) as there,
    ):
        await box.endpoint(there.url, concurrency=4)
        pushes = [
            box.push(*generic_json({"from": f"+65812300{n % 7:02}", "text": str(n)}))
            for n in range(200)
        ]
        told = await asyncio.gather(*pushes)
        assert {one.status for one in told} == {200}
        await there.until(4)
        gate.set()
        await there.until(200)
        order = {one.json["id"]: n for n, one in enumerate(told)}
        assert {one.id for one in there.arrivals} == set(order)
        for n in range(7):
            ids = [a.id for a in there.arrivals if a.json["from"] == f"+65812300{n:02}"]
            assert ids == sorted(ids), "one sender's texts in the order they were taken in"
        assert there.together == 4
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        await eventually(lambda: box.dispatcher.in_flight == 0)


async def test_a_long_queue_of_one_sender_does_not_hide_another(tmp_path: Path):
    """More of one sender waits than a look at the queue sees; the other goes at once."""
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate)) as there:
        endpoint_id = await box.endpoint(there.url, concurrency=2, state=EndpointState.PAUSED)
        for n in range(40):
            await box.text(str(n), ALICE)
        await box.text("bob", BOB)
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        await there.until(2)
        assert there.texts == ["0", "bob"]
        gate.set()
        await there.until(41)


async def test_one_hung_endpoint_delays_none_of_nine_others(tmp_path: Path):
    """The hung one is given up after ten minutes, which nobody here waits for."""
    async with appliance(tmp_path, total_timeout=600) as box, AsyncExitStack() as stack:
        hung = await stack.enter_async_context(receiver(default=hang))
        nine = [await stack.enter_async_context(receiver()) for _ in range(9)]
        for there in nine:
            await box.endpoint(there.url)

        async def at_best(first: int, count: int) -> float:
            """Seconds until all the nine have a text, the quickest of so many."""
            took = []
            for n in range(first, first + count):
                begun = time.monotonic()
                await box.text(str(n), f"+65812300{n:02}")
                for there in nine:
                    await there.until(n + 1)
                took.append(max(there.arrivals[n].at for there in nine) - begun)
            return min(took[-8:])  # the first four are those that hang

        alone = await at_best(0, 12)
        await box.endpoint(hung.url, concurrency=4)
        beside = await at_best(12, 12)
        assert len(hung.arrivals) == 4, "its own places are taken, and nobody else's"
        assert beside < 5 * alone + 0.2
        await eventually(
            lambda: (
                box.rows("SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state")
                == [("delivered", 216), ("in_flight", 4), ("pending", 8)]
            )
        )


async def test_a_failing_text_holds_up_nobody(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(400)) as there:
        await box.endpoint(there.url)
        first = await box.text("refused", ALICE)
        await box.settled(first, "pending")
        for n in range(5):
            await box.settled(await box.text(str(n), ALICE))
        clock.advance(5)
        box.dispatcher.wake()
        await box.settled(first, "delivered", attempts=2)
        assert there.texts == ["refused", "0", "1", "2", "3", "4", "refused"]


async def test_numbers_as_each_endpoint_wants_them(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box, receiver() as there, receiver() as digits:
        await box.device(country="SG")
        await box.endpoint(there.url)
        await box.endpoint(digits.url, numbers=Numbers.DIGITS)
        for sender in ("81230000", "BANK", "77222"):
            await box.push(*generic_json({"from": sender, "text": "x", "to": "+6591110000"}))
        one, two = await there.until(3), await digits.until(3)
        assert {a.json["from"] for a in one} == {"+6581230000", "BANK", "77222"}
        assert {a.json["from"] for a in two} == {"6581230000", "BANK", "77222"}
        assert {a.json["to"] for a in two} == {"6591110000"}
        assert {a.id for a in one} == {a.id for a in two}
        raw = {a.json["from"]: a.json.get("fromRaw") for a in two}
        assert raw == {"6581230000": "81230000", "BANK": None, "77222": None}


# -- the owner changes something -----------------------------------------------------------------


async def test_what_waits_for_a_paused_endpoint_goes_out_on_resume_in_order(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, receiver() as other:
        endpoint_id = await box.endpoint(there.url, state=EndpointState.PAUSED)
        await box.endpoint(other.url)
        for n in range(10):
            await box.text(str(n), ALICE)
        await other.until(10)
        for _ in range(5):
            box.dispatcher.wake()
            await asyncio.sleep(0.01)
        assert there.arrivals == []
        box.change(lambda db: endpoints.resume(db, endpoint_id, box.clock.now()))
        await there.until(10)
        assert there.texts == [str(n) for n in range(10)]
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        assert {d.attempts for d in box.deliveries()} == {1}


async def test_pausing_takes_effect_within_a_second(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url)
        box.change(lambda db: endpoints.pause(db, endpoint_id, box.clock.now()))
        await eventually(
            lambda: box.watch.look().endpoints[endpoint_id].state is EndpointState.PAUSED
        )
        assert watch.INTERVAL <= 0.5, "how often it looks"
        message_id = await box.text()
        await asyncio.sleep(0.05)
        assert there.arrivals == []
        assert [d.state for d in box.deliveries(message_id)] == ["pending"]


@pytest.mark.parametrize("column", ["url", "secret", "plain_headers"])
async def test_an_edit_takes_effect_on_the_next_attempt(tmp_path: Path, column: str):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(500)) as there,
        receiver() as new,
    ):
        endpoint_id = await box.endpoint(there.url)
        message_id = await box.text()
        await box.settled(message_id, "pending")
        sql, value = {
            "url": ("UPDATE endpoints SET url = ? WHERE id = ?", new.url),
            "secret": (
                "UPDATE secrets SET value = ? WHERE endpoint_id = ?",
                "another-secret-altogether",
            ),
            "plain_headers": ("UPDATE endpoints SET plain_headers = ? WHERE id = ?", 0),
        }[column]
        before = box.watch.look()
        box.change(lambda db: db.execute(sql, (value, endpoint_id)))
        await eventually(lambda: box.watch.look() is not before)
        clock.advance(5)
        box.dispatcher.wake()
        await box.settled(message_id, "delivered", attempts=2)
        second = (new if column == "url" else there).arrivals[-1]
        first = there.arrivals[0]
        assert second.body == first.body
        match column:
            case "url":
                assert (len(there.arrivals), len(new.arrivals)) == (1, 1)
            case "secret":
                assert second.header("X-MAC-Signature") != first.header("X-MAC-Signature")
                assert second.header("webhook-signature") is None, "it is not whsec_ + base64"
            case "plain_headers":
                assert first.header("X-MAC-Signature") is not None
                assert second.header("X-MAC-Signature") is None
                assert second.header("webhook-signature") is not None


async def test_an_endpoint_that_is_added_later_gets_what_comes_later(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.text("before")
        await box.endpoint(there.url)
        await box.text("after")
        await there.until(1)
        assert there.texts == ["after"]


async def test_what_was_meant_for_a_removed_endpoint_is_cancelled_and_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "INTERVAL", 3600.0)  # it looks when it is asked to
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate)) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("in flight", ALICE)
        await box.text("waits", ALICE)
        await there.until(1)

        def remove(db) -> None:
            from mmconnect.store import deliveries

            deliveries.cancel_waiting(db, endpoint_id, box.clock.now())
            endpoints.remove(db, endpoint_id, box.clock.now())

        box.change(remove)
        await box.text("in the very moment", BOB)  # the listener does not know of it yet
        await box.watch.refresh()
        gate.set()
        await eventually(lambda: box.dispatcher.in_flight == 0)
        await eventually(
            lambda: [d.state for d in box.deliveries()] == ["delivered", "cancelled", "cancelled"]
        )
        await box.text("after", BOB)
        assert len(box.deliveries()) == 3
