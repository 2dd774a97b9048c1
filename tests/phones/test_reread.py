"""What was not understood is read again after the phone was mended, and delivered once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmconnect.store import devices
from tests.cli.conftest import Said, said
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.phones import FORM, JSON, SENDER, TEXT, Wire, smsgate
from tests.support.receiver import receiver
from tests.support.wire import ask, request

OWN = {"from": "who", "text": "words"}


def odd(text: str = TEXT, **more: object) -> Wire:
    """A push with names that only a mapping knows."""
    body = json.dumps({"who": SENDER, "words": text} | more).encode()
    return {"Content-Type": JSON}, body


async def kept(box: Appliance, wire: Wire, **how: Any) -> str:
    told = await box.push(*wire, **how)
    assert told.status == 200
    message_id = str(told.json["id"])
    assert box.one("SELECT kind FROM messages WHERE id = ?", message_id) == "unrecognised"
    return message_id


async def mend(box: Appliance, **fields: Any) -> str:
    """Change the first device as a person would; its id."""
    device_id = next(iter(box.tokens))
    device = box.watch.look().devices[device_id]
    box.change(lambda db: devices.change(db, replace(device, **({"mapping": OWN} | fields))))
    await box.watch.refresh()
    return device_id


async def again(box: Appliance, *words: str) -> Said:
    where = ("--data-dir", str(box.directory), "--json")
    return await asyncio.to_thread(said, "message", "reread", *words, *where)


def outcome(told: Said) -> list[tuple[str, str]]:
    return [(one["id"], one["state"]) for one in json.loads(told.out)]


async def test_it_becomes_the_text_that_it_was_and_goes_out_once(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        wire = odd(time="2026-06-12T14:31:58Z")
        message_id = await kept(box, wire)
        came = box.one("SELECT received_at FROM messages")
        device = await mend(box)
        told = await again(box, message_id)
        assert told.json == [
            {
                "id": message_id,
                "state": "understood",
                "messageIds": [message_id],
                "duplicateOf": None,
                "deliveries": 1,
                "reason": None,
            }
        ]
        await there.until(1)
        payload = json.loads(there.arrivals[0].body)
        assert (payload["id"], payload["text"], payload["from"]) == (message_id, TEXT, SENDER)
        assert payload["sentAt"] == "2026-06-12T14:31:58.000Z"
        rows = box.rows("SELECT kind, sender, text, received_at, note, raw FROM messages")
        assert rows == [("sms", SENDER, TEXT, came, None, wire[1])]
        pushed = await box.push(*wire)
        assert (pushed.json["id"], pushed.json["duplicate"]) == (message_id, True)
        for words in ([message_id], ["--device", device]):
            told = await again(box, *words)
            assert told.code == 0
            assert outcome(told) in ([(message_id, "nothing_to_read")], [])
        await box.settled(message_id)
        assert len(there.arrivals) == 1


async def test_what_came_again_meanwhile_is_one_message(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        wire = odd(id="7")
        early = [await kept(box, wire) for _ in range(2)]
        device = await mend(box)
        late = str((await box.push(*wire)).json["id"])
        await there.until(1)
        for _ in range(2):
            told = await again(box, "--device", device)
            assert outcome(told) == [(one, "duplicate") for one in early]
            assert {one["duplicateOf"] for one in told.json} == {late}
        assert [d.message_id for d in box.deliveries()] == [late]
        notes = box.rows("SELECT note FROM messages WHERE kind = 'unrecognised'")
        assert notes == [(f"Read again, it is the same text as {late}",)] * 2


async def test_of_the_same_text_twice_one_is_sent(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        early = [await kept(box, odd(time="2026-06-12T14:31:58Z")) for _ in range(3)]
        told = await again(box, "--device", await mend(box))
        states = ["understood", "duplicate", "duplicate"]
        assert outcome(told) == list(zip(early, states, strict=True))
        await there.until(1)
        await box.settled(early[0])
        assert len(there.arrivals) == 1


async def test_two_that_read_the_same_without_time_are_two(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        for _ in range(2):
            await kept(box, odd())
        told = await again(box, "--device", await mend(box))
        assert [one["state"] for one in told.json] == ["understood"] * 2
        await there.until(2)


async def test_a_body_within_the_window_of_its_app_is_the_same(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock, tokens=()) as box:
        await box.device(app="termux")
        first = await kept(box, odd())
        clock.advance(60)
        second = await kept(box, odd())
        clock.advance(300)
        third = await kept(box, odd())
        told = await again(box, "--device", await mend(box))
        assert outcome(told) == [
            (first, "understood"),
            (second, "duplicate"),
            (third, "understood"),
        ]


async def test_still_not_understood(tmp_path: Path):
    async with appliance(tmp_path) as box:
        message_id = await kept(box, odd())
        device = await mend(box, mapping={"from": "who", "text": "text.deep"})
        told = await again(box, "--device", device)
        assert told.code == 1
        assert outcome(told) == [(message_id, "not_understood")]
        ((kind, note),) = box.rows("SELECT kind, note FROM messages")
        assert (kind, note) == ("unrecognised", json.loads(told.out)[0]["reason"])
        assert "text.deep" in note


async def test_several_texts_in_one_push(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        items = [{"who": SENDER, "words": f"text {n}", "id": f"t{n}"} for n in range(3)]
        message_id = await kept(box, ({"Content-Type": JSON}, json.dumps(items).encode()))
        device = await mend(box)
        await box.push(*odd("text 0", id="t0"))
        told = await again(box, "--device", device)
        assert told.json[0]["messageIds"][0] == message_id
        assert (len(told.json[0]["messageIds"]), told.json[0]["deliveries"]) == (2, 2)
        await there.until(3)
        assert there.texts == ["text 0", "text 1", "text 2"]
        assert box.one("SELECT text FROM messages WHERE id = ?", message_id) == "text 1"
        assert box.one("SELECT count(*) FROM messages") == 3
        for raw, text in box.rows("SELECT raw, text FROM messages WHERE text <> 'text 0'"):
            assert json.loads(raw)["words"] == text


@pytest.mark.parametrize(
    ("wire", "query", "sender", "text"),
    [
        (({"X-SMS-To": "+1"}, "grüße".encode()), "?who=%2B1555&x=1", "+1555", "grüße"),
        (
            ({"Content-Type": f"{FORM}; charset=iso-8859-1"}, b"who=%2B1555&words=caf%e9"),
            "",
            "+1555",
            "café",
        ),
    ],
)
async def test_nothing_of_the_push_is_forgotten(
    tmp_path: Path, wire: Wire, query: str, sender: str, text: str
):
    async with appliance(tmp_path) as box:
        (token,) = box.tokens.values()
        told = await ask_with(box, f"/in/{token}{query}", wire)
        device = await mend(box, mapping={"from": "who"} if query else OWN)
        if query:
            assert token not in box.one("SELECT raw_headers FROM messages")
        assert outcome(await again(box, "--device", device)) == [(told, "understood")]
        assert box.rows("SELECT sender, text FROM messages") == [(sender, text)]


async def ask_with(box: Appliance, target: str, wire: Wire) -> str:
    told = await ask(box.port, request(target, *wire))
    assert told.status == 200, told
    return str(told.json["id"])


async def test_header_bytes_that_are_no_utf_8_are_kept_all_the_same(tmp_path: Path):
    async with appliance(tmp_path) as box:
        told = await box.push({"X-SMS-From": "caf\udce9"}, b"hi")
        assert told.status == 200
        assert box.one("SELECT sender FROM messages") == "caf\ufffd"


async def test_news_of_the_phone_is_no_text(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="incoming_sms")
        message_id = await kept(box, smsgate("system:ping", {"health": {"version": "1.70"}}))
        told = await again(box, "--device", await mend(box, app="smsgate", mapping={}))
        assert outcome(told) == [(message_id, "event")]
        assert box.one("SELECT count(*) FROM messages") == 0
        assert box.rows("SELECT name FROM device_events") == [("system:ping",)]


async def test_an_mms_that_was_announced_and_downloaded_is_one(tmp_path: Path):
    payload = {"sender": SENDER, "receivedAt": "2026-01-01T00:00:05.000Z"}
    async with appliance(tmp_path, tokens=()) as box, receiver() as there:
        await box.endpoint(there.url)
        await box.device(app="incoming_sms")
        first = await kept(box, smsgate("mms:received", payload, event_id="A"))
        await kept(box, smsgate("mms:downloaded", payload | {"body": "look"}, event_id="B"))
        told = await again(box, "--device", await mend(box, app="smsgate", mapping={}))
        assert [one["state"] for one in told.json] == ["understood"] * 2
        assert [one["messageIds"] for one in told.json] == [[first]] * 2
        assert "announces an MMS" in told.json[0]["reason"]
        await there.until(1)
        assert box.rows("SELECT id, kind, text FROM messages") == [(first, "mms", "look")]
        assert len(box.deliveries()) == 1


async def test_the_odd_one_of_a_batch_and_a_text_that_was_wiped(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="smsgate")
        good = {"message": "hi", "sender": SENDER}
        await box.push(*smsgate("sms:batch:received", {"messages": [good, {"message": "x"}]}))
        device = await mend(box, mapping={})
        told = await again(box, "--device", device)
        assert [one["state"] for one in json.loads(told.out)] == ["not_understood"]
        ids = [one for (one,) in box.rows("SELECT id FROM messages")]
        box.change(lambda db: db.execute("UPDATE messages SET raw = NULL, wiped_at = 1"))
        told = await again(box, *ids)
        assert outcome(told) == [(one, "nothing_to_read") for one in sorted(ids)]


async def test_an_old_one_is_as_young_as_its_reading(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint = await box.endpoint(there.url, max_age=3600)
        message_id = await kept(box, odd())
        box.change(lambda db: db.execute("UPDATE messages SET received_at = received_at - 864e5"))
        await again(box, "--device", await mend(box))
        await there.until(1)
        delivery = await box.settled(message_id)
        assert delivery.endpoint_id == endpoint
        assert delivery.created_at > box.clock.now() - 60_000, "so it cannot expire at once"
