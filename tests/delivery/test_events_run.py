"""Operational events on their way: signed, in order, under their own id, and discreet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmconnect.store import events
from mmconnect.webhook import events as made
from mmconnect.webhook import signing
from mmconnect.webhook.payload import RECEIVED
from tests.support.inprocess import SECRET, Appliance, FakeClock, appliance
from tests.support.receiver import Receiver, answer, free_port, receiver


def tell(box: Appliance, event: made.Event) -> int:
    """As any write that makes it true does, then the dispatcher is woken."""
    known = box.watch.look()
    told = box.change(lambda db: events.tell(db, known, box.ids, box.clock.now(), event))
    box.dispatcher.wake()
    return told


async def test_an_event_is_signed_and_tried_again_like_a_text(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        watcher = await box.endpoint(there.url, events=made.OPERATIONAL)
        crm = await box.endpoint("http://127.0.0.1:9/", events=frozenset({RECEIVED}))
        assert tell(box, made.endpoint_held(box.endpoint_row(crm), "Nothing listens there")) == 1
        ((message_id,),) = box.rows("SELECT id FROM messages")
        await box.settled(message_id, "pending")
        clock.advance(10)
        box.dispatcher.wake()
        delivery = await box.settled(message_id, attempts=2)
        assert (delivery.endpoint_id, delivery.trigger) == (watcher, "event")
        first, second = there.arrivals
        assert first.body == second.body
        for arrival in (first, second):
            assert arrival.json["event"] == "endpoint.held"
            assert arrival.header("webhook-id") == arrival.id == message_id
            signed = signing.signature_headers(
                [SECRET], message_id, int(arrival.header("webhook-timestamp") or 0), arrival.body
            )
            assert {n: arrival.header(n) for n in signed} == signed


async def test_events_arrive_in_the_order_in_which_they_happened(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, events=made.OPERATIONAL)
        crm = box.endpoint_row(await box.endpoint("http://127.0.0.1:9/", events=frozenset()))
        for event in (made.endpoint_held(crm, "It is gone (410)"), made.endpoint_recovered(crm)):
            assert tell(box, event) == 1
        await there.until(2)
        names = [arrival.json["event"] for arrival in there.arrivals]
        assert names == ["endpoint.held", "endpoint.recovered"]


async def test_a_push_that_is_not_understood(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, events=frozenset({made.DEVICE_UNRECOGNISED}))
        for _ in range(3):
            told = await box.push({"Content-Type": "application/json"}, b'{"pssst": "zebra"}')
            assert told.status == 200
        await there.until(1)
        (arrival,) = there.arrivals
        assert told.json["id"] != arrival.id
        assert arrival.json["device"]["name"] == "Reception"
        assert b"zebra" not in arrival.body
        assert box.one("SELECT untold FROM events_told") == 2
        assert box.intake.counts.unrecognised == 3


async def told(box: Appliance, there: Receiver, count: int) -> list[dict[str, Any]]:
    """The first events that the alert endpoint got."""
    box.dispatcher.wake()
    await there.until(count)
    return [arrival.json for arrival in there.arrivals]


async def test_what_becomes_of_an_endpoint_is_told_to_another(tmp_path: Path):
    clock, port = FakeClock(), free_port()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url, events=made.OPERATIONAL)
        crm = await box.endpoint(f"http://127.0.0.1:{port}/", name="CRM")
        first = await box.text("pssst", "+6581230001")
        await box.settled(first, "pending")
        await box.text("pssst", "+6581230002")
        (held,) = await told(box, there, 1)
        assert (held["event"], held["endpoint"]["id"]) == ("endpoint.held", crm)
        assert "Nothing listens there" in held["message"]
        async with receiver(port=port):
            clock.advance(10)
            _, recovered = await told(box, there, 2)
        assert (recovered["event"], recovered["endpoint"]["id"]) == ("endpoint.recovered", crm)
        assert "1 waiting deliver" in recovered["message"]
        assert b"pssst" not in b"".join(arrival.body for arrival in there.arrivals)


async def test_a_delivery_that_has_failed_for_good_is_told(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, receiver(answer(500)) as bad:
        await box.endpoint(there.url, events=made.OPERATIONAL)
        crm = await box.endpoint(bad.url, schedule=(0,))
        failed = await box.settled(await box.text("x"), "failed")
        (event,) = await told(box, there, 1)
        assert (event["event"], event["delivery"]["id"]) == ("delivery.failed", failed.id)
        assert event["endpoint"]["id"] == crm


async def test_a_text_that_has_grown_too_old_is_told(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver() as there,
        receiver(answer(500)) as bad,
    ):
        await box.endpoint(there.url, events=made.OPERATIONAL)
        box.dispatcher._claiming._too_old = lambda endpoint: clock.now() - endpoint.max_age * 1000
        await box.endpoint(bad.url, max_age=900)
        late = await box.settled(await box.text("x"), "pending")
        clock.advance(900)
        (event,) = await told(box, there, 1)
        assert (event["event"], event["delivery"]["id"]) == ("delivery.failed", late.id)
        assert "older than the endpoint's maximum age (15m)" in event["message"]
        assert box.deliveries(late.message_id)[0].state == "expired"
