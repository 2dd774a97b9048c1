"""Everything goes wrong at once, on both sides, and still each text is one message, and delivered.

Random, by a seed that a failure names: mmconnect is killed, the phone's app dies, Wi-Fi comes and
goes, answers get lost, pushes come twice at the same time. `STORM_SEED` chooses another,
`STORM_SECONDS` makes it longer.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forwarders import PRESET, IncomingSmsPhone, Server, SmsForwarderPhone
from tests.support.receiver import free_port, receiving
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

SECONDS = float(os.environ.get("STORM_SECONDS", "12"))
SEEDS = [int(s) for s in os.environ.get("STORM_SEED", "1").split(",")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_text_is_one_message_whatever_happens(
    tmp_path: Path, seed: int, secure: bool
) -> None:
    """`secure`: SMS Gateway pushes by HTTPS, so that it is asked every two minutes only."""
    chance = random.Random(seed)
    ports = ["--phone-listen", f"127.0.0.1:{free_port()}"]  # its own while it is down, too
    if secure:
        ports += ["--phone-tls-listen", f"127.0.0.1:{free_port()}"]
    service = Service(tmp_path / "data", None, *ports)
    with (
        contextlib.closing(_Killed(service)),
        receiving() as receiver,
        SmsgatePhone(time_scale=0.005) as gate,
        SmsForwarderPhone(
            "http://127.0.0.1:9/", template=PRESET, server=Server(key="s3cret"), time_scale=0.01
        ) as forwarder,
        IncomingSmsPhone("http://127.0.0.1:9/", retries=50, time_scale=0.001) as incoming,
    ):
        service.start()
        if secure:
            service.cli("tls", "create-ca")
            gate.trust((service.directory / "ca.pem").read_text())
        service.cli("endpoint", "add", receiver.url)
        fetched = ("--poll", "1s", "--phone-password")
        service.cli(
            *("device", "add", "--name", "Gate", "--app", "smsgate", "--phone-url", gate.url),
            *(*fetched, "pass1234"),
        )
        pushes = service.cli(
            *("device", "add", "--name", "Forwarder", "--app", "smsforwarder"),
            *("--phone-url", forwarder.server_url, *fetched, "s3cret"),
        )
        forwarder.url = pushes["pushUrl"]
        third = service.cli("device", "add", "--name", "Incoming", "--app", "incoming_sms")
        incoming.url = third["pushUrl"]
        until(lambda: len(gate.app.hooks) == 6, "it is told where to push")
        scheme = "https:" if secure else "http:"
        assert all(hook.url.startswith(scheme) for hook in gate.app.hooks.values())
        listed = "SELECT count(listed_at) FROM phone_link_states"
        until(lambda: service.count(listed) == 2, "both were looked at")

        def mmconnect_dies() -> None:
            service.kill()
            time.sleep(chance.random() * 0.5)
            service.start()

        def wifi_goes() -> None:
            wifi = chance.choice([gate.wifi, incoming.wifi])
            wifi(False)
            time.sleep(chance.random() * 0.5)
            wifi(True)

        def app_dies() -> None:
            gate.kill_app()
            time.sleep(chance.random() * 0.3)
            gate.start()

        def answers_get_lost() -> None:
            gate.lose_answers(chance.randint(1, 3))
            gate.faults.doubles = chance.randint(0, 2)
            gate.faults.hang_ups = chance.randint(0, 2)

        accidents: list[Callable[[], None]] = [
            *(mmconnect_dies, wifi_goes, wifi_goes, app_dies, answers_get_lost, answers_get_lost)
        ]
        receive: list[Callable[..., object]] = [
            *(gate.receive, forwarder.receive, incoming.receive)
        ]
        sent: list[str] = []
        begun = time.monotonic()
        while time.monotonic() - begun < SECONDS:
            for _ in range(chance.randint(1, 6)):
                text = f"text {len(sent)}"
                sent.append(text)
                chance.choice(receive)(f"+1555010{chance.randint(0, 9)}", text)
            if chance.random() < 0.7:
                chance.choice(accidents)()
            time.sleep(chance.random() * 0.2)

        count = "SELECT count(*) FROM messages WHERE kind = 'sms'"
        until(
            lambda: service.count(count) >= len(sent),
            lambda: f"seed {seed}: {_missing(service, sent)}",
            within=60,
        )
        until(lambda: set(receiver.texts) >= set(sent), "all are delivered", within=60)
        gate.settled(60)
        if not secure:
            looks = len(gate.requests)
            until(lambda: len(gate.requests) > looks + 3, "it is read once more")
        with service.looking() as db:
            taken = Counter(text for (text,) in db.execute("SELECT text FROM messages"))
            raw = db.execute("SELECT count(*) FROM messages WHERE kind <> 'sms'").fetchone()[0]
        assert {text: n for text, n in taken.items() if n > 1} == {}, f"seed {seed}"
        assert sorted(taken) == sorted(sent), f"seed {seed}"
        assert raw == 0
        assert service.stop() == 0


class _Killed:
    """Whatever happens, it does not outlive the test."""

    def __init__(self, service: Service) -> None:
        self.close = service.kill


def _missing(service: Service, sent: list[str]) -> list[str]:
    with service.looking() as db:
        there = {text for (text,) in db.execute("SELECT text FROM messages")}
    return [text for text in sent if text not in there]
