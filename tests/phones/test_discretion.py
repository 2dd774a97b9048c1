"""Nothing that a phone says in confidence reaches a log line, at any level, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import logging
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect.delivery.journal import MOST, Journal
from mmconnect.phones import incoming, intake
from mmconnect.service.logs import _Json
from mmconnect.store import database, devices
from mmconnect.store.connection import FILE
from mmconnect.webhook.events import OPERATIONAL
from mmconnect.webhook.payload import RECEIVED
from tests.support.inprocess import SECRET, FakeClock, appliance, eventually
from tests.support.phones import JSON, generic_json, incoming_sms, smsgate_sms
from tests.support.receiver import answer, free_port, hang_up, receiver, reset
from tests.support.wire import Line, ask, request

TOKEN, NEW_TOKEN, GONE_TOKEN, WRONG = "tokAAAAAAAA", "tokBBBBBBBB", "tokCCCCCCCC", "tokDDDDDDDD"
KEY = "signingkeyEEEEEEEE"
TEXT = "pssst-zebra-482913"
SENDER, OWN = "+6581234567", "+6598765432"
HIDDEN = (TOKEN, NEW_TOKEN, GONE_TOKEN, WRONG, KEY, SECRET[6:], "pssst", "zebra", "482913")
NUMBERS = re.compile(r"81234567|98765432")


def assert_discreet(said: str, *, lines: int = 1) -> None:
    assert said.count("\n") >= lines, "nothing was logged: this proves nothing"
    for secret in HIDDEN:
        assert secret not in said, said[max(0, said.index(secret) - 600) :][:1200]
    assert not NUMBERS.search(said)


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log at its most talkative."""
    caplog.set_level(logging.DEBUG)
    return caplog


