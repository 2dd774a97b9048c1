"""What an attempt carries during a rotation, and the one repeat for a receiver that lags behind."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery.sender import Sender
from mmconnect.delivery.signed import Sent, send_signed, sign
from mmconnect.domain.models import (
    Endpoint,
    EndpointState,
    Flight,
    Numbers,
    Secret,
    Trigger,
)
from mmconnect.store import secrets
from tests.support.inprocess import NOW, FakeClock, appliance
from tests.support.receiver import Act, Exchange, Receiver, answer, receiver

OLD = "whsec_b2xkIHNlY3JldCBvZiAzMiBieXRlcywgbW9yZSBvciBsZXNz"
NEW = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcywgbW9yZSBvciBsZXNz"
BODY = b'{"id":"msg_1"}'
FLIGHT = Flight(
    delivery_id="dlv_1",
    message_id="msg_1",
    endpoint_id="ep_1",
    sender="+1",
    number=3,
    spent=1,
    trigger=Trigger.PUSH,
    body=BODY,
)
RING = (
    Secret(value=NEW, created_at=NOW, expires_at=None),
    Secret(value=OLD, created_at=0, expires_at=NOW + 3_600_000),
)


def endpoint(url: str = "http://127.0.0.1:9/", **more) -> Endpoint:
    fields: dict[str, Any] = {
        "id": "ep_1",
        "name": "crm",
        "url": url,
        "state": EndpointState.ACTIVE,
        "held_class": None,
        "held_reason": None,
        "numbers": Numbers.E164,
        "events": frozenset(),
        "max_age": 86400,
        "plain_headers": True,
        "concurrency": 64,
        "created_at": 0,
        "secrets": RING,
    }
    return Endpoint(**(fields | more))


def hex_of(secret: str) -> str:
    return hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()


def only(secret: str, status: int = 401) -> Act:
    """Knows the hosted service's header alone, and one secret."""

    async def act(exchange: Exchange) -> None:
        there = exchange.arrival
        expected = hmac.new(secret.encode(), there.body, hashlib.sha256).hexdigest()
        fits = there.header("X-MAC-Signature") == f"sha256={expected}"
        await answer(200 if fits else status)(exchange)

    return act


async def sent(sender: Sender, there: Receiver, **more) -> Sent:
    return await send_signed(sender, endpoint(there.url, **more), FLIGHT, NOW)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_receiver_that_knows_only_the_old_secret_gets_it_at_once(
    sender: Sender, status: int
):
    async with receiver(default=only(OLD, status)) as there:
        done = await sent(sender, there)
    assert (done.answer.status, done.known) == (200, "previous")
    assert done.remark is not None
    assert "knows only the previous secret, which ends at 2026-06-12T15:32:00.000Z" in done.remark
    first, second = there.arrivals
    same = {"webhook-id", "webhook-timestamp", "webhook-signature", "x-mmconnect-attempt"}
    for name in (*same, "x-mmconnect-delivery"):
        assert first.header(name) == second.header(name) is not None
    assert first.body == second.body == BODY
    assert len((second.header("webhook-signature") or "").split(" ")) == 2
    assert first.header("X-MMConnect-Signature") == hex_of(NEW)
    for name in ("X-MMConnect-Signature", "X-MMConnect-Signature-Previous"):
        assert second.header(name) == hex_of(OLD)


async def test_a_receiver_that_knows_the_new_one_is_asked_once(sender: Sender):
    async with receiver(default=only(NEW)) as there:
        done = await sent(sender, there)
    assert (done.answer.status, done.known, done.remark) == (200, None, None)
    assert len(there.arrivals) == 1


async def test_when_it_knows_neither_the_refusal_of_the_new_one_counts(sender: Sender):
    async with receiver(answer(401), answer(403)) as there:
        done = await sent(sender, there)
    assert (done.answer.status, done.known) == (401, None)
    assert "neither" in (done.remark or "")
    assert len(there.arrivals) == 2


async def test_what_comes_after_the_signature_was_accepted_counts(sender: Sender):
    async with receiver(answer(401), answer(500)) as there:
        done = await sent(sender, there)
    assert (done.answer.status, done.known) == (500, None)
    assert "401 to the current secret" in (done.remark or "")


