"""Phones in real time: `make long`. Figures are printed; read them with `ARGS=-s`."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Gateway
from tests.e2e.test_each_app import Killed, Story
from tests.e2e.test_https_first_push import TLS, pushed
from tests.e2e.test_watching import alerting
from tests.support.burst import Receiver as BurstReceiver
from tests.support.burst import receiving as burst_receiving
from tests.support.every_app import Everybody
from tests.support.receiver import receiving
from tests.support.service import Service, ask, until
from tests.support.smsgate_phone import SmsgatePhone

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TICKS = os.sysconf("SC_CLK_TCK")
PHONES = 10
SHARE = 0.05
"""Of one core, that ten phones may cost which are asked every 3 s and have nothing to say."""


def used(service: Service) -> float:
    """CPU seconds that the process has used."""
    assert service.process is not None
    stat = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path / "data", None, *TLS).start()
    try:
        yield one
    finally:
        one.kill()


def test_every_text_of_every_app_within_a_second_of_its_first_possible_arrival(
    tmp_path: Path,
) -> None:
    """For a phone that is asked: while all was well, asked every second."""
    service = Service(tmp_path / "data")
    with ExitStack() as stack:
        stack.enter_context(closing(Killed(service)))
        receiver = stack.enter_context(receiving())
        service.start()
        service.cli("endpoint", "add", receiver.url)
        everybody = Everybody(service, tmp_path, stack)
        story = Story(service, everybody, receiver)
        story.run()
        asked = {one.name for one in everybody.senders if one.asked}
        slow = {}
        for name, stages in story.delays().items():
            figures = ", ".join(f"{stage} {took:.3f}" for stage, took in stages.items())
            print(f"{name}: {figures}")
            for stage, took in stages.items():
                if name in asked and stage == "no Wi-Fi":
                    continue  # asked less and less often while it was away
                # asked once a second, and 2 s after an answer that was lost
                allowed = 1.0 if name not in asked else 3.0 if stage == "answer lost" else 2.0
                if took > allowed:
                    slow[name, stage] = took
        assert slow == {}


def test_a_push_by_https_costs_a_handshake_and_no_more(service: Service) -> None:
    with receiving() as receiver:
        service.cli("endpoint", "add", receiver.url)
        service.cli("tls", "create-ca")
        until(lambda: service._note().get("phone_tls"), "the port for HTTPS is open")
        median = {
            scheme: statistics.median(pushed(service, receiver, scheme, 100))
            for scheme in ("http", "https")
        }
    print({scheme: f"{seconds * 1000:.1f} ms" for scheme, seconds in median.items()})
    assert median["https"] < median["http"] + 0.05


def test_what_ten_phones_cost_that_have_nothing_to_say(service: Service) -> None:
    time.sleep(5)  # until it has started
    begun, before = time.monotonic(), used(service)
    time.sleep(30)
    alone = (used(service) - before) / (time.monotonic() - begun)
    with ExitStack() as stack:
        for number in range(PHONES):
            phone = stack.enter_context(SmsgatePhone(device_id=f"{number:032d}"))
            phone.fill(200)
            service.cli(
                *("device", "add", "--name", f"{number}", "--app", "smsgate"),
                *("--phone-url", phone.url, "--phone-password", "pass1234"),
            )
        history = "SELECT count(*) FROM kept_back"
        until(lambda: service.count(history) == 200 * PHONES, "history is read", 120, 0.5)
        time.sleep(20)
        begun, before = time.monotonic(), used(service)
        time.sleep(60)
        share = (used(service) - before) / (time.monotonic() - begun)
    print(f"alone {alone:.2%} of a core, with {PHONES} phones {share:.2%}")
    assert share - alone < SHARE


@pytest.fixture
def burst() -> Iterator[BurstReceiver]:
    with burst_receiving() as one:
        yield one


def test_a_phone_that_falls_silent_is_told_of_and_its_return_too(
    tmp_path: Path, burst: BurstReceiver
) -> None:
    """After a minute, the shortest that can be set; by a text, and then by a heartbeat."""
    service = Service(tmp_path / "data").start()
    with closing(Killed(service)):
        phone = service.cli(
            *("device", "add", "--name", "Phone", "--app", "generic", "--silent-after", "1m")
        )
        at, path = service.phone, f"/in/{phone['token']}"

        def push(text: str) -> None:
            body = f'{{"from":"+15550100","text":"{text}"}}'.encode()
            assert ask(at, "POST", path, body, {"Content-Type": "application/json"})[0] == 200

        gateway = Gateway(service, burst, phone["token"], "", phone["id"])
        with alerting(gateway) as there:
            until(lambda: len(service.cli("endpoint", "list")) == 1, "the alert URL is one")
            time.sleep(1.0)  # a setting takes effect within a second
            push("one")
            heard = time.monotonic()
            told = there.wait("device.silent", within=90)
            took = time.monotonic() - heard
            print(f"told after {took:.1f} s")
            assert 59 < took < 75
            assert told["device"] == {"id": phone["id"], "name": "Phone"}
            assert "silent" in service.page("/phones")
            assert ask(at, "POST", f"/beat/{phone['token']}")[0] == 200
            there.wait("device.recovered", within=20)
            until(lambda: "silent" not in service.page("/phones"), "it is over")
            time.sleep(8)  # a look at it and some
            assert [e["event"] for e in there.came] == ["device.silent", "device.recovered"]
