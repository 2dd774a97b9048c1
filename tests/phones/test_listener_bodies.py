"""How bodies arrive: framing, charsets, sizes, slowness, and a database that cannot commit."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import sqlite3
import time
from pathlib import Path

import pytest

from mmconnect.store import database, devices
from mmconnect.store.connection import FILE
from mmconnect.web import body as bodies
from tests.support.inprocess import appliance, eventually
from tests.support.phones import (
    FORM,
    JSON,
    SENDER,
    TEXT,
    generic_form,
    generic_json,
    generic_multipart,
    generic_plain,
    incoming_sms,
    smsgate,
    smsgate_sms,
)
from tests.support.wire import Line, ask, chunk, in_pieces, request

TOKEN = "token-of-the-first-phone"
MIB = 2**20

SHAPES = {
    "json": generic_json(),
    "form": generic_form(),
    "multipart": generic_multipart(),
    "plain": generic_plain(),
    "json as nothing": ({}, generic_json()[1]),
    "json as form": ({"Content-Type": FORM}, generic_json()[1]),
    "form as json": ({"Content-Type": JSON}, generic_form()[1]),
    "odd content type": ({"Content-Type": ";;; charset"}, generic_json()[1]),
}


@pytest.mark.parametrize("chunks", [0, 1, 7, 4096])
@pytest.mark.parametrize("shape", list(SHAPES))
async def test_every_shape_whole_and_chunked(tmp_path: Path, shape: str, chunks: int):
    headers, body = SHAPES[shape]
    async with appliance(tmp_path) as box:
        told = await box.push(headers, body, chunks=chunks)
        assert told.status == 200
        assert box.rows("SELECT kind, sender, text, raw FROM messages") == [
            ("sms", SENDER, TEXT, body)
        ]


async def test_a_plain_text_needs_only_a_query(tmp_path: Path):
    async with appliance(tmp_path) as box:
        target = f"/in/{TOKEN}?from=%2B15550100&sim=2"
        headers = {"Content-Type": "text/plain"}
        assert (await ask(box.port, request(target, headers, b"hello & bye"))).status == 200
        assert (await ask(box.port, request(target + "&text=as+query"))).status == 200
        assert box.rows("SELECT sender, text, sim FROM messages") == [
            ("+15550100", "hello & bye", 2),
            ("+15550100", "as query", 2),
        ]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_chunked_with_other_methods(tmp_path: Path, method: str):
    async with appliance(tmp_path) as box:
        assert (await box.push(*incoming_sms(), method=method, chunks=16)).status == 200
        assert box.one("SELECT text FROM messages") == TEXT


async def test_http_1_0_without_a_host(tmp_path: Path):
    async with appliance(tmp_path) as box:
        told = await box.push(*generic_json(), version="1.0", close=False)
        assert told.status == 200


async def test_a_body_in_small_pieces(tmp_path: Path):
    async with appliance(tmp_path) as box:
        whole = request(f"/in/{TOKEN}", *generic_json())
        pieces = [whole[i : i + 20] for i in range(0, len(whole), 20)]
        assert (await in_pieces(box.port, pieces, 0.002)).status == 200
        assert box.one("SELECT text FROM messages") == TEXT


async def test_two_pushes_in_one_go(tmp_path: Path):
    """Pipelined: both are taken, the answers come in their order."""
    async with appliance(tmp_path) as box:
        line = await Line.open(box.port)
        one, two = (generic_json({"from": SENDER, "text": t}) for t in ("one", "two"))
        await line.send(request(f"/in/{TOKEN}", *one, close=False) + request(f"/in/{TOKEN}", *two))
        ids = [(await line.answer()).json["id"] for _ in range(2)]
        line.close()
        assert box.rows("SELECT id, text FROM messages ORDER BY id") == [
            (ids[0], "one"),
            (ids[1], "two"),
        ]


async def test_expect_100_continue(tmp_path: Path):
    """As curl and OkHttp do: the body comes only once it is asked for."""
    async with appliance(tmp_path) as box:
        headers, body = generic_json()
        whole = request(f"/in/{TOKEN}", {**headers, "Expect": "100-continue"}, body)
        head, _, rest = whole.partition(b"\r\n\r\n")
        line = await Line.open(box.port)
        await line.send(head + b"\r\n\r\n")
        assert (await line.answer()).status == 100
        await line.send(rest)
        told = await line.answer()
        assert (told.status, told.json["ok"]) == (200, True)
        assert await line.at_end()
        line.close()
        # one that does not wait gets its answer, too
        told = await ask(box.port, whole)
        assert told.status in (100, 200)


@pytest.mark.parametrize("target", ["/in/wrong", f"/in/{TOKEN}"])
async def test_nobody_is_asked_for_a_body_that_is_refused(tmp_path: Path, target: str):
    async with appliance(tmp_path) as box:
        line = await Line.open(box.port)
        size = str(10 * MIB + 1)
        head = request(target, {"Expect": "100-continue", "X-Size": size}, close=False)
        await line.send(head.replace(b"Content-Length: 0", b"Content-Length: " + size.encode()))
        assert (await line.answer()).status in (401, 413)
        line.close()


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Grüße 😀 مرحبا"),
        ("UTF-8", "Grüße"),
        ('"utf-8"', "Grüße"),
        ("iso-8859-1", "Grüße"),
        ("windows-1252", "€ 5"),
        ("windows-1256", "مرحبا"),
        ("utf-16", "Grüße 😀"),
        ("gb18030", "你的验证码"),
        ("shift_jis", "コード"),
    ],
)
async def test_declared_charsets(tmp_path: Path, charset: str, text: str):
    codec = charset.strip('"')
    body = json.dumps({"from": SENDER, "text": text}, ensure_ascii=False).encode(codec)
    plain = {"Content-Type": f"text/plain; charset={charset}", "X-SMS-From": SENDER}
    async with appliance(tmp_path) as box:
        assert (await box.push({"Content-Type": f"{JSON}; charset={charset}"}, body)).status == 200
        assert (await box.push(plain, text.encode(codec))).status == 200
        assert box.rows("SELECT text FROM messages") == [(text,), (text,)]


async def test_a_charset_that_does_not_exist_is_utf_8(tmp_path: Path):
    async with appliance(tmp_path) as box:
        headers = {"Content-Type": "application/json; charset=klingon"}
        body = json.dumps({"from": SENDER, "text": "é"}, ensure_ascii=False).encode()
        assert (await box.push(headers, body)).status == 200
        assert box.one("SELECT text FROM messages") == "é"


def mms(size: int) -> bytes:
    """The push of an MMS with a picture of so many bytes as base64."""
    payload = {
        "body": "look",
        "sender": SENDER,
        "messageId": "31",
        "receivedAt": "2026-01-01T00:00:05.000Z",
        "attachments": [{"partId": 57, "contentType": "image/jpeg", "size": 1, "data": ""}],
    }
    _, body = smsgate("mms:downloaded", payload)
    return body.replace(b'"data":""', b'"data":"' + b"A" * (size - len(body)) + b'"')


@pytest.mark.parametrize("chunks", [0, 65536])
async def test_an_mms_of_10_mib_is_taken_and_one_byte_more_is_413(tmp_path: Path, chunks: int):
    async with appliance(tmp_path) as box:
        body = mms(10 * MIB)
        assert len(body) == 10 * MIB
        assert (await box.push({"Content-Type": JSON}, body, chunks=chunks)).status == 200
        told = await box.push({"Content-Type": JSON}, body + b" ", chunks=chunks)
        assert (told.status, told.json["error"]) == (413, "too_large")
        assert box.rows("SELECT kind, text FROM messages") == [("mms", "look")]


async def test_a_small_body_that_unpacks_to_a_large_one_is_413(tmp_path: Path):
    """Nobody's phone compresses, but aiohttp expands what says that it is."""
    async with appliance(tmp_path) as box:
        headers, body = generic_json()
        headers = {**headers, "Content-Encoding": "gzip"}
        assert (await box.push(headers, gzip.compress(body))).status == 200
        assert box.one("SELECT text FROM messages") == TEXT
        bomb = gzip.compress(body + b" " * (40 * MIB))
        told = await box.push(headers, bomb)
        assert (told.status, told.json["error"]) == (413, "too_large")
        assert len(box.rows("SELECT * FROM messages")) == 1


