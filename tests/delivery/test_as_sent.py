"""What is kept of an attempt's request, against what a real receiver got: line by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect.domain.models import Delivery, Numbers
from mmconnect.store import deliveries, endpoints, erasure, secrets
from mmconnect.webhook import as_sent
from mmconnect.webhook.as_sent import Request, Sent
from mmconnect.webhook.headers import MASKED
from tests.delivery.outages import ANN, live, nobody, quiet
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Arrival, Receiver, answer, receiver

NEW = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcywgbW9yZSBvciBsZXNz"
OWN = (("X-Api-Key", "s3cret-\xe9"), ("x-b", "2"))


def sent(box: Appliance, delivery: Delivery, number: int = 1) -> Sent:
    """What an attempt has sent, put together from the database alone."""

    def look(db):
        its = deliveries.attempt(db, delivery.id, number)
        return its, deliveries.body(db, delivery.id)

    attempt, body = box._look(look)
    assert attempt.request is not None
    assert body is not None
    made = as_sent.rebuild(attempt.request, delivery.message_id, delivery.id, body)
    assert made is not None
    return made


def same(request: Request | None, arrival: Arrival, *own: tuple[str, str]) -> bool:
    """Whether that is what arrived, but for the values of the owner's headers."""
    assert request is not None
    values = dict(own)
    shown = [(name, MASKED if name in values else value) for name, value in arrival.headers]
    assert all(arrival.header(name) == value for name, value in own)
    assert list(request.headers) == shown
    assert request.line == f"{arrival.method} {arrival.target} HTTP/1.1"
    assert request.body == arrival.body
    return True


async def one(box: Appliance, there: Receiver, **fields) -> tuple[str, Delivery, Arrival]:
    """A text, delivered to an endpoint with these fields."""
    endpoint = await box.endpoint(fields.pop("url", there.url), **fields)
    delivery = await box.settled(await box.text("héllo \U0001f600 '\"\\", "+6581230000"))
    return endpoint, delivery, there.arrivals[-1]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"numbers": Numbers.DIGITS},
        {"plain_headers": False},
        {"strict_order": True},
        {"secrets": ["brought along, and no base64"]},
    ],
)
async def test_it_is_what_the_receiver_got(tmp_path: Path, fields: dict[str, object]):
    async with appliance(tmp_path) as box, receiver() as there:
        _, delivery, arrival = await one(box, there, **fields)
        made = sent(box, delivery)
        assert same(made.first, arrival)
        assert made.repeat is None
        assert made.first.url == there.url
        assert str(made.signed_at) == arrival.header("webhook-timestamp")


async def test_the_owners_own_headers_are_named_and_their_values_kept_nowhere(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        url = there.url.replace("//", "//ann:pass%20word@") + "?key=a%20b&c=%C3%A9"
        _, delivery, arrival = await one(box, there, headers=OWN, url=url)
        basic = ("Authorization", arrival.header("Authorization") or "")
        assert basic[1].startswith("Basic ")
        assert same(sent(box, delivery).first, arrival, *OWN, basic)
        kept = box.one("SELECT request FROM attempts")
        assert not any(value in kept for value in ("s3cret", "pass", "ann", basic[1][6:]))


async def test_an_authorization_of_the_owners_own_takes_the_place_of_the_urls(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        own = ("authorization", "Bearer 1")
        url = there.url.replace("//", "//ann:word@")
        _, delivery, arrival = await one(box, there, headers=(own,), url=url)
        assert same(sent(box, delivery).first, arrival, own)


async def test_all_stays_as_it_was_when_secret_url_and_headers_are_others(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint, delivery, arrival = await one(box, there, headers=OWN)
        box.change(lambda db: secrets.rotate(db, endpoint, NEW, now=box.clock.now(), overlap=0))
        row = box.endpoint_row(endpoint)
        other = replace(row, url="https://elsewhere.example/x", headers=(), plain_headers=False)
        box.change(lambda db: endpoints.update(db, other))
        assert same(sent(box, delivery).first, arrival, *OWN)
        box.change(lambda db: endpoints.remove(db, endpoint, box.clock.now()))
        assert same(sent(box, delivery).first, arrival, *OWN)


async def test_in_a_rotation_the_repeat_is_shown_too(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(401)) as there:
        endpoint = await box.endpoint(there.url)
        clock.advance(1)
        box.change(lambda db: secrets.rotate(db, endpoint, NEW, now=clock.now(), overlap=3600))
        await box.watch.refresh()
        delivery = await box.settled(await box.text())
        made = sent(box, delivery)
        assert same(made.first, there.arrivals[0])
        assert same(made.repeat, there.arrivals[1])
        assert there.arrivals[0].headers != there.arrivals[1].headers


async def test_each_attempt_and_each_replay_has_its_own(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(answer(500)) as there:
        await box.endpoint(there.url, strict_order=True)
        message = await box.text("again", ANN)
        await quiet(box)
        await live(box, clock, 5, 5)
        delivery = await box.settled(message, attempts=2)
        clock.advance(60)
        box.change(lambda db: deliveries.retry(db, [delivery.id], clock.now()))
        await box.watch.refresh()
        box.dispatcher.wake()
        delivery = await box.settled(message, attempts=3)
        for number, arrival in enumerate(there.arrivals, 1):
            assert same(sent(box, delivery, number).first, arrival)
        assert len({a.header("webhook-signature") for a in there.arrivals}) == 3


async def test_a_row_of_probes_has_the_last_ones(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, _, port):
        await live(box, clock, 30, 5)
        (delivery,) = box.deliveries()
        async with receiver(answer(503), answer(503), port=port) as there:
            await live(box, clock, 20, 5)
            probes = box.attempts(delivery.id)[-1]
            assert probes.count > 2
            assert same(sent(box, delivery, probes.number).first, there.arrivals[-1])


async def test_it_is_small_and_goes_with_the_text(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        _, delivery, arrival = await one(box, there)
        (kept,) = box.rows("SELECT request FROM attempts")[0]
        assert len(kept) <= 200
        signature = arrival.header("X-MMConnect-Signature") or ""
        assert signature in kept
        box.change(lambda db: erasure.wipe(db, [delivery.message_id], box.clock.now()))
        assert box.one("SELECT request FROM attempts") is None


async def test_where_nothing_can_be_sent_nothing_is_kept(tmp_path: Path):
    async with appliance(tmp_path) as box:
        await box.endpoint("http://exa mple/")
        message = await box.text()
        await eventually(lambda: box.deliveries(message)[0].state == "pending")
        assert box.rows("SELECT 1 FROM attempts WHERE request IS NOT NULL") == []


@pytest.mark.parametrize(
    "noted", ["", "2\n1\n1\n\n\n\n0\nhttp://a/", "1\n1\nx\n\n\n\n0\nhttp://a/"]
)
def test_what_a_newer_version_has_noted_is_not_guessed_at(noted: str):
    assert as_sent.rebuild(noted, "msg_1", "dlv_1", b"") is None
