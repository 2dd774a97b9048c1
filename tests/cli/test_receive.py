"""`mmconnect receive` as people run it: a real process, real requests, real signals."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from mmconnect.cli import main
from mmconnect.webhook import signing
from tests.support import program

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
PREVIOUS = "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM="
ID = "msg_01JD0000000000000000000001"

pytestmark = pytest.mark.program


def body_of(text: str, **more: object) -> bytes:
    fields = {
        "event": "message.received",
        "id": ID,
        "kind": "sms",
        "from": "+6581230000",
        "to": "+6591110000",
        "text": text,
        "receivedAt": "2026-06-12T14:32:00.000Z",
        "test": False,
    }
    return json.dumps(fields | more, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Running:
    """A `mmconnect receive` that listens."""

    process: subprocess.Popen[str]
    port: int
    greeting: str

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """The answer to a POST; signed now with SECRET unless headers are given."""
        if headers is None:
            headers = signing.signature_headers([SECRET], ID, int(time.time()), body)
        return self.ask("POST", body, headers)

    def ask(
        self, method: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, "/any/path", body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stopped(self, by: signal.Signals | None = signal.SIGTERM) -> str:
        """Everything it printed, once it has ended; `by` None waits for it to end by itself."""
        if by is not None:
            self.process.send_signal(by)
        out, err = self.process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return out


@contextmanager
def receiving(*options: str, secret: str = SECRET) -> Iterator[Running]:
    words = [*program.PROGRAM, "receive", "--port=0", "--secret", secret, *options]
    pipe = subprocess.PIPE
    with program.start(words, stdout=pipe, stderr=pipe, text=True, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            lines: list[str] = []
            while not lines or not lines[-1].startswith("Ctrl-C"):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            port = int(lines[1].split("/ --secret")[0].rpartition(":")[2])
            yield Running(process, port, "".join(lines))
        finally:
            process.kill()


def test_a_text_is_printed_and_answered_at_once():
    with receiving() as running:
        assert f"http://127.0.0.1:{running.port}/" in running.greeting
        body = body_of("Grüße\nzweite Zeile")
        sent = signing.signature_headers([SECRET], ID, int(time.time()), body)
        assert running.post(body, sent | {"X-MMConnect-Attempt": "3"}) == (204, "")
        out = running.stopped()
    assert running.process.returncode == 0
    assert "2026-06-12T14:32:00.000Z  +6581230000 → +6591110000" in out
    assert "    Grüße\n    zweite Zeile\n" in out
    assert f"{ID}, attempt 3. Answered 204" in out
    assert "OK: The request is genuine" in out


def test_a_wrong_signature_is_explained_here_but_not_to_the_sender():
    with receiving(secret=SECRET + " ") as running:
        status, answer = running.post(body_of("x"))
        out = running.stopped()
    assert (status, answer) == (401, "The signature does not match.\n")
    assert "WRONG: No signature matches: the secret given here has a space" in out


def test_the_previous_secret_is_still_good_during_rotation():
    body = body_of("x")
    with receiving(secret=PREVIOUS) as running:
        headers = signing.signature_headers([SECRET, PREVIOUS], ID, int(time.time()), body)
        assert running.post(body, headers)[0] == 204
        assert "Put the endpoint's new secret in" in running.stopped()


def test_an_old_request_is_refused_as_the_libraries_do():
    body = body_of("x")
    with receiving() as running:
        old = signing.signature_headers([SECRET], ID, int(time.time()) - 400, body)
        assert running.post(body, old)[0] == 401
        assert "behind the time of the check" in running.stopped()


def test_what_came_twice_is_marked_unless_it_is_forged():
    with receiving("--json") as running:
        for headers in ({"webhook-id": ID}, None, None):
            running.post(body_of("x"), headers)
        rows = [json.loads(line) for line in running.stopped().splitlines()]
    assert [(r["ok"], r["duplicate"], r["status"]) for r in rows] == [
        (False, False, 401),
        (True, False, 204),
        (True, True, 204),
    ]
    assert rows[1]["message"]["text"] == "x"
    assert rows[1]["findings"][0]["reason"] == "matches"


@pytest.mark.parametrize("status", [200, 410, 503])
def test_status_overrides_the_answer_right_or_wrong(status: int):
    with receiving(f"--status={status}", "--count=2") as running:
        assert running.post(body_of("x"))[0] == status
        assert running.post(body_of("x"), {})[0] == status
        running.stopped(by=None)
    assert running.process.returncode == 1, "one of the two was wrong"


def test_count_ends_it_after_the_last_answer():
    with receiving("--count=2", "--delay=0.2") as running:
        began = time.monotonic()
        assert running.post(body_of("x"))[0] == 204
        assert time.monotonic() - began >= 0.2
        assert running.post(body_of("x"))[0] == 204
        running.stopped(by=None)
    assert running.process.returncode == 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quickly_even_with_a_connection_open(by: signal.Signals):
    with receiving() as running, socket.create_connection(("127.0.0.1", running.port)):
        running.post(body_of("x"))
        began = time.monotonic()
        running.stopped(by)
    assert running.process.returncode == 0
    assert time.monotonic() - began < 25  # and not the minute that aiohttp gives connections


@program.starts_none
def test_a_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["receive", "--secret", SECRET, "--host=127.0.0.1", f"--port={port}"]
        assert main(words) == 1
    shown = capsys.readouterr()
    assert shown.err == f"mmconnect: Port {port} is already in use: choose another with --port\n"


def test_a_stranger_cannot_steer_the_terminal():
    text = "\x1b[2J\x1b]0;title\x07 \u202egnp.exe \x9b31m"
    with receiving() as running:
        running.post(body_of(text, **{"from": "\x1b[31mred", "id": "\x1b]52;c;x\x07"}), {})
        running.post(b"\x1b[2Jnot json", {})
        out = running.stopped()
    assert "red" in out
    assert "not json" in out
    assert not set("\x1b\x07\x9b\u202e") & set(out)


def test_an_mms_and_an_event_are_printed_too():
    part = {"name": "door.jpg", "contentType": "image/jpeg", "size": 5}
    with receiving() as running:
        running.post(body_of("", kind="mms", subject=None, attachments=[part]))
        running.post(b'{"event":"device.silent","id":"msg_2","deviceName":"Reception"}')
        running.post(body_of("", attachments=7))
        running.post(b"[1]")
        running.post(b"")
        out = running.stopped()
    assert "[attachment: " in out
    assert "door.jpg" in out
    assert "device.silent" in out
    assert "Reception" in out
    assert out.count("Answered") == 5


def test_other_methods_are_told_to_post():
    with receiving("--json") as running:
        assert running.ask("GET")[0] == 405
        assert running.stopped() == ""


def test_whoever_reads_the_output_may_leave():
    with receiving("--json") as running:
        assert running.process.stdout is not None
        running.process.stdout.close()
        running.process.stdout = None
        running.post(body_of("x"))
        assert running.process.wait(timeout=60) == 0


@program.starts_none
@pytest.mark.parametrize(
    "option", ["--port=70000", "--port=x", "--status=99", "--status=600", "--delay=-1", "--count=0"]
)
def test_options_that_make_no_sense_are_exit_2(option: str):
    with pytest.raises(SystemExit) as left:
        main(["receive", "--secret", SECRET, option])
    assert left.value.code == 2