async def test_pushes_that_are_taken_or_refused(
    tmp_path: Path, everything: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    async with appliance(tmp_path, tokens=(TOKEN,)) as box:
        gone = next(iter(box.tokens))
        await box.device(token=GONE_TOKEN, name="Old phone", signing_key=KEY, app="smsgate")
        text = smsgate_sms(TEXT, SENDER, recipient=OWN, key=KEY)
        assert (await box.push(*text, token=TOKEN)).status == 200
        other = smsgate_sms(TEXT + "!", SENDER, received_at="2026-01-02T00:00:00Z")
        assert (await box.push(*other, token=TOKEN)).status == 200, "an id used again: a warning"
        assert (await box.push(*other, token=GONE_TOKEN)).status == 401
        secret_name = generic_json({f"{TEXT} {SENDER}": 1, "from": SENDER})
        assert (await box.push(*secret_name, token=TOKEN)).status == 200, "unrecognised"
        twice = f'{{"from":"{SENDER}","{TEXT}":1,"{TEXT}":2}}'.encode()
        assert (await box.push({"Content-Type": JSON}, twice, token=TOKEN)).status == 200
        box.change(lambda db: devices.replace_token(db, gone, NEW_TOKEN, 1))
        await box.watch.refresh()
        assert (await box.push(*incoming_sms(TEXT, SENDER), token=NEW_TOKEN)).status == 200
        await box.watch.refresh()
        for token in (TOKEN, WRONG):
            assert (await box.push(*text, token=token)).status == 401
        credentials = base64.b64encode(f"{OWN}:{WRONG}".encode()).decode()
        for headers in (
            {"Authorization": f"Bearer {WRONG}"},
            {"X-Api-Key": WRONG},
            {"Authorization": f"Basic {credentials}"},
        ):
            assert (await ask(box.port, request("/in", headers, text[1]))).status == 401
        box.change(lambda db: devices.remove(db, gone, 1))
        await box.watch.refresh()
        assert (await box.push(*text, token=NEW_TOKEN)).status == 401
        for n in range(25):
            await ask(box.port, request(f"/in?token={WRONG}{n}", {}, TEXT.encode()))
    assert_discreet(everything.text + capfd.readouterr().err, lines=10)


async def test_what_is_no_http(
    tmp_path: Path, everything: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """A parser that complains quotes what it complains about."""
    headers, body = generic_json({"from": SENDER, "text": TEXT})
    whole = request(f"/in/{TOKEN}", headers, body, close=False)
    async with appliance(tmp_path, tokens=(TOKEN,)) as box:
        for bad in (
            whole.replace(TOKEN.encode(), TOKEN.encode() + b"\xc3\xb6"),
            whole.replace(b" HTTP/1.1", f" {TEXT} HTTP/1.1".encode(), 1),
            whole.replace(b"Host:", f"Bad {TOKEN} {SENDER}\r\nHost:".encode(), 1),
            whole.replace(b"Host:", f"X-Api-Key: {TOKEN}\x01\r\nHost:".encode(), 1),
            whole.replace(b"POST", TEXT.encode(), 1),
            request("/in/" + TOKEN * 1000),
            request("/in", {"Authorization": "Bearer " + TOKEN * 1000}),
            whole.replace(b"HTTP/1.1", b"HTTP/9.9"),
            whole.replace(f"Content-Length: {len(body)}".encode(), b"Content-Length: -1"),
        ):
            told = await ask(box.port, bad)
            assert told.status in (400, 401), bad
        # what follows a body that is longer than it says is read as the next request
        line = await Line.open(box.port)
        short = whole.replace(f"Content-Length: {len(body)}".encode(), b"Content-Length: 2")
        await line.send(short.replace(b'{"', b"{}" + TEXT.encode() + b" "))
        assert (await line.answer()).status in (200, 400)
        line.close()
    assert_discreet(everything.text + capfd.readouterr().err, lines=8)


async def test_deliveries_that_fail(
    tmp_path: Path, everything: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    async with appliance(tmp_path, tokens=(TOKEN,)) as box, receiver() as there:
        echo = json.dumps({"error": f"cannot take {TEXT} from {SENDER}"}).encode()
        there.then(
            answer(500, echo, {"X-Echo": TEXT}),
            answer(400, echo),
            answer(401, echo),
            hang_up,
            reset,
            answer(302, echo, {"Location": f"http://127.0.0.1/hook?key={KEY}&text={TEXT}"}),
        )
        await box.endpoint(there.url)
        await box.endpoint(f"http://127.0.0.1:{free_port()}/{KEY}?key={KEY}")
        await box.endpoint(f"http://user:{KEY}@127.0.0.1:{there.port}x/")
        for n in range(6):
            await box.text(f"{TEXT} {n}", f"{SENDER}{n}")
        await there.until(6)
        await eventually(lambda: len(box.rows("SELECT * FROM attempts")) >= 12)
    assert_discreet(everything.text + capfd.readouterr().err, lines=12)


async def test_what_is_told_of_floods_and_health(
    tmp_path: Path, everything: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """Each line as JSON, too: the facts beside the sentence are lines of their own making."""
    echo = f'{{"text":"{TEXT}","from":"{SENDER}","key":"{KEY}"}}'.encode()
    async with (
        appliance(tmp_path, tokens=(TOKEN,)) as box,
        receiver(default=answer(500, echo)) as there,
    ):
        await box.endpoint(f"{there.url}?key={KEY}", events=frozenset({*OPERATIONAL, RECEIVED}))
        held = await box.endpoint(f"http://user:{KEY}@127.0.0.1:{there.port}x/")
        message_id = await box.text(TEXT, SENDER)
        await box.push({"Content-Type": JSON}, f'{{"{TEXT}": "{SENDER}"}}'.encode())
        await there.until(2)
        await eventually(lambda: any(box.attempts(d.id) for d in box.deliveries(message_id)))
        (attempt, *_), *_ = filter(None, (box.attempts(d.id) for d in box.deliveries(message_id)))
        journal, endpoint = Journal(), box.watch.look().endpoints[held]
        for _ in range(MOST + 2):
            journal.landed(endpoint, replace(attempt, error=TEXT), "It failed (500)", 0)
        await eventually(lambda: "2 more attempts to crm" in everything.text)
        journal.landed(endpoint, attempt, None, None)
        journal.held(endpoint, "failing", "It failed (500)")
        journal.recovered(endpoint, 3)
        as_json = "\n".join(_Json().format(record) for record in everything.records)
        bodies = box.rows("SELECT payload, note FROM messages WHERE kind = 'event'")
    assert_discreet(everything.text + as_json + capfd.readouterr().err, lines=20)
    assert bodies
    for payload, note in bodies:
        assert_discreet(payload.decode() + note + "\n")


async def test_an_answer_that_is_no_http(
    tmp_path: Path, everything: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    async def echo(exchange) -> None:
        await exchange.write(exchange.arrival.body + b"\n" + TEXT.encode() + b"\r\n\r\n")
        exchange.writer.close()

    async with (
        appliance(tmp_path, clock=FakeClock(), tokens=(TOKEN,)) as box,
        receiver(echo) as there,
    ):
        await box.endpoint(there.url)
        message_id = await box.text(TEXT, SENDER)
        delivery = await box.settled(message_id, "pending")
        (attempt,) = box.attempts(delivery.id)
        assert attempt.error is not None
        assert "pssst" not in attempt.error, "wiping a text would not reach it there"
        assert "\n" not in attempt.error
    assert_discreet(everything.text + capfd.readouterr().err)


async def test_mistakes_of_our_own(
    tmp_path: Path,
    everything: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    async with appliance(tmp_path, tokens=(TOKEN,)) as box:
        push = generic_json({"from": SENDER, "text": TEXT})
        with monkeypatch.context() as patch:
            patch.setattr(incoming, "take", lambda db, new: db.execute("SELECT broken"))
            assert (await box.push(*push, token=TOKEN)).status == 503
        with monkeypatch.context() as patch:
            patch.setattr(intake, "keys", lambda *a: 1 / 0)
            assert (await box.push(*push, token=TOKEN)).status == 503
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert (await box.push(*push, token=TOKEN)).status == 503
        blocker.close()
        assert (await box.push(*push, token=TOKEN)).status == 200
    assert_discreet(everything.text + capfd.readouterr().err, lines=3)
