"""From a push to a committed message: nothing is lost, changed or invented.

Over the real listener and a real database; what went out is the dispatcher's and told elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mmconnect.domain.models import Message, Numbers
from mmconnect.phones import fanout
from tests.support.inprocess import appliance, eventually
from tests.support.phones import (
    JSON,
    SENDER,
    TEXT,
    generic_json,
    smsgate,
    smsgate_sms,
)
from tests.support.receiver import receiver


async def test_several_texts_in_one_push(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        batch = [
            {"from": SENDER, "text": "one", "id": "1"},
            {"from": SENDER, "text": "two", "id": "2"},
            {"from": "+15550101", "text": "three", "id": "3"},
            {"from": SENDER, "text": "two", "id": "2"},
        ]
        headers, body = {"Content-Type": JSON}, json.dumps(batch).encode()
        told = await box.push(headers, body)
        assert told.json["duplicate"] is False
        rows = box.rows("SELECT id, text, duplicates FROM messages ORDER BY id")
        assert [row[1:] for row in rows] == [("one", 0), ("two", 1), ("three", 0)]
        assert told.json["id"] == rows[0][0]
        await there.until(3)
        assert [t for t in there.texts if t != "three"] == ["one", "two"]
        again = await box.push(headers, body)
        assert (again.json["duplicate"], again.json["id"]) == (True, told.json["id"])
        await eventually(lambda: all(d.state == "delivered" for d in box.deliveries()))
        assert len(there.arrivals) == 3


async def test_an_mms_among_texts_that_were_seen_goes_out_at_once(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        seen = {"from": SENDER, "text": "seen", "id": "1"}
        mms = {"from": SENDER, "text": "look", "id": "2", "attachments": [{"name": "a.jpg"}]}
        headers = {"Content-Type": JSON}
        await box.push(headers, json.dumps([seen]).encode())
        await there.until(1)
        await eventually(lambda: box.dispatcher.in_flight == 0)
        await box.push(headers, json.dumps([seen, mms]).encode())
        await there.until(2)
        assert there.texts == ["seen", "look"]


@pytest.mark.parametrize(
    ("given", "country", "sender", "raw"),
    [
        ("+6581230000", "SG", "+6581230000", None),
        ("8123 0000", "SG", "+6581230000", "8123 0000"),
        ("+65 8123-0000", None, "+6581230000", "+65 8123-0000"),
        ("8123 0000", None, "8123 0000", None),
        ("77222", "SG", "77222", None),
        ("BANK-OTP", "SG", "BANK-OTP", None),
        ("+49 (0)30 123456", "SG", "+4930123456", "+49 (0)30 123456"),
    ],
)
async def test_numbers_are_e164_where_they_can_be(
    tmp_path: Path, given: str, country: str | None, sender: str, raw: str | None
):
    async with appliance(tmp_path, tokens=()) as box, receiver() as there:
        await box.endpoint(there.url)
        await box.device(country=country)
        await box.push(*generic_json({"from": given, "text": "x", "to": given}))
        assert box.rows("SELECT sender, sender_raw, recipient FROM messages") == [
            (sender, raw, sender)
        ]
        (arrival,) = await there.until(1)
        assert arrival.json["from"] == sender
        assert arrival.json.get("fromRaw") == raw


async def test_what_a_push_said_is_kept_but_no_credential(tmp_path: Path):
    async with appliance(tmp_path) as box:
        headers, body = smsgate_sms(key="k")
        token = next(iter(box.tokens.values()))
        credentials = {
            "Authorization": "Bearer secret-1",
            "X-Api-Key": "secret-2",
            "Cookie": "a=secret-3",
            "Proxy-Authorization": "secret-4",
        }
        assert (await box.push({**headers, **credentials}, body)).status == 200
        raw, kept = box.rows("SELECT raw, raw_headers FROM messages")[0]
        assert raw == body
        lines = kept.lower().split("\n")
        assert "user-agent: me.capcom.smsgateway/1.68.0" in lines
        assert f"x-signature: {headers['X-Signature']}" in lines
        assert "secret" not in kept
        assert token not in kept


async def test_a_push_that_is_not_understood_is_kept_and_goes_nowhere(tmp_path: Path):
    bodies = [
        b"",
        b"{",
        b"[]",
        b'{"text":"no sender"}',
        b'{"from":"+15550100"}',
        b'{"from":"+15550100","text":"x","text":"y"}',
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"[" * 5000,
    ]
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        for body in bodies:
            told = await box.push({"Content-Type": JSON, "X-Mine": "1"}, body)
            assert (told.status, told.json["duplicate"]) == (200, False), body
        rows = box.rows(
            "SELECT kind, raw, text, sender, payload, note, raw_headers FROM messages ORDER BY id"
        )
        assert [row[1] for row in rows] == bodies
        for kind, _, text, sender, payload, note, kept in rows:
            assert (kind, text, sender, payload) == ("unrecognised", "", None, None)
            assert note
            assert "X-Mine: 1" in kept
        assert box.deliveries() == []
        await box.text("understood")
        assert [one.text for one in await there.until(1)] == ["understood"]


async def test_news_of_the_phone_is_kept_and_goes_nowhere(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        for event, payload in (
            ("system:ping", {"health": {"status": "pass", "version": "1.68.0"}}),
            ("app:started", {"simCards": [{"slotIndex": 0, "simNumber": 1}]}),
            ("sms:sent", {"messageId": "a", "recipient": SENDER, "partsCount": 1}),
            ("sms:delivered", {"messageId": "a", "recipient": SENDER}),
            ("sms:failed", {"messageId": "a", "recipient": SENDER, "reason": "no service"}),
            ("sms:invented-later", {"x": None}),
        ):
            told = await box.push(*smsgate(event, payload))
            assert (told.status, told.json["id"]) == (200, None)
        rows = box.rows("SELECT name, event_id, detail FROM device_events ORDER BY number")
        assert [row[0] for row in rows] == [
            "system:ping",
            "app:started",
            "sms:sent",
            "sms:delivered",
            "sms:failed",
            "sms:invented-later",
        ]
        assert all(isinstance(json.loads(row[2]), dict) for row in rows)
        assert "no service" in rows[4][2]
        assert box.rows("SELECT * FROM messages") == []
        assert there.arrivals == []


async def test_of_a_phones_news_only_the_latest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mmconnect.store.devices.EVENTS_KEPT", 5)
    async with appliance(tmp_path) as box:
        for n in range(12):
            await box.push(*smsgate("system:ping", {}, event_id=f"e{n}"))
        ids = box.rows("SELECT event_id FROM device_events ORDER BY number")
        assert ids == [(f"e{n}",) for n in range(7, 12)]


async def test_a_text_whose_phone_hangs_up_is_delivered_all_the_same(tmp_path: Path):
    """What was committed is started, whatever became of the connection."""
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        token = next(iter(box.tokens.values()))
        headers, body = generic_json({"from": SENDER, "text": TEXT})
        head = f"POST /in/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", box.port)
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()
            writer.transport.abort()
        await there.until(1)
        count = len(box.rows("SELECT * FROM messages"))
        await eventually(lambda: len(there.arrivals) >= len(box.rows("SELECT * FROM messages")))
        assert count >= 1
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})


async def test_without_an_endpoint_texts_are_kept(tmp_path: Path):
    async with appliance(tmp_path) as box:
        await box.text()
        assert len(box.rows("SELECT * FROM messages")) == 1
        assert box.deliveries() == []


async def test_only_endpoints_that_want_texts_get_them(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, receiver() as other:
        await box.endpoint(there.url)
        await box.endpoint(other.url, events=frozenset({"device.silent"}))
        message_id = await box.text()
        await box.settled(message_id)
        assert (len(there.arrivals), len(other.arrivals)) == (1, 0)


async def test_a_body_that_cannot_be_made_takes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        await box.endpoint(there.url, numbers=Numbers.DIGITS)

        def breaks(message: Message, *how: object, rule_id: str | None = None) -> bytes:
            if how[1:]:
                raise ValueError("no body for that endpoint")
            return b"{}"

        with monkeypatch.context() as patch:
            patch.setattr(fanout, "message_received", breaks)
            assert (await box.push(*generic_json({"from": SENDER, "text": TEXT}))).status == 503
        assert box.dispatcher._takeoff._expected == 0
        assert not any(lane.in_flight for lane in box.dispatcher._lanes.values())
        await box.text(TEXT)
        await there.until(2)
