"""The proofs that take minutes: `make long`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.scale import build
from mmconnect.store.connection import CHECKPOINT, FILE
from mmconnect.store.remains import log_size
from tests.support import receiver as acts
from tests.support.burst import SECRET
from tests.support.fire import PENDING, Fire, overtaken
from tests.support.receiver import free_port, receiving
from tests.support.service import Service, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

PROBE = 10.0
"""Seconds between two probes of an endpoint that is not reached, in the first hour."""


@pytest.fixture
def fire(tmp_path: Path) -> Iterator[Fire]:
    """A service with a phone, not started yet."""
    service = Service(tmp_path / "data", tmp_path)
    token = service.cli("device", "add", "--name", "Phone", "--app", "generic")["token"]
    try:
        yield Fire(service, str(token))
    finally:
        service.kill()


def test_an_outage_of_a_minute_with_ten_thousand_waiting(fire: Fire) -> None:
    port = free_port()
    fire.endpoint("one", f"http://127.0.0.1:{port}/hook")
    fire.service.start()
    gone = time.monotonic()
    fire.texts(100, senders=20)
    until(lambda: fire.state("one")["state"] == "held", "it is held", every=0.2)
    fire.forget()
    time.sleep(10)
    with_100 = fire.memory()
    fire.forget()
    fire.texts(9900, senders=200, first=100)
    time.sleep(max(0.0, gone + 60 - time.monotonic()))
    assert fire.service.count(PENDING) == 10_000
    # what an outage may cost: what was under way when it began, and its probes
    outage = time.monotonic() - gone
    spent = "SELECT coalesce(sum(count), 0) FROM attempts"
    assert fire.service.count(spent) <= 64 + 3 + outage / PROBE
    with receiving(default=acts.after(0.02, acts.answer()), port=port) as receiver:
        first = until(lambda: receiver.arrivals, "the first arrives", PROBE + 5)
        fire.settled(120)  # 10,000 at 64 at once and 20 ms each: 3 s and what the machine takes
        assert len(receiver.arrivals) == len({a.id for a in receiver.arrivals}) == 10_000
        assert overtaken([(a.json["from"], a.text) for a in receiver.arrivals]) == []
    peak = fire.memory()
    print(f"first after {first:.1f} s; {with_100:.1f} MB with 100 waiting, {peak:.1f} MB peak")
    assert peak <= with_100 + 10


def test_a_receiver_that_needs_20_s_gets_no_more_than_the_schedule(fire: Fire) -> None:
    """Each attempt is given up after 15 s, though the receiver acts on every one of them."""
    with receiving(default=acts.after(20, acts.answer())) as receiver:
        fire.endpoint("one", receiver.url, "--schedule", "now,2s,2s")
        fire.service.start()
        for n in range(8):
            fire.text(f"no {n}", f"+1555{n:07d}")
        began = time.monotonic()
        while time.monotonic() - began < 150:
            time.sleep(1)
            assert max(Counter(a.id for a in receiver.arrivals).values()) <= 3
        assert fire.state("one")["state"] == "held"
        # held after three different ones had failed: from there on one probe at a time
        assert len(receiver.arrivals) <= 8 + 8 + 5


def test_a_log_of_a_hundred_thousand_is_in_nobodys_way(fire: Fire) -> None:
    """It is listed and pruned while texts come: they do not wait, the log comes back to its cap.

    A text is due every 100 ms, whether the one before is through or not: who waits is counted, not
    only the one that is being taken.
    """
    with receiving() as receiver:
        endpoint_id = fire.endpoint("one", receiver.url)
        device_id = fire.service.cli("device", "list")[0]["id"]
        build(fire.service.directory / FILE, endpoint_id, device_id, 100_000)
        fire.service.start()
        late: list[float] = []
        """Seconds from when each text was due until it was taken."""
        over = threading.Event()

        def phone() -> None:
            n, due = 0, time.monotonic()
            while not over.is_set():
                fire.text(f"no {n}", f"+1555{n % 100:07d}")
                late.append(time.monotonic() - due)
                n, due = n + 1, due + 0.1
                time.sleep(max(0.0, due - time.monotonic()))

        thread = threading.Thread(target=phone)
        thread.start()
        try:
            fire.service.cli("settings", "set", "clock_trusted", "on")  # or nothing is pruned
            fire.service.cli("settings", "set", "retention_messages", "30d")
            for _ in range(5):
                assert fire.service.cli("message", "list", "--limit", "500")
                assert fire.service.cli("delivery", "list", "--limit", "500")
            half = "SELECT count(*) FROM messages"
            until(lambda: fire.service.count(half) < 51_000 + len(late), "half is gone", 1800, 1.0)
        finally:
            over.set()
            thread.join()
        fire.settled()
        assert sorted(late)[int(len(late) * 0.99)] < 1.0
        assert len(receiver.arrivals) == len(late)
        more = iter(range(1000))

        def back() -> bool:
            fire.text(f"one more {next(more)}")
            return log_size(fire.service.directory / FILE) <= CHECKPOINT

        until(back, "the log is back at its cap", 30, 1.0)
        assert SECRET not in fire.service.log_text()
