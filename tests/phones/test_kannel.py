"""Kannel sends what it is answered back as an SMS, so it is answered nothing at all."""

from __future__ import annotations

from pathlib import Path

from tests.support.inprocess import appliance
from tests.support.phones import SENDER, TEXT
from tests.support.wire import Told

HEADERS = {
    "Content-Type": 'text/plain; charset="UTF-8"',
    "X-Kannel-From": SENDER,
    "X-Kannel-To": "12345",
    "X-Kannel-Time": "2026-06-12 14:31:58",
}


def silent(told: Told) -> bool:
    return (told.status, told.body, told.headers["content-length"]) == (200, b"", "0")


async def test_whatever_becomes_of_its_push_nothing_is_sent_to_anybody(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="kannel")
        assert silent(await box.push(HEADERS, TEXT.encode())), "taken"
        assert silent(await box.push(HEADERS, TEXT.encode())), "seen"
        assert silent(await box.push({"Content-Type": "text/plain"}, b"hi")), "not understood"
        kept = box.rows("SELECT kind, sender, text, sent_at, duplicates FROM messages ORDER BY id")
        assert kept == [
            ("sms", SENDER, TEXT, 1781274718000, 1),
            ("unrecognised", None, "", None, 0),
        ]
        wrong = await box.push(HEADERS, b"x", token="no-such-token")
        assert (wrong.status, wrong.json["error"]) == (401, "unknown_token")


async def test_everybody_else_is_answered(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app="gammu")
        told = await box.push({"X-SMS-From": SENDER}, TEXT.encode())
        assert told.json["ok"] is True
