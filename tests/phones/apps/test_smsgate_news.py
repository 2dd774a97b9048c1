"""SMS Gateway for Android: events that are no incoming texts, and how little of them is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmconnect.phones.apps import read
from mmconnect.phones.push import DeviceEvent
from tests.support import phones


def news(event: str, payload: Any) -> DeviceEvent:
    reading = read("auto", phones.as_push(*phones.smsgate(event, payload, event_id="N1")), {})
    assert isinstance(reading, DeviceEvent), reading
    assert (reading.app, reading.name, reading.event_id) == ("smsgate", event, "N1")
    return reading


def test_a_ping_tells_version_and_battery() -> None:
    checks = {
        "battery:level": {"status": "warn", "observedValue": 21, "observedUnit": "percent"},
        "battery:charging": {"status": "pass", "observedValue": 4, "observedUnit": "flags"},
    }
    health = {"version": "1.68.0", "releaseId": 1490, "status": "warn", "checks": checks}
    assert news("system:ping", {"health": health}).detail == {
        "version": "1.68.0",
        "releaseId": 1490,
        "status": "warn",
        "battery:level": 21,
        "battery:charging": 4,
    }


def test_a_failed_text_tells_why() -> None:
    told = {
        "failedAt": "2026-01-01T00:00:09.120Z",
        "reason": "Send result: RESULT_ERROR_NO_SERVICE (…)" + "x" * 1000,
        "messageId": "mmc-01J",
        "recipient": "+15550001111",
    }
    detail = news("sms:failed", told).detail
    assert str(detail["reason"]).startswith("Send result: RESULT_ERROR_NO_SERVICE")
    assert len(str(detail["reason"])) == 200
    assert detail["messageId"] == "mmc-01J"


def test_a_start_tells_the_sims_without_their_serial_numbers() -> None:
    card = {
        "slotIndex": 0,
        "simNumber": 1,
        "phoneNumber": "+15550100",
        "carrierName": "Tel",
        "iccid": "8949",
    }
    assert news("app:started", {"simCards": [card, "odd"] * 9}).detail == {
        "simCards": [{"simNumber": 1, "phoneNumber": "+15550100", "carrierName": "Tel"}] * 2
    }


@pytest.mark.parametrize(
    "event",
    ["sms:sent", "sms:delivered", "sms:cancelled", "call:received", "sms:read-by-a-future-version"],
)
def test_other_events_are_news_and_tell_no_words(event: str) -> None:
    told = {"message": "secret words", "Body": "secret words"}
    detail = news(event, told | {"sentAt": "x", "partsCount": 2}).detail
    assert detail == {"sentAt": "x", "partsCount": 2}


def test_news_stay_small() -> None:
    told = {f"n{n}": "x" * 5000 for n in range(5000)} | {"k" * 99: 1, "nested": {"a": [1]}}
    detail = news("system:something", told).detail
    assert len(detail) <= 24
    assert all(len(str(value)) <= 200 for value in detail.values())


@pytest.mark.parametrize("payload", [None, [], "words", 3])
def test_news_without_a_payload(payload: object) -> None:
    body = json.dumps({"event": "system:ping", "deviceId": "d", "payload": payload}).encode()
    reading = read("smsgate", phones.as_push({}, body), {})
    assert reading == DeviceEvent(app="smsgate", name="system:ping")
