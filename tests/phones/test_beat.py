"""Heartbeats over real sockets: who may send them, what they tell, and what they never do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmconnect.phones.facts import facts
from mmconnect.phones.rhythm import SHORTEST, Rhythm
from mmconnect.store import devices
from tests.phones.test_listener import WAYS
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.phones import FORM, JSON, generic_json, smsgate, smsgate_sms
from tests.support.wire import Told, ask, request

TOKEN = "token-of-the-first-phone"
MINUTE = 60_000


async def beat(box: Appliance, query: str = "", body: bytes = b"", **how: str) -> Told:
    headers = {"Content-Type": how.pop("kind", JSON)} if body else {}
    method = how.pop("method", "POST" if body else "GET")
    return await ask(box.port, request(f"/beat/{TOKEN}{query}", headers, body, method=method))


def known(box: Appliance) -> devices.Presence:
    return box.presences.of(next(iter(box.tokens)))


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
async def test_every_way_to_carry_the_token(tmp_path: Path, way: str, method: str):
    target, headers = WAYS[way]
    async with appliance(tmp_path) as box:
        told = await ask(box.port, request(target.replace("/in", "/beat"), headers, method=method))
        assert told.status == 200
        assert told.json["ok"] is True
        assert known(box).beat_at is not None
        assert known(box).last_heard_at is not None
        assert box.rows("SELECT 1 FROM messages UNION ALL SELECT 1 FROM device_events") == []


async def test_strangers_are_slowed_down_together_with_those_who_push(tmp_path: Path):
    async with appliance(tmp_path, clock=FakeClock()) as box:
        for n in range(21):
            path = "/in/wrong" if n % 2 else "/beat/wrong"
            told = await ask(box.port, request(path, {}, b"x"))
        assert told.status == 429, "as many as one door allows, over both"
        assert (await ask(box.port, request("/beat/wrong", {}, method="GET"))).status == 429
        assert (await beat(box)).status == 200, "a good token is never slowed down"
        assert box.intake.counts.rejected == {"unknown_token": 22}


async def test_a_removed_device_is_refused_and_other_methods_are(tmp_path: Path):
    async with appliance(tmp_path) as box:
        assert (await beat(box, method="DELETE")).status == 405
        (device,) = box.tokens
        box.change(lambda db: devices.remove(db, device, box.clock.now()))
        await box.watch.refresh()
        told = await beat(box)
        assert (told.status, told.json["error"]) == (401, "unknown_token")
        assert known(box).rejected == 1
        assert known(box).beat_at is None


@pytest.mark.parametrize(
    ("query", "body", "kind", "wanted"),
    [
        ("?battery=87&charging=true&network=WIFI&version=2.4.1", b"", "", "all"),
        ("", b"battery=87&power=1&network=wifi&version=2.4.1", FORM, "all"),
        (
            "",
            b'{"battery":"87%","charging":"usb","network":"Wi-Fi","app_version":"2.4.1"}',
            JSON,
            "all",
        ),
        ("?battery=12", b'{"battery":87}', JSON, {"battery": 87}),
        ("?battery=%25battery%25&network=%25network%25", b"", "", {}),
        ("?battery=500&power=maybe&version=tomorrow&network=+6581230000", b"", "", {}),
        ("", b"not { json", JSON, {}),
        ("", b'{"battery":1,"battery":2}', JSON, {}),
        ("", b"[1,2]", JSON, {}),
        ("?text=secret&message=secret&from=x", b"", "", {}),
    ],
)
async def test_what_it_tells_of_the_phone(
    tmp_path: Path, query: str, body: bytes, kind: str, wanted: object
):
    if wanted == "all":
        wanted = {"battery": 87, "charging": True, "network": "Wi-Fi", "version": "2.4.1"}
    async with appliance(tmp_path) as box:
        assert (await beat(box, query, body, kind=kind)).status == 200
        assert dict(known(box).facts) == wanted
        assert "secret" not in repr(known(box))
        assert box.rows("SELECT 1 FROM messages") == []


async def test_a_text_is_refused_there_and_nothing_of_it_kept(tmp_path: Path):
    async with appliance(tmp_path) as box:
        for headers, body in (smsgate_sms(), generic_json()):
            told = await ask(box.port, request(f"/beat/{TOKEN}", headers, body))
            assert (told.status, told.json["error"]) == (400, "not_a_heartbeat")
        assert known(box).beat_at is None
        assert box.rows("SELECT 1 FROM messages") == []


async def test_a_body_of_megabytes_is_not_taken_apart(tmp_path: Path):
    body = json.dumps({"battery": 5, "x": "y" * 2**20}).encode()
    async with appliance(tmp_path) as box:
        assert (await beat(box, "", body)).status == 200
        assert known(box).facts == {}


async def test_it_ends_no_old_token(tmp_path: Path):
    async with appliance(tmp_path) as box:
        (device,) = box.tokens
        box.change(lambda db: devices.replace_token(db, device, "the-new-token", box.clock.now()))
        await box.watch.refresh()
        told = await ask(box.port, request("/beat/the-new-token", {}, method="GET"))
        assert told.status == 200
        assert (await box.push(*generic_json(), token=TOKEN)).status == 200


async def test_pings_of_smsgate_are_heartbeats_with_facts(tmp_path: Path):
    health = {
        "version": "1.68.0",
        "status": "warn",
        "checks": {
            "battery:level": {"observedValue": 21},
            "battery:charging": {"observedValue": 0},
            "connection:transport": {"observedValue": 4},
        },
    }
    async with appliance(tmp_path) as box:
        assert (await box.push(*smsgate("app:started", {"simCards": []}))).status == 200
        assert known(box).beat_at is None, "it has no rhythm"
        assert known(box).last_heard_at is not None
        assert (await box.push(*smsgate("system:ping", {"health": health}))).status == 200
        assert known(box).beat_at is not None
        wanted = {"version": "1.68.0", "battery": 21, "charging": False, "network": "Wi-Fi"}
        assert dict(known(box).facts) == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"battery:charging": 2}, {"charging": True}),
        ({"battery": True}, {}),
        ({"battery": 86.6}, {"battery": 87}),
        ({"battery": "1e400"}, {}),
        ({"power": "9" * 5000}, {"charging": True}),
        ({"connection:transport": 2}, {"network": "mobile data"}),
        ({"connection:transport": 1}, {}),
        ({"network": "MyHome 5G"}, {"network": "MyHome 5G"}),
        ({"network": "call +6581230000"}, {}),
        ({"network": "x" * 31}, {}),
        ({"network": "a\nb"}, {}),
        ({"version": 30}, {"version": "30"}),
        ({"version": "v2.1-beta"}, {"version": "v2.1-beta"}),
        ({"version": "1.2.3 of your bank"}, {}),
    ],
)
def test_facts(told: dict[str, object], wanted: dict[str, object]):
    assert facts(told) == wanted


def learned(*gaps: int, usual: int | None = None) -> int | None:
    rhythm = Rhythm(usual=usual)
    for gap in gaps:
        rhythm = rhythm.learn(gap)
    return rhythm.usual


def test_a_rhythm_is_known_after_two_gaps_and_the_longer_counts():
    assert learned(15 * MINUTE) is None
    assert learned(15 * MINUTE, 60 * MINUTE) == 60 * MINUTE


def test_tries_by_hand_teach_nothing():
    assert learned(1000, 2000, SHORTEST - 1, 1000) is None
    assert learned(1000, 15 * MINUTE, 2000, 15 * MINUTE) == 15 * MINUTE


def test_one_odd_gap_changes_nothing_and_two_do():
    usual = 15 * MINUTE
    assert learned(600 * MINUTE, usual=usual) == usual
    assert learned(600 * MINUTE, usual, 600 * MINUTE, usual=usual) == usual
    assert learned(600 * MINUTE, MINUTE, usual=usual) == usual, "odd, but not in one direction"
    assert learned(600 * MINUTE, 60 * MINUTE, usual=usual) == 60 * MINUTE
    assert learned(MINUTE, 2 * MINUTE, usual=usual) == 2 * MINUTE


def test_it_follows_slowly():
    assert learned(19 * MINUTE, usual=15 * MINUTE) == 16 * MINUTE


async def test_gaps_are_counted_by_time_that_passed(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        for _ in range(3):
            await beat(box)
            clock.advance(600)
            clock._now += 86_400_000  # somebody sets the clock each time
        assert known(box).beat_gap == 600_000


@pytest.mark.parametrize("key", [None, "a-key"])
async def test_a_heartbeat_says_where_a_phone_is_unless_the_phone_signs(
    tmp_path: Path, key: str | None
):
    async with appliance(tmp_path) as box:
        (device,) = box.tokens
        if key is not None:
            box.change(lambda db: devices.set_signing_key(db, device, key))
            await box.watch.refresh()
        assert (await beat(box)).status == 200
        assert known(box).last_address == (None if key else "127.0.0.1")
