"""Hold and drain, run: outages of minutes and of days on a fake clock, real sockets and files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect.delivery.holding import _way_changed
from mmconnect.domain.models import DeliveryState, EndpointState
from mmconnect.store import deliveries, endpoints
from mmconnect.webhook import outcome
from tests.delivery.outages import ANN, BOB, DAY, live, nobody, quiet, states, texts
from tests.store import making
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.receiver import after, answer, free_port, receiver


async def test_who_is_not_reached_is_held_and_costs_nothing(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, endpoint_id, port):
        held = box.endpoint_row(endpoint_id)
        assert held.held_reason is not None
        assert "refused" in held.held_reason
        await texts(box, *map(str, range(20)))
        await live(box, clock, 3600, 10)
        first, *later = box.deliveries()
        assert {(d.state, d.attempts) for d in later} == {("pending", 0)}
        assert first.spent == 2, "the probes are free"
        assert first.attempts == 2 + 360
        *attempts, row = box.attempts(first.id)
        assert [a.count for a in attempts] == [1, 1]
        assert (row.count, row.probe, row.outcome) == (360, True, "not_reached")
        assert row.last_at is not None
        assert row.last_at - row.started_at == 3590_000

        async with receiver(port=port) as there:
            await live(box, clock, 60, 10)
            await eventually(lambda: states(box) == {"delivered": 21})
            assert there.texts == ["first", *map(str, range(20))]
        assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE


async def test_why_it_is_held_is_what_the_last_probe_was_told(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, endpoint_id, port):
        before = box.endpoint_row(endpoint_id)
        async with receiver(port=port, default=answer(503)):
            await live(box, clock, 60, 10)
            await eventually(lambda: "(503)" in (box.endpoint_row(endpoint_id).held_reason or ""))
        after = box.endpoint_row(endpoint_id)
        assert (after.held_class, after.held_at) == (before.held_class, before.held_at)
        assert box.one("SELECT count(*) FROM messages WHERE kind = 'event'") == 0


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
async def test_three_days_unreachable_with_many_waiting(tmp_path: Path, count: int):
    async with nobody(tmp_path) as (box, clock, _, port):
        for n in range(count):
            await box.text(str(n), f"+65812300{n % 7:02}")
        await live(box, clock, 3600, 30)
        await live(box, clock, 3 * DAY, 600)
        before = sum(d.attempts for d in box.deliveries())
        assert before < 1000, "probes only"
        assert box.one("SELECT count(*) FROM deliveries WHERE spent > 2") == 0
        assert {d.attempts for d in box.deliveries()[1:]} == {0}
        async with receiver(port=port) as there:
            clock.advance(300)
            box.dispatcher.wake()
            await there.until(count + 1, deadline=120)
            arrived = "SELECT count(*) FROM deliveries WHERE state = 'delivered'"
            await eventually(lambda: box.one(arrived) == count + 1, deadline=60)
            for sender in range(7):
                of_one = [
                    int(a.text)
                    for a in there.arrivals
                    if a.text != "first" and int(a.text) % 7 == sender
                ]
                assert of_one == sorted(of_one)
            assert there.together <= 64


async def test_it_drains_one_at_first_then_ever_more(tmp_path: Path):
    async with nobody(tmp_path) as (box, _, _, _):
        for n in range(100):
            await box.text(str(n), f"+6581230{n:03}")
        async with receiver(default=after(0.02, answer())) as there:
            box.change(
                lambda db: db.execute(
                    "UPDATE endpoints SET url = ?, concurrency = 16", (there.url,)
                )
            )
            await there.until(101)
            begun = [a.at for a in there.arrivals]
            assert begun[1] - begun[0] >= 0.015, "the first alone"
            assert 8 <= there.together <= 16


async def test_sending_again_asks_a_held_endpoint_at_once(tmp_path: Path):
    """Whoever has mended the receiver and sends a text again does not wait for the next probe."""
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("done", "+6581230099")
        await there.until(1)
        await quiet(box)
        there.default = answer(404)
        for n in range(5):
            await box.text(str(n), f"+658123000{n}")
        await quiet(box)
        assert box.endpoint_row(endpoint_id).held_class == "refused"
        there.default = answer()
        (done,) = [d for d in box.deliveries() if d.state is DeliveryState.DELIVERED]
        box.change(lambda db: deliveries.retry(db, [done.id], clock.now()))
        box.dispatcher.wake()
        await eventually(lambda: states(box) == {"delivered": 6})
        assert there.texts.count("done") == 2


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_404_for_a_week_then_everything_arrives(tmp_path: Path, count: int):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(404)) as there:
        endpoint_id = await box.endpoint(there.url)
        for n in range(max(count, 5)):
            await box.text(str(n), f"+658123000{n}")
        await quiet(box)
        assert box.endpoint_row(endpoint_id).held_class == "refused"
        if count < 5:  # the others are called off by somebody
            box.change(
                lambda db: db.execute(
                    "UPDATE deliveries SET state = 'cancelled', due_at = NULL WHERE id IN"
                    " (SELECT id FROM deliveries ORDER BY id LIMIT ?)",
                    (5 - count,),
                )
            )
        await live(box, clock, 7 * DAY, 600)
        assert states(box)["pending"] == count
        assert len(there.arrivals) <= 5 + 7 * 48 + 4
        there.default = answer()
        await live(box, clock, 1800, 600)
        await eventually(lambda: states(box)["delivered"] == count)


async def test_who_has_refused_for_long_and_is_then_not_reached_loses_no_text(tmp_path: Path):
    """A flow that is not active, on a machine that is started anew."""
    clock = FakeClock()
    port = free_port()
    async with appliance(tmp_path, clock=clock) as box:
        async with receiver(default=answer(404), port=port) as there:
            endpoint_id = await box.endpoint(there.url)
            for n in range(5):
                await box.text(str(n), f"+658123000{n}")
            await quiet(box)
            await live(box, clock, 3 * DAY, 1800)
        await live(box, clock, 3600, 600)
        assert box.endpoint_row(endpoint_id).held_class == "not_reached"
        assert states(box) == {"pending": 5}
        async with receiver(port=port):
            await live(box, clock, 300, 60)
            await eventually(lambda: states(box) == {"delivered": 5})


async def test_who_fails_gets_no_text_oftener_than_the_schedule_says(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        endpoint_id = await box.endpoint(there.url)
        for n in range(4):
            await box.text(str(n), f"+658123000{n}")
        await quiet(box)
        assert box.endpoint_row(endpoint_id).held_class == "failing"
        await live(box, clock, 14 * DAY, 600)
        assert max(Counter(there.texts).values()) == 10
        assert states(box) == {"failed": 4}


async def test_after_500s_what_was_tried_and_what_was_not_go_out_as_they_came(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        endpoint_id = await box.endpoint(there.url)
        for n in range(24):
            await box.text(str(n), f"+658123000{n % 4}")
            clock.advance(0.01)
        await quiet(box)
        assert box.endpoint_row(endpoint_id).held_class == "failing"
        await live(box, clock, 300, 10)
        before, there.default = len(there.arrivals), answer()
        await live(box, clock, 900, 60)
        await eventually(lambda: states(box) == {"delivered": 24})
        probe, *rest = there.texts[before:]
        for sender in range(4):
            mine = [int(text) for text in rest if int(text) % 4 == sender]
            assert mine == sorted(mine), f"{probe} was the probe"


async def test_one_text_that_always_fails_holds_up_nobody(tmp_path: Path):
    clock = FakeClock()

    async def picky(exchange) -> None:
        await answer(500 if exchange.arrival.text == "bad" else 200)(exchange)

    async with appliance(tmp_path, clock=clock) as box, receiver(default=picky) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("bad", ANN)
        for n in range(50):
            await box.text(str(n), ANN)
        await eventually(lambda: states(box) == {"delivered": 50, "pending": 1})
        await live(box, clock, 4 * DAY, 3600)
        assert states(box) == {"delivered": 50, "failed": 1}
        assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE
        assert there.texts.count("bad") == 10


async def test_a_restart_forgets_nothing(tmp_path: Path):
    """Neither that it was held and when the next probe is due, nor what was counted before."""
    clock = FakeClock()
    async with receiver(default=answer(500)) as there:
        async with appliance(tmp_path, clock=clock) as box:
            endpoint_id = await box.endpoint(there.url)
            await texts(box, "0", sender=ANN)
            await texts(box, "1", sender=BOB)
            await quiet(box)
            assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE
        async with appliance(tmp_path, clock=clock, tokens=["second"]) as box:
            await box.text("2", "+6583330000")
            await eventually(lambda: box.endpoint_row(endpoint_id).held_class == "failing")
            await live(box, clock, 30, 30)
            assert len(there.arrivals) == 3
        async with appliance(tmp_path, clock=clock, tokens=["third"]) as box:
            await live(box, clock, 29, 29)
            assert len(there.arrivals) == 3, "the timer goes on"
            await live(box, clock, 1, 1)
            await there.until(4)
            there.default = answer()
            await quiet(box)
            await live(box, clock, 300, 300)
            await eventually(lambda: states(box) == {"delivered": 3})


async def test_a_new_text_finds_out_at_once(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        await box.endpoint(there.url)
        for n in range(3):
            await box.text(str(n), f"+658123000{n}")
        await quiet(box)
        there.default = answer()
        clock.advance(4)
        await box.text("early", ANN)
        await quiet(box)
        assert len(there.arrivals) == 3, "nothing was asked in five seconds"
        clock.advance(1)
        await box.text("now", ANN)
        await eventually(lambda: states(box) == {"delivered": 5})
        assert there.texts[3] == "early", "the first of its sender that was never tried"


async def test_after_503_another_sender_is_tried(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(503)) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("a", ANN)
        await quiet(box)
        await live(box, clock, 5, 5)
        assert box.endpoint_row(endpoint_id).held_class == "not_reached"
        await box.text("b", BOB)
        await quiet(box)
        there.arrivals.clear()
        await live(box, clock, 60, 5)
        assert set(there.texts) == {"a", "b"}
        assert all(x != y for x, y in zip(there.texts, there.texts[1:], strict=False))


async def test_after_503_another_sender_is_tried_behind_however_many(tmp_path: Path):
    clock = FakeClock()

    async def choking(exchange) -> None:
        await answer(503 if exchange.arrival.text == "bad" else 200)(exchange)

    async with appliance(tmp_path, clock=clock) as box, receiver(default=choking) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("bad", ANN)
        await quiet(box)
        await live(box, clock, 5, 5)
        assert box.endpoint_row(endpoint_id).held_class == "not_reached"
        await texts(box, *map(str, range(250)), sender=ANN)
        await texts(box, "b", sender=BOB)
        await quiet(box)
        await live(box, clock, 20, 5)
        await eventually(lambda: states(box) == {"delivered": 251, "pending": 1})


async def test_no_network_is_nobodys_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every endpoint fails for want of a network: none is held, and nothing is spent."""
    clock, real = FakeClock(), outcome.LOCAL
    monkeypatch.setattr(outcome, "LOCAL", real | {outcome.Trouble.REFUSED})
    ports = [free_port(), free_port()]
    async with appliance(tmp_path, clock=clock) as box:
        ids = [await box.endpoint(f"http://127.0.0.1:{port}/") for port in ports]
        await texts(box, "0", "1")
        await live(box, clock, 3600, 10)
        assert {box.endpoint_row(one).state for one in ids} == {EndpointState.ACTIVE}
        assert {(d.state, d.spent) for d in box.deliveries()} == {("pending", 0)}
        assert box.dispatcher.offline, "the overview can say so"
        async with receiver(port=ports[0]) as one, receiver(port=ports[1]) as two:
            await live(box, clock, 60, 10)
            await eventually(lambda: states(box) == {"delivered": 4})
            await eventually(lambda: not box.dispatcher.offline)
            assert one.texts == two.texts == ["0", "1"]


