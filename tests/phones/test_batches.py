"""Batches: every good text goes its way at once, and each part stands for itself in every copy."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from mmconnect.store import erasure
from tests.support.inprocess import appliance, eventually
from tests.support.phones import JSON, SENDER, Wire, smsgate
from tests.support.receiver import receiver


def batch(*messages: Any, event: str = "sms:batch:received") -> Wire:
    return smsgate(event, {"messages": list(messages)}, event_id="B1", key="k")


def sms(text: str) -> dict[str, object]:
    return {"message": text, "sender": SENDER, "receivedAt": "2026-01-01T00:00:05.000Z"}


async def test_one_odd_entry_is_set_aside_and_the_others_are_delivered(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box, receiver() as there:
        await box.device(app="smsgate", signing_key="k")
        await box.endpoint(there.url)
        push = batch(sms("one"), {"message": "from nobody"}, sms("two"))
        told = await box.push(*push)
        assert (told.status, told.json["duplicate"]) == (200, False)
        await there.until(2)
        assert there.texts == ["one", "two"]
        rows = box.rows("SELECT kind, text, note IS NULL FROM messages ORDER BY kind, text")
        assert rows == [("sms", "one", 1), ("sms", "two", 1), ("unrecognised", "", 0)]
        assert told.json["id"] == box.one("SELECT id FROM messages WHERE text = 'one'")
        assert box.intake.counts.unrecognised == 1
        again = await box.push(*push)
        assert (again.status, again.json["duplicate"]) == (200, True)
        assert box.rows("SELECT kind, duplicates FROM messages ORDER BY id") == [
            ("sms", 1),
            ("sms", 1),
            ("unrecognised", 1),
        ]
        assert box.intake.counts.unrecognised == 1
        await eventually(lambda: all(d.state == "delivered" for d in box.deliveries()))


async def test_a_batch_that_is_signed_wrongly_leaves_nothing(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="smsgate", signing_key="other")
        told = await box.push(*batch(sms("one"), {"message": "from nobody"}))
        assert (told.status, told.json["error"]) == (401, "bad_signature")
        assert box.rows("SELECT * FROM messages") == []


async def test_wiping_one_text_of_a_batch_leaves_none_of_its_words(tmp_path: Path):
    async with appliance(tmp_path) as box:
        await box.push(*batch(sms("keep this one"), sms("wipe this one"), {"message": "odd"}))
        items = [{"from": SENDER, "text": f"{word} that one"} for word in ("keep", "wipe")]
        await box.push({"Content-Type": JSON}, json.dumps(items).encode())
        for (wiped,) in box.rows("SELECT id FROM messages WHERE text LIKE 'wipe%'"):
            box.change(partial(erasure.wipe, message_ids=[wiped], now=box.clock.now()))
        rest = b"".join(raw or b"" for (raw,) in box.rows("SELECT raw FROM messages"))
        assert b"wipe th" not in rest
        assert (b"keep this one" in rest, b"keep that one" in rest) == (True, True)


async def test_no_copy_of_an_mms_has_its_contents(tmp_path: Path):
    picture = {
        "name": "p.jpg",
        "contentType": "image/jpeg",
        "size": 300_000,
        "data": "QUJD" * 10**5,
    }
    payload = {**sms("look"), "body": "look", "attachments": [picture]}
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="smsgate", signing_key="k")  # which signs the bytes as they came
        told = await box.push(*smsgate("mms:downloaded", payload, key="k"))
        assert told.status == 200
        ((raw, attachments),) = box.rows("SELECT raw, attachments FROM messages")
        assert len(raw) < 1000
        assert json.loads(raw)["payload"]["attachments"] == [
            picture | {"data": "(left out: contents are not kept)"}
        ]
        assert json.loads(attachments) == [["p.jpg", "image/jpeg", 300_000]]
        assert (await box.push(*smsgate("mms:downloaded", payload, key="k"))).json["duplicate"]
