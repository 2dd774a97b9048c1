"""Pairing through the real process: from `device add` to the first text, beside restarts.

The browser here is http.client with a cookie; a real one is in tests/browser.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.browser import AGENT
from tests.support.phones import generic_json
from tests.support.program import starts_none
from tests.support.service import ROOT, Service, ask, until


class Browser:
    """Keeps the one cookie that it gets."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.cookie = ""

    def ask(self, method: str, path: str, form: bytes = b"") -> tuple[int, dict[str, str], str]:
        host, port = self._service.phone
        headers = {"User-Agent": AGENT}
        if method == "POST":
            headers["Origin"] = f"http://{host}:{port}"
        if self.cookie:
            headers["Cookie"] = self.cookie
        status, told, body = ask(self._service.phone, method, path, form, headers)
        if "set-cookie" in told:
            self.cookie = told["set-cookie"].partition(";")[0]
        return status, told, body.decode()


@pytest.fixture
def service(tmp_path: Path):
    made = Service(tmp_path / "data").start()
    yield made
    made.kill()


def path_of(told: dict[str, str]) -> str:
    return "/pair/" + told["pairUrl"].rpartition("/")[2]


def test_from_adding_a_phone_to_its_first_text(service: Service):
    added = service.cli("device", "add", "--name", "Reception")
    token, here = added["token"], path_of(added)
    assert added["pairUrl"] == f"http://127.0.0.1:{service.phone[1]}{here}"
    browser, other = Browser(service), Browser(service)
    status, _, page = browser.ask("GET", here)  # at once: the service sees what was just written
    assert status == 200
    assert "Connect Reception" in page
    assert token not in page
    assert browser.ask("POST", f"{here}/continue")[0] == 303
    assert other.ask("GET", here)[0] == 409
    assert browser.ask("POST", f"{here}/app", b"app=incoming_sms")[0] == 303
    page = browser.ask("GET", here)[2]
    assert added["pushUrl"] in page

    headers, body = generic_json({"from": "+6581230000", "text": "hello"})
    ask(service.phone, "POST", f"/in/{token}x", body, headers)
    told = json.loads(browser.ask("GET", f"{here}/status")[2])
    assert [one["title"] for one in told["findings"]] == ["A push came with a wrong token"]

    assert service.stop() == 0
    service.start()  # on another port
    assert browser.ask("GET", f"{here}/wait")[0] == 200
    assert ask(service.phone, "POST", f"/in/{token}", body, headers)[0] == 200
    until(
        lambda: json.loads(browser.ask("GET", f"{here}/status")[2])["state"] == "arrived",
        "the page notices",
    )
    status, _, page = browser.ask("GET", here)
    assert status == 200
    assert "The first text has arrived" in page
    assert token not in page
    assert other.ask("GET", here)[0] == 404
    [device] = service.cli("device", "list")
    assert device["app"] == "incoming_sms"

    again = service.cli("device", "pair", added["id"])
    assert browser.ask("GET", here)[0] == 404
    assert browser.ask("GET", path_of(again))[0] == 200
    for secret in (token, added["pairCode"], again["pairCode"], "hello"):
        assert secret not in service.log_text()
        assert secret.replace("-", "") not in service.log_text()


def test_a_code_made_while_the_service_was_off(tmp_path: Path):
    service = Service(tmp_path / "data")
    added = service.cli("device", "add", "--name", "Reception", "--app", "generic")
    service.start()
    try:
        browser = Browser(service)
        assert browser.ask("GET", path_of(added))[0] == 200
        browser.ask("POST", f"{path_of(added)}/continue")
        assert added["token"] in browser.ask("GET", path_of(added))[2]
        simulated = service.cli("message", "simulate", "--from", "+6581230000", "--text", "hi")
        assert simulated["id"]
        until(lambda: "has arrived" in browser.ask("GET", path_of(added))[2], "the page notices")
    finally:
        service.kill()


@starts_none
def test_nothing_of_it_is_loaded_before_the_first_page():
    look = (
        "import sys; import mmconnect.service.daemon;"
        "print([m for m in sys.modules if re.search('pair_pages|segno', m)])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"import re; {look}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.strip() == "[]"
    assert not re.search(r"\S", ran.stderr)


def test_with_https_the_page_shows_its_url_and_says_what_goes_wrong_with_it(tmp_path: Path):
    pytest.importorskip("cryptography")
    service = Service(tmp_path / "data", None, "--phone-tls-listen", "127.0.0.1:0").start()
    try:
        added = service.cli("device", "add", "--name", "Reception", "--app", "smsgate")
        here, browser = path_of(added), Browser(service)
        browser.ask("POST", f"{here}/continue")
        assert "mmconnect has no certificate yet" in browser.ask("GET", here)[2]
        service.cli("tls", "create-ca")
        until(lambda: service._note().get("phone_tls"), "the port for HTTPS is open")
        host, _, port = service._note()["phone_tls"][0].rpartition(":")
        page = browser.ask("GET", here)[2]
        assert f"https://{host}:{port}/in/{added['token']}" in page
        assert 'href="/ca.crt"' in page
        assert ask(service.phone, "GET", "/ca.crt")[0] == 200
        status = ask((host, int(port)), "POST", f"/in/{added['token']}", b"{}")[0]
        assert status == 400, "plain http on the port for https"

        def found() -> list[str]:
            told = json.loads(browser.ask("GET", f"{here}/status")[2])
            return [one["title"] for one in told["findings"]]

        assert found() == ["Plain http was spoken on the port for https"]
        distrusting = ssl.create_default_context()
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            socket.create_connection((host, int(port)), 60) as line,
        ):
            distrusting.wrap_socket(line, server_hostname=host)
        until(
            lambda: found()[0] == "The phone does not trust mmconnect's certificate",
            lambda: str(found()),
        )
    finally:
        service.kill()