async def test_what_has_grown_too_old_does_not_hide_what_has_not(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, endpoint_id, port), receiver(port=port) as there:
        for n in range(20):
            await box.text("old", f"+65812300{n:02}")
        border = clock.now()
        clock.advance(1)
        await texts(box, "young", sender=BOB)
        box.dispatcher._claiming._too_old = lambda endpoint: border
        box.change(lambda db: endpoints.release(db, endpoint_id, clock.now()))
        await eventually(lambda: states(box) == {"delivered": 1, "expired": 21})
        assert there.texts == ["young"]


async def test_what_has_grown_too_old_expires_instead_of_being_sent(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, _, port), receiver(port=port) as there:
        await texts(box, "1")
        border = clock.now()
        clock.advance(1)
        await texts(box, "young", sender=BOB)
        box.dispatcher._claiming._too_old = lambda endpoint: border
        await live(box, clock, 20, 10)
        await eventually(lambda: states(box) == {"delivered": 1, "expired": 2})
        assert there.texts == ["young"]
        (expired, _) = (d for d in box.deliveries() if d.state is DeliveryState.EXPIRED)
        assert "maximum age" in str(expired.note)


def test_only_what_changes_the_request_is_a_reason_to_try_a_held_endpoint():
    """A receiver that is gone for good is not asked again because it got another name."""
    one = making.endpoint(state=EndpointState.HELD, held_class="gone")
    for same in ({"name": "Other"}, {"max_age": 5}, {"strict_order": True}, {"held_reason": "x"}):
        assert not _way_changed(one, replace(one, **same)), same
    for other in ({"url": "http://127.0.0.1:9/new"}, {"headers": (("X-A", "1"),)}, {"ca": "PEM"}):
        assert _way_changed(one, replace(one, **other)), other
    assert _way_changed(one, replace(one, probe_asked_at=1))
