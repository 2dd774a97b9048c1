"""A secret is changed while texts stream, under a receiver that knows one plain header only."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.phones import generic_json
from tests.support.receiver import Exchange, Receiver, answer, receiving
from tests.support.service import Service, ask, until

RATE = 50
"""Texts a second."""
SENDERS = 40


@dataclass
class Hosted:
    """A receiver as the hosted service's guide has it: X-MAC-Signature, one secret, no rotation."""

    secret: str
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    times: dict[str, float] = field(default_factory=dict)

    async def act(self, exchange: Exchange) -> None:
        there = exchange.arrival
        digest = hmac.new(self.secret.encode(), there.body, hashlib.sha256).hexdigest()
        if there.header("X-MAC-Signature") != f"sha256={digest}":
            self.refused[there.text] += 1
            await answer(401)(exchange)
            return
        self.accepted[there.text] += 1
        self.times.setdefault(there.text, there.at)
        await answer(200)(exchange)


@dataclass
class House:
    service: Service
    endpoint: str
    secret: str
    token: str
    there: Receiver
    pushed: dict[str, float] = field(default_factory=dict)

    def push(self, text: str) -> None:
        sender = f"+1555{len(self.pushed) % SENDERS:07d}"
        headers, body = generic_json({"from": sender, "text": text})
        self.pushed[text] = time.monotonic()
        status, *_ = ask(self.service.phone, "POST", f"/in/{self.token}", body, headers)
        assert status == 200

    def stream(self, name: str, count: int) -> None:
        """So many texts at RATE."""
        begun = time.monotonic()
        for n in range(count):
            self.push(f"{name} {n}")
            time.sleep(max(0.0, begun + (n + 1) / RATE - time.monotonic()))

    def rotate(self, *more: str) -> str:
        return str(self.service.cli("endpoint", "rotate-secret", self.endpoint, *more)["secret"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    service = Service(tmp_path / "data").start()
    try:
        with receiving() as there:
            added = service.cli("endpoint", "add", there.url)
            phone = service.cli("device", "add", "--name", "Phone", "--app", "generic")
            yield House(service, added["id"], added["secret"], phone["token"], there)
    finally:
        service.kill()


def test_no_text_is_lost_or_waits_for_a_retry(house: House):
    hosted = Hosted(house.secret)
    house.there.default = hosted.act
    house.stream("before", 60)
    new = house.rotate()
    house.service.noticed()
    house.stream("old still", 120)  # the receiver has only the old one
    assert hosted.refused, "the new secret signs, and this receiver does not know it"
    # what is repeated with the old secret has come: else the receiver would rightly refuse it, too
    until(lambda: len(hosted.accepted) == len(house.pushed), "every text is accepted")
    hosted.secret = new
    house.stream("new", 100)
    until(lambda: len(hosted.accepted) == len(house.pushed), "every text is accepted")
    pending = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
    until(lambda: not house.service.count(pending), "every result is recorded")

    assert set(hosted.accepted) == set(house.pushed)
    assert set(hosted.accepted.values()) == {1}, "none twice"
    # none later than its own attempt: nothing waited for the schedule
    assert house.service.count("SELECT max(attempts) FROM deliveries") == 1
    assert house.service.count("SELECT max(number) FROM attempts") == 1
    repeated = house.service.count(
        "SELECT count(*) FROM attempts WHERE note LIKE '%knows only the previous secret%'"
    )
    assert repeated == len(hosted.refused)
    assert set(hosted.refused.values()) == {1}
    worst = max(hosted.times[text] - at for text, at in house.pushed.items())
    print(f"{len(house.pushed)} texts, {repeated} repeated, the latest {worst * 1000:.0f} ms")
    log = house.service.log_text()
    assert log.count("knows only the previous secret") == 1, "told once, not with each text"
    assert "whsec_" not in log


def test_only_the_secret_is_edited_and_the_next_attempt_has_it(house: House):
    """§ an edit takes effect on the next attempt, without a restart."""
    house.service.cli("endpoint", "set", house.endpoint, "--schedule", "now,1h")
    house.service.noticed()
    hosted = Hosted("whsec_" + "A" * 44)
    house.there.default = hosted.act
    house.push("waits")
    until(lambda: hosted.refused["waits"] == 1, "the first attempt is refused")
    pending = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
    until(lambda: house.service.count(pending) == 1, "which is recorded")
    hosted.secret = house.rotate("--overlap", "0")
    house.service.due()
    until(lambda: hosted.accepted["waits"] == 1, "the next one is signed with the new secret")
    assert house.there.arrivals[-1].header("X-MMConnect-Signature-Previous") is None
    assert hosted.refused["waits"] == 1