@pytest.mark.parametrize("status", [200, 400, 404, 429, 500, 503])
async def test_no_other_answer_is_repeated(sender: Sender, status: int):
    async with receiver(default=answer(status)) as there:
        done = await sent(sender, there)
    assert done.answer.status == status
    assert len(there.arrivals) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"secrets": RING[:1]},
        {"secrets": (RING[0], replace(RING[1], expires_at=NOW))},
        {"plain_headers": False},
    ],
    ids=["not rotated", "overlap over", "plain headers off"],
)
async def test_without_a_previous_signature_nothing_is_repeated(sender: Sender, more: dict):
    async with receiver(default=answer(401)) as there:
        done = await sent(sender, there, **more)
    assert (done.answer.status, done.remark) == (401, None)
    (arrival,) = there.arrivals
    assert arrival.header("X-MMConnect-Signature-Previous") is None


async def test_the_duration_is_that_of_both(sender: Sender):
    class Ticking(FakeClock):
        def monotonic(self) -> float:
            self._monotonic += 1
            return self._monotonic

    made = Sender(Ticking(), total_timeout=100)
    try:
        async with receiver(default=answer(200)) as there:
            once = (await sent(made, there)).answer.duration_ms
        async with receiver(default=only(OLD)) as there:
            twice = (await sent(made, there)).answer.duration_ms
    finally:
        await made.close()
    assert twice == 2 * once > 0


async def test_the_log_says_once_which_secret_it_knows(
    sender: Sender, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    end = NOW + 12_345_678
    ring = (RING[0], replace(RING[1], expires_at=end))
    async with receiver(default=only(OLD)) as there:
        for _ in range(3):
            await sent(sender, there, secrets=ring)
    assert caplog.text.count("knows only the previous secret") == 1
    assert "whsec_" not in caplog.text


# -- the owner's own headers -----------------------------------------------------------------------


def test_own_headers_are_sent_and_never_stand_in_for_ours():
    own = (
        ("Authorization", "Bearer x"),
        ("X-MAC-Signature", "sha256=0"),
        ("WEBHOOK-ID", "msg_other"),
        ("x-mmconnect-attempt", "99"),
    )
    plain = sign(endpoint(), FLIGHT, NOW)
    assert sign(endpoint(headers=own), FLIGHT, NOW) == plain | {"Authorization": "Bearer x"}
    # nor where ours is not sent at all
    off = sign(endpoint(headers=own, plain_headers=False), FLIGHT, NOW)
    assert "X-MAC-Signature" not in off


def test_while_the_clock_is_not_trusted_the_previous_one_signs_on():
    late = RING[1].expires_at or 0
    assert "X-MMConnect-Signature-Previous" not in sign(endpoint(), FLIGHT, late)
    assert "X-MMConnect-Signature-Previous" in sign(endpoint(), FLIGHT, late, trusted=False)


# -- in the running machine ------------------------------------------------------------------------


async def test_two_signatures_at_59_minutes_and_one_at_61(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        endpoint_id = await box.endpoint(there.url)
        box.change(lambda db: secrets.rotate(db, endpoint_id, NEW, now=clock.now(), overlap=3600))
        await box.watch.refresh()
        known = box.watch.look()
        clock.advance(59 * 60)
        await box.settled(await box.text("59"))
        clock.advance(2 * 60)
        await box.settled(await box.text("61"))
        assert box.watch.look() is known, "nothing had to run for it to end"
        early, late = there.arrivals
        assert len((early.header("webhook-signature") or "").split(" ")) == 2
        assert early.header("X-MMConnect-Signature-Previous") is not None
        assert len((late.header("webhook-signature") or "").split(" ")) == 1
        assert late.header("X-MMConnect-Signature-Previous") is None


async def test_the_repeat_is_one_attempt_that_says_so(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver(default=only(OLD)) as there:
        endpoint_id = await box.endpoint(there.url, secrets=[OLD])
        box.change(lambda db: secrets.rotate(db, endpoint_id, NEW, now=box.clock.now()))
        await box.watch.refresh()
        delivery = await box.settled(await box.text())
        assert (delivery.attempts, delivery.spent) == (1, 1)
        (attempt,) = box.attempts(delivery.id)
        assert (attempt.outcome, attempt.status, attempt.error) == ("delivered", 200, None)
        assert "give it the new one" in (attempt.note or "")
        assert len(there.arrivals) == 2


async def test_without_overlap_a_lagging_receiver_is_refused_at_once(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver(default=only(OLD)) as there:
        endpoint_id = await box.endpoint(there.url, secrets=[OLD])
        clock.advance(1)
        box.change(lambda db: secrets.rotate(db, endpoint_id, NEW, now=clock.now(), overlap=0))
        await box.watch.refresh()
        await box.settled(await box.text(), "pending")
        assert len(there.arrivals) == 1
