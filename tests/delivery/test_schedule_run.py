"""A delivery along its schedule: ten attempts, what Retry-After adds, the end, and sending again.

The clock is a fake and stands still, so a due time is exact and nothing happens before it.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from pathlib import Path

import pytest

from mmconnect.domain.models import Trigger
from mmconnect.store import deliveries
from mmconnect.webhook import schedule
from tests.support.inprocess import NOW, Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Receiver, answer, receiver

WAITS = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
"""Seconds between the attempts of the contract."""


async def come_due(box: Appliance, clock: FakeClock, seconds: float) -> None:
    """Move the clock; the dispatcher would notice within a minute by itself."""
    clock.advance(seconds)
    box.dispatcher.wake()


async def stays(box: Appliance, there: Receiver, count: int) -> None:
    """Nothing more is sent, however often the loop comes round."""
    for _ in range(5):
        box.dispatcher.wake()
        await asyncio.sleep(0.01)
    assert len(there.arrivals) == count


async def test_ten_attempts_then_failed_then_again(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(default=answer(500)) as there,
    ):
        await box.endpoint(there.url)
        message_id = await box.text()
        for number, wait in enumerate(WAITS, start=1):
            delivery = await box.settled(message_id, "pending", attempts=number)
            assert (delivery.attempts, delivery.spent) == (number, number)
            assert delivery.due_at == clock.now() + wait * 1000
            await come_due(box, clock, wait - 0.001)
            await stays(box, there, number)
            await come_due(box, clock, 0.001)
        delivery = await box.settled(message_id, "failed", attempts=10)
        assert (delivery.due_at, delivery.finished_at) == (None, clock.now())
        await come_due(box, clock, 30 * 86400)
        await stays(box, there, 10)
        assert clock.now() - NOW == (sum(WAITS) + 30 * 86400) * 1000

        # sent again by a person: a fresh budget, the same id and body, a fresh timestamp
        box.change(lambda db: deliveries.retry(db, [delivery.id], clock.now()))
        delivery = await box.settled(message_id, "pending", attempts=11)
        assert (delivery.attempts, delivery.spent) == (11, 1)
        assert delivery.trigger is Trigger.REPLAY
        assert delivery.due_at == clock.now() + 5000
        there.default = answer(204)
        await come_due(box, clock, 5)
        await box.settled(message_id, "delivered", attempts=12)

        arrivals = there.arrivals
        assert len({one.body for one in arrivals}) == 1
        assert {one.header("webhook-id") for one in arrivals} == {message_id}
        assert {one.header("X-MMConnect-Delivery") for one in arrivals} == {delivery.id}
        numbers = [one.header("X-MMConnect-Attempt") for one in arrivals]
        assert numbers == [str(n) for n in range(1, 13)]
        stamps = [int(one.header("webhook-timestamp") or 0) for one in arrivals]
        elapsed = [0, *[sum(WAITS[: n + 1]) for n in range(9)]]
        replayed = sum(WAITS) + 30 * 86400
        assert [s - NOW // 1000 for s in stamps] == [*elapsed, replayed, replayed + 5]
        assert len({one.header("webhook-signature") for one in arrivals}) == 12
        assert len({one.header("X-MAC-Signature") for one in arrivals}) == 1
        attempts = box.attempts(delivery.id)
        assert [a.number for a in attempts] == list(range(1, 13))
        assert [a.started_at // 1000 for a in attempts] == stamps


async def test_a_delivered_one_can_be_sent_again(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        delivery = await box.settled(message_id)
        clock.advance(3600)
        box.change(lambda db: deliveries.retry(db, [delivery.id], clock.now()))
        delivery = await box.settled(message_id, attempts=2)
        assert delivery.trigger is Trigger.REPLAY
        one, two = there.arrivals
        assert (one.body, one.header("webhook-id")) == (two.body, two.header("webhook-id"))
        stamps = [int(a.header("webhook-timestamp") or 0) for a in (one, two)]
        assert stamps[1] - stamps[0] == 3600


async def test_retry_brings_a_waiting_one_forward_and_keeps_its_budget(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        delivery = await box.settled(message_id, "pending")
        box.change(lambda db: deliveries.retry(db, [delivery.id], clock.now()))
        delivery = await box.settled(message_id, "pending", attempts=2)
        assert (delivery.spent, delivery.trigger) == (2, Trigger.PUSH)
        assert delivery.due_at == clock.now() + 300_000


@pytest.mark.parametrize(("jitter", "due"), [(-1.0, 4500), (-0.5, 4750), (0.0, 5000), (1.0, 5500)])
async def test_jitter_is_a_tenth(tmp_path: Path, jitter: float, due: int):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock, jitter=lambda: jitter) as box,
        receiver(answer(500)) as there,
    ):
        await box.endpoint(there.url)
        delivery = await box.settled(await box.text(), "pending")
        assert delivery.due_at == NOW + due


def at(seconds: int) -> str:
    return formatdate(NOW / 1000 + seconds, usegmt=True)


RETRY_AFTER = {
    "seconds": ("120", 120),
    "blanks": ("  120  ", 120),
    "shorter than the schedule": ("1", 5),
    "nothing": ("", 5),
    "zero": ("0", 5),
    "a date": (at(600), 600),
    "a date that has passed": (at(-600), 5),
    "an old form of date": ("Friday, 12-Jun-26 14:42:00 GMT", 600),
    "huge": ("999999999999999999999999", 86400),
    "more than a day": ("86401", 86400),
    "a date far away": ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
    "negative": ("-120", 5),
    "a fraction": ("120.5", 5),
    "words": ("soon", 5),
    "another alphabet's digits": ("１２０", 5),
    "nonsense that looks like a date": ("Fri, 99 Foo 2026 99:99:99 GMT", 5),
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("case", list(RETRY_AFTER))
async def test_retry_after_only_lengthens(tmp_path: Path, case: str, status: int):
    value, wait = RETRY_AFTER[case]
    clock = FakeClock()
    told = answer(status, headers={"Retry-After": value})
    async with (
        appliance(tmp_path, clock=clock, jitter=lambda: -1.0 if wait > 5 else 0.0) as box,
        receiver(told) as there,
    ):
        await box.endpoint(there.url)
        delivery = await box.settled(await box.text(), "pending")
        assert delivery.due_at == NOW + wait * 1000, "and jitter never makes it shorter"


async def test_retry_after_does_not_prolong_the_end(tmp_path: Path):
    clock = FakeClock()
    told = answer(429, headers={"Retry-After": "60"})
    async with appliance(tmp_path, clock=clock) as box, receiver(default=told) as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        for number, wait in enumerate(WAITS, start=1):
            await box.settled(message_id, "pending", attempts=number)
            await come_due(box, clock, max(60, wait))
        await box.settled(message_id, "failed", attempts=10)


async def test_a_retry_comes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the real clock, and nobody who wakes the loop."""
    monkeypatch.setattr(schedule, "DEFAULT", (0, 0.3, 0.3))
    monkeypatch.setattr("mmconnect.service.watch.INTERVAL", 3600.0)
    async with appliance(tmp_path) as box, receiver(answer(500), answer(500)) as there:
        await box.endpoint(there.url)
        await box.settled(await box.text(), attempts=3)
        gaps = [b.at - a.at for a, b in zip(there.arrivals, there.arrivals[1:], strict=False)]
        assert all(0.29 < gap < 45 for gap in gaps), "by itself it looks once a minute"


async def test_a_clock_that_jumps_ahead_sends_what_is_due_and_loses_nothing(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        await box.endpoint(there.url)
        message_id = await box.text()
        await box.settled(message_id, "pending")
        await come_due(box, clock, 400 * 86400)
        await box.settled(message_id, attempts=2)


async def test_the_same_bytes_at_every_attempt_whatever_changes_meanwhile(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=answer(500)) as there:
        await box.endpoint(there.url)
        message_id = await box.text("Grüße 😀 \x00\x07")
        await box.settled(message_id, "pending")

        def rename(db) -> None:
            db.execute("UPDATE devices SET name = 'Kitchen'")
            db.execute("INSERT INTO settings VALUES ('site_name', 'Acme')")
            db.execute("UPDATE endpoints SET numbers = 'digits'")

        box.change(rename)
        await eventually(lambda: box.watch.look().tenant.name == "Acme")
        there.default = answer()
        await come_due(box, clock, 5)
        await box.settled(message_id, attempts=2)
        one, two = there.arrivals
        assert one.body == two.body
        assert one.text == "Grüße 😀 \x00\x07"


def test_the_schedule_is_the_published_one():
    assert (0, *WAITS) == schedule.DEFAULT
