"""Phones that answer what no honest one would: nothing is lost of the rest, and nothing is told."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service, ask, until

JSON = "application/json"


class Liar(ThreadingHTTPServer):
    """The server of an app that says whatever a test likes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.rows: list[dict[str, Any]] = []
        """Newest first."""
        self.total: str | None = "honest"
        """What it says how many there are; None: nothing."""
        self.endless = False
        self.echoes = False
        """Whether it refuses webhooks and says which."""
        self.raw: bytes | None = None
        """What its inbox is instead."""
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def receive(self, number: int, **fields: object) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        row = {"id": f"row-{number}", "type": "SMS", "sender": "+15550100"}
        self.rows.insert(0, {**row, "contentPreview": f"text {number}", "createdAt": now, **fields})


class _Answers(BaseHTTPRequestHandler):
    server: Liar

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        told = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.command, told.path:
            case _, "/health":
                self._say({"status": "pass", "version": "1.66.2", "checks": {}})
            case _, "/device":
                self._say([{"id": "phone", "name": "A\x1b[31mphone\nof lies"}])
            case _, "/auth/token":
                self._say({"access_token": "a", "expires_at": "2099-01-01T00:00:00Z"})
            case "POST", "/webhooks" if self.server.echoes:
                url = json.loads(body)["url"]
                self._say({"message": f"Bad\n2026-01-01 INFO forged\x1b[2J url {url}"}, 400)
            case _, "/inbox":
                self._inbox({name: values[0] for name, values in parse_qs(told.query).items()})
            case _:
                self._say({})

    do_POST = do_PATCH = do_DELETE = do_GET

    def _inbox(self, query: dict[str, str]) -> None:
        liar = self.server
        liar.asked += 1
        offset, limit = int(query.get("offset", "0")), int(query.get("limit", "50"))
        rows = liar.rows[offset : offset + limit]
        if liar.endless:
            made = [{"id": f"r{offset + n}", "contentPreview": f"{n}"} for n in range(limit)]
            rows = [liar.rows[0] | one for one in made]
        total = str(len(liar.rows)) if liar.total == "honest" else liar.total
        self._say(rows, total=total)

    def _say(self, value: object, status: int = 200, total: str | None = None) -> None:
        raw = self.server.raw if isinstance(value, list) and total is not None else None
        body = json.dumps(value).encode() if raw is None else raw
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(body)))
        if total is not None:
            self.send_header("X-Total-Count", total)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # it may have had enough
            self.wfile.write(body)


@pytest.fixture
def liar() -> Iterator[Liar]:
    with Liar() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def link(service: Service, liar: Liar) -> dict[str, str]:
    added: dict[str, str] = service.cli(
        *("device", "add", "--name", "Reception", "--app", "smsgate", "--phone-url", liar.url),
        *("--phone-password", "a-password", "--poll", "1s"),
    )
    until(lambda: state(service, "listed_at") is not None, "its inbox is known")
    asked = liar.asked
    until(lambda: liar.asked > asked + 2, "it is looked at again and again")
    return added


def state(service: Service, column: str) -> object:
    with service.looking() as db:
        row = db.execute(f"SELECT {column} FROM phone_link_states").fetchone()
    return None if row is None else row[0]


@pytest.mark.parametrize("total", ["1" + "0" * 15, "100000", "9" * 5000, "-5", "", "many"])
def test_a_number_of_texts_that_is_none_keeps_no_text_back(
    service: Service, liar: Liar, receiver: Receiver, total: str
) -> None:
    link(service, liar)
    liar.total = total
    for number in range(3):  # the first look at a new number takes the newest page by itself
        liar.receive(number)
        until(lambda: len(receiver.texts) > number, f"text {number} arrives")  # noqa: B023
    assert receiver.texts == ["text 0", "text 1", "text 2"]
    assert "Traceback" not in service.log_text()


def test_half_a_character_in_an_id_keeps_no_other_text_back(
    service: Service, liar: Liar, receiver: Receiver
) -> None:
    link(service, liar)
    liar.receive(1, id="\ud800 x", sender="+1555\udc00", contentPreview="half \ud83d of it")
    until(lambda: "half \ufffd of it" in receiver.texts, "it arrives, as far as it can")
    liar.receive(2)
    until(lambda: "text 2" in receiver.texts, "the next one arrives")
    assert "Traceback" not in service.log_text()


def test_an_inbox_without_end_is_told_and_ends(service: Service, liar: Liar) -> None:
    link(service, liar)
    liar.total = None
    liar.receive(1)
    liar.endless = True
    until(lambda: "20,000" in str(state(service, "trouble")), "it is told")
    asked = liar.asked
    assert asked < 60
    time.sleep(2)  # it is left alone for 15 s
    assert liar.asked == asked


def test_a_huge_answer_holds_up_no_other_phone(service: Service, liar: Liar) -> None:
    link(service, liar)
    huge = b"[" + b"[]," * 2_500_000 + b"[]]"
    before = time.thread_time()
    json.loads(huge)
    reading = time.thread_time() - before
    worked = _worked(service)
    liar.raw = huge
    asked = liar.asked
    until(lambda: liar.asked >= asked + 2, "it is looked at, and again")
    assert ask(service.phone, "GET", "/healthz")[0] == 200
    # by the processor's clock: a machine that stands still holds everybody up
    assert _worked(service) - worked < reading / 4, "once read, it would have held everybody up"


def _worked(service: Service) -> float:
    """Seconds that its process has had a processor."""
    assert service.process is not None
    told = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def test_what_it_says_forges_no_line_and_tells_no_token(service: Service, liar: Liar) -> None:
    liar.echoes = True
    added = link(service, liar)
    until(lambda: "does not take a webhook" in service.log_text(), "it is told")
    shown = service.run("device", "show", added["id"]).stdout
    for said in (service.log_text(), str(state(service, "told")), shown):
        assert added["token"] not in said.replace(added["pushUrl"], "")
        assert "\x1b" not in said
        assert "\n2026-01-01 INFO" not in said
    assert "/in/\u2026" in service.log_text()
