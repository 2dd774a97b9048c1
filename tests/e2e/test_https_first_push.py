"""HTTPS, pairing, and the first push by it, as one story; and how quick such a push is."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_pairing import Browser, path_of
from tests.support.receiver import Receiver, receiving
from tests.support.service import Service, ask, until
from tests.support.smsgate_phone import SmsgatePhone

pytest.importorskip("cryptography")

TLS = ("--phone-tls-listen", "127.0.0.1:0")
CLASS = 0.5
"""Seconds that HTTPS may cost a push on a machine that is busy; `make long` prints what it does."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def service(tmp_path: Path, receiver: Receiver) -> Iterator[Service]:
    one = Service(tmp_path / "data", None, *TLS).start()
    one.cli("endpoint", "add", receiver.url)
    try:
        yield one
    finally:
        one.kill()


def test_from_a_pairing_code_to_the_first_text_by_https(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone() as phone:
        # on the computer
        service.cli("tls", "create-ca")
        until(lambda: service._note().get("phone_tls"), "the port for HTTPS is open")
        added = service.cli("device", "add", "--name", "Reception", "--app", "smsgate")
        # in the phone's browser
        here, browser = path_of(added), Browser(service)
        assert browser.ask("POST", f"{here}/continue")[0] == 303
        page = browser.ask("GET", here)[2]
        base = f"https://{service._note()['phone_tls'][0]}"
        assert f"{base}/in/{added['token']}" in page
        assert 'href="/ca.crt"' in page
        status, headers, pem = ask(service.phone, "GET", "/ca.crt")
        assert (status, headers["content-type"]) == (200, "application/x-x509-ca-cert")
        phone.trust(pem.decode())
        # on the computer: the command that the page shows, with what stands on the app's home tab
        assert f"mmconnect device link {added['id']}" in page
        service.cli(
            *("device", "link", added["id"], "--phone-url", phone.url),
            *("--phone-password", "pass1234"),
        )
        until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
        assert {hook.url for hook in phone.app.hooks.values()} == {f"{base}/in/{added['token']}"}
        # the first text
        phone.wifi(True)
        phone.receive("+6581230000", "hello")
        until(lambda: receiver.texts == ["hello"], "it is delivered")
        until(lambda: any(p.event == "sms:received" for p in phone.pushes), "it is pushed")
        push = next(p for p in phone.pushes if p.event == "sms:received")
        assert (push.status, push.url) == (200, f"{base}/in/{added['token']}")

        def state() -> object:
            return json.loads(browser.ask("GET", f"{here}/status")[2])["state"]

        until(lambda: state() == "arrived", "the page says so")
        phone.settled()
        assert receiver.texts == ["hello"], "by both ways one message"
        [device] = service.cli("device", "list")
        assert (device["app"], device["signed"]) == ("smsgate", True)
        for secret in (added["token"], added["pairCode"], "pass1234", "hello"):
            assert secret not in service.log_text()


def pushed(service: Service, receiver: Receiver, scheme: str, count: int = 15) -> list[float]:
    """Seconds from a text's coming in at a phone that only pushes to its webhook, of each."""
    key = "k" * 32
    added = service.cli(
        *("device", "add", "--name", scheme, "--app", "smsgate", "--signing-key", key)
    )
    at = service._note()["phone_tls" if scheme == "https" else "phone"][0]
    with SmsgatePhone() as phone:
        phone.trust(ask(service.phone, "GET", "/ca.crt")[2].decode())
        phone.app.settings.all["webhooks"] |= {"signing_key": key, "internet_required": False}
        url = f"{scheme}://{at}/in/{added['token']}"
        phone.app.register({"id": "x", "url": url, "event": "sms:received"})
        took = []
        for number in range(count):
            text, begun = f"{scheme} {number}", time.monotonic()
            phone.receive(f"+1555000{number:04d}", text)
            until(lambda text=text: text in receiver.texts, "it arrives", every=0.002)  # type: ignore[misc]
            took.append(next(a.at for a in receiver.arrivals if a.text == text) - begun)
    return took


def test_a_push_by_https_is_as_quick_as_by_http(service: Service, receiver: Receiver) -> None:
    """Of the same class, on a new connection each, as phones make them."""
    service.cli("tls", "create-ca")
    until(lambda: service._note().get("phone_tls"), "the port for HTTPS is open")
    plain, secure = (statistics.median(pushed(service, receiver, s)) for s in ("http", "https"))
    assert secure < plain + CLASS, f"{plain:.3f} s by http, {secure:.3f} s by https"