async def test_a_slow_body_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    async with appliance(tmp_path) as box:
        whole = request(f"/in/{TOKEN}", *generic_json(), close=False)
        line = await Line.open(box.port)
        begun = time.monotonic()
        await line.send(whole[:-10])
        told = await line.answer()
        assert (told.status, told.json["error"]) == (408, "too_slow")
        assert 0.2 <= time.monotonic() - begun < 25
        assert told.headers["connection"] == "close"
        line.close()
        # one that drips, too: it is the whole body that has so long
        line = await Line.open(box.port)
        dripping = asyncio.create_task(_drip(line, request(f"/in/{TOKEN}", {}, b"x" * 1000)))
        assert (await line.answer()).status == 408
        dripping.cancel()
        line.close()
        assert box.rows("SELECT * FROM messages") == []


async def _drip(line: Line, data: bytes) -> None:
    await line.send(data[:-1000])
    for _ in range(1000):
        await line.send(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "start",
    [
        request(f"/in/{TOKEN}", *generic_json())[:-5],
        request(f"/in/{TOKEN}", *generic_json(), chunks=8)[:-7],
        request(f"/in/{TOKEN}")[:-4],
        b"",
    ],
)
async def test_a_phone_that_leaves_in_the_middle_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, start: bytes
):
    caplog.set_level(logging.INFO)
    async with appliance(tmp_path) as box:
        line = await Line.open(box.port)
        await line.send(start)
        await asyncio.sleep(0.05)
        line.close()
        await line.writer.wait_closed()
        assert (await box.push(*generic_json({"from": SENDER, "text": "after"}))).status == 200
        assert box.rows("SELECT text FROM messages") == [("after",)]
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_broken_framing_is_400_and_no_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    async with appliance(tmp_path) as box:
        head = request(f"/in/{TOKEN}", {"Content-Type": JSON}, chunks=1)
        head = head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        for broken in (b"zz\r\nabc\r\n", chunk(b'{"from":"+15550100"') + b"-5\r\n"):
            told = await ask(box.port, head + broken)
            assert told.status == 400
        line = await Line.open(box.port)
        await line.send(head + chunk(b"{"))
        await asyncio.sleep(0.05)
        await line.send(b"zz\r\n")
        assert (await line.answer()).status in (400, 408)
        line.close()
        headers, body = generic_json()
        told = await box.push({**headers, "Content-Encoding": "gzip"}, body)
        assert told.status == 400
        assert box.rows("SELECT * FROM messages") == []
    assert "Traceback" not in caplog.text


async def test_while_the_database_cannot_commit_phones_are_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    async with appliance(tmp_path) as box:
        (device_id,) = box.tokens
        box.change(lambda db: devices.replace_token(db, device_id, "new-one", box.clock.now()))
        await box.watch.refresh()
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        pushes = [
            smsgate_sms(),
            smsgate("system:ping", {}),
            ({"Content-Type": JSON}, b"[1]"),
        ]
        for token in (TOKEN, "new-one"):
            for push in pushes:
                told = await box.push(*push, token=token)
                assert (told.status, told.json["error"]) == (503, "unavailable")
                assert told.headers["retry-after"] == "10"
        assert box.database.trouble is not None
        for table in ("messages", "deliveries", "dedupe_keys", "device_events"):
            assert box.rows(f"SELECT * FROM {table}") == []
        assert len(box.rows("SELECT * FROM device_tokens")) == 2, "the old token is still needed"
        assert (await ask(box.port, request("/healthz", method="GET"))).status == 200
        assert (await box.push({}, b"", method="GET")).status == 200
        blocker.execute("ROLLBACK")
        blocker.close()
        told = await box.push(*pushes[0])
        assert (told.status, told.json["duplicate"]) == (200, False)
        await eventually(lambda: box.database.trouble is None)
