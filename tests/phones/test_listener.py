"""The phone listener over real sockets: who is let in, how, and what exactly is answered."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from pathlib import Path

import pytest

from mmconnect.phones import tokens as tokens_module
from mmconnect.store import devices
from mmconnect.web import server
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.phones import FORM, JSON, SENDER, TEXT, generic_json, smsgate, smsgate_sms
from tests.support.wire import Line, ask, request

TOKEN = "token-of-the-first-phone"
BODY = json.dumps({"from": SENDER, "text": TEXT}).encode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


WAYS = {
    "path": (f"/in/{TOKEN}", {}),
    "path with a slash": (f"/in/{TOKEN}/", {}),
    "path, percent-encoded": ("/in/" + TOKEN.replace("-", "%2D"), {}),
    "path before a wrong header": (f"/in/{TOKEN}", {"Authorization": "Bearer wrong"}),
    "bearer": ("/in", {"Authorization": f"Bearer {TOKEN}"}),
    "bearer, small": ("/in", {"authorization": f"bearer  {TOKEN} "}),
    "bearer at /in/": ("/in/", {"Authorization": f"Bearer {TOKEN}"}),
    "basic": ("/in", {"Authorization": basic("phone", TOKEN)}),
    "basic without a user": ("/in", {"Authorization": basic("", TOKEN)}),
    "x-api-key": ("/in", {"X-Api-Key": TOKEN}),
    "query": (f"/in?token={TOKEN}", {}),
    "query among others": (f"/in?a=1&token={TOKEN}&b=2", {}),
}


@pytest.mark.parametrize("way", list(WAYS))
async def test_every_way_to_carry_the_token(tmp_path: Path, way: str):
    target, headers = WAYS[way]
    async with appliance(tmp_path) as box:
        told = await ask(box.port, request(target, {"Content-Type": JSON, **headers}, BODY))
        assert told.status == 200
        assert box.rows("SELECT sender, text FROM messages") == [(SENDER, TEXT)]
        looked = await ask(box.port, request(target, headers, method="GET"))
        assert looked.status == 200
        kept = box.one("SELECT raw_headers FROM messages") or ""
        assert TOKEN not in kept
        assert base64.b64encode(TOKEN.encode()).decode()[:20] not in kept


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/in/wrong", {}),
        ("/in", {}),
        ("/in/", {}),
        ("/in?token=", {}),
        ("/in", {"Authorization": "Bearer "}),
        ("/in", {"Authorization": basic(TOKEN, "")}),
        ("/in", {"Authorization": "Basic !!!"}),
        ("/in", {"Authorization": TOKEN}),
        (f"/in/{TOKEN}x", {}),
        (f"/in/{TOKEN[:-1]}", {}),
        (f"/in/{TOKEN.upper()}", {}),
        ("/in/%ff%fe", {}),
        ("/in/%ed%a0%80", {}),
        ("/in", {"X-Api-Key": "\udcff"}),
    ],
)
async def test_a_bad_token_is_401(tmp_path: Path, target: str, headers: dict[str, str]):
    async with appliance(tmp_path) as box:
        for method in ("POST", "GET"):
            told = await ask(box.port, request(target, headers, BODY, method=method))
            assert told.status == 401, (method, told)
            assert told.headers["content-type"] == "application/json; charset=utf-8"
            assert told.json.items() >= {"ok": False, "error": "unknown_token"}.items()
        assert box.rows("SELECT * FROM messages") == []


async def test_the_exact_bytes_of_the_answers(tmp_path: Path):
    tail = b'"events":[],"payload":{"success":true,"error":null,"messages":[]}}'
    async with appliance(tmp_path) as box:
        first = await box.push(*smsgate_sms())
        (message_id,) = box.rows("SELECT id FROM messages")[0]
        start = b'{"ok":true,"id":"' + message_id.encode() + b'","duplicate":'
        assert (first.status, first.body) == (200, start + b"false," + tail)
        assert first.headers["content-type"] == "application/json; charset=utf-8"
        again = await box.push(*smsgate_sms())
        assert (again.status, again.body) == (200, start + b"true," + tail)
        ping = await box.push(*smsgate("system:ping", {"health": {"status": "pass"}}))
        assert ping.status == 200
        assert ping.body == b'{"ok":true,"id":null,"duplicate":false,' + tail
        odd = await box.push({"Content-Type": JSON}, b"[1]")
        assert odd.status == 200
        start = b'{"ok":true,"id":"' + odd.json["id"].encode() + b'","duplicate":false,'
        assert odd.body == start + tail


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_methods_that_push(tmp_path: Path, method: str):
    async with appliance(tmp_path) as box:
        told = await box.push(*generic_json(), method=method)
        assert (told.status, told.json["duplicate"]) == (200, False)
        assert box.one("SELECT text FROM messages") == TEXT


async def test_a_person_looks_with_a_browser(tmp_path: Path):
    async with appliance(tmp_path) as box:
        told = await box.push({}, b"", method="GET")
        assert (told.status, told.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert "token is good" in told.body.decode()
        assert "Reception" in told.body.decode()
        head = await box.push({}, b"", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == told.headers["content-length"]
        assert box.rows("SELECT * FROM messages") == []


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods_are_405(tmp_path: Path, method: str):
    async with appliance(tmp_path) as box:
        told = await box.push(*generic_json(), method=method)
        assert (told.status, told.json["error"]) == (405, "method_not_allowed")
        assert told.headers["allow"] == "GET, HEAD, POST, PUT, PATCH"
        assert box.rows("SELECT * FROM messages") == []


async def test_healthz_and_other_paths(tmp_path: Path):
    async with appliance(tmp_path) as box:
        health = await ask(box.port, request("/healthz", method="GET"))
        assert (health.status, health.body) == (200, b"ok\n")
        for target in ("/", "/inn", "/favicon.ico", "/v1/endpoints", f"/x/in/{TOKEN}"):
            told = await ask(box.port, request(target, method="GET"))
            assert (told.status, told.json["error"]) == (404, "not_found")


async def test_a_removed_phone_is_refused_and_shown(tmp_path: Path):
    async with appliance(tmp_path) as box:
        (device_id,) = box.tokens
        box.change(lambda db: devices.remove(db, device_id, box.clock.now()))
        await box.watch.refresh()
        for method in ("POST", "GET"):
            told = await box.push(*generic_json(), method=method)
            assert (told.status, told.json["error"]) == (401, "unknown_token")
        assert "removed" in told.json["message"]
        (seen,) = box.presences.changed()
        assert (seen.device_id, seen.rejected, seen.rejected_reason) == (device_id, 2, "removed")
        assert box.rows("SELECT * FROM messages") == []


async def test_a_phone_added_this_moment_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The listener looks at the database itself before it refuses a token."""
    monkeypatch.setattr("mmconnect.service.watch.INTERVAL", 3600.0)
    async with appliance(tmp_path) as box:
        (known,) = box.watch.look().devices.values()
        box.change(lambda db: devices.replace_token(db, known.id, "fresh-token", 1))
        assert (await box.push(*generic_json(), token="fresh-token")).status == 200


async def test_an_old_token_is_good_until_the_new_one_is_used(tmp_path: Path):
    async with appliance(tmp_path) as box:
        (device_id,) = box.tokens
        box.change(lambda db: devices.replace_token(db, device_id, "new-one", box.clock.now()))
        await box.watch.refresh()
        for _ in range(2):
            assert (await box.push(*generic_json(), token=TOKEN)).status == 200
        assert (await box.push({}, b"", method="GET", token="new-one")).status == 200
        told = await box.push(*generic_json(), token=TOKEN)
        assert told.status == 200, "looking with a browser is not using it"
        assert (await box.push(*generic_json(), token="new-one")).status == 200
        await box.watch.refresh()
        assert (await box.push(*generic_json(), token=TOKEN)).status == 401
        assert (await box.push(*generic_json(), token="new-one")).status == 200
        assert box.rows("SELECT DISTINCT device_id FROM messages") == [(device_id,)]


async def test_an_old_token_ends_after_a_week_at_the_latest(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        (device_id,) = box.tokens
        box.change(lambda db: devices.replace_token(db, device_id, "new-one", clock.now()))
        await box.watch.refresh()
        clock.advance(7 * 86400 - 1)
        assert (await box.push(*generic_json(), token=TOKEN)).status == 200
        clock.advance(1)
        assert (await box.push(*generic_json(), token=TOKEN)).status == 401


async def test_guessing_is_throttled_but_never_a_valid_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mmconnect.service.watch.INTERVAL", 3600.0)
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        wrong = request("/in/wrong", {}, BODY)
        answers = [(await ask(box.port, wrong)).status for _ in range(20)]
        assert answers == [401] * 20
        told = await ask(box.port, wrong)
        assert (told.status, told.json["error"]) == (429, "unknown_token")
        assert 0 < int(told.headers["retry-after"]) <= 60
        for _ in range(30):
            assert (await box.push(*generic_json())).status == 200
        assert (await ask(box.port, request(f"/in/{TOKEN}", method="GET"))).status == 200
        assert (await ask(box.port, wrong)).status == 429
        (device_id,) = box.tokens
        box.change(lambda db: devices.replace_token(db, device_id, "fresh-token", clock.now()))
        assert (await box.push(*generic_json(), token="fresh-token")).status == 200, "nor a new one"
        clock.advance(61)
        assert (await ask(box.port, wrong)).status == 401
        assert len(box.rows("SELECT * FROM messages")) == 31


@pytest.mark.parametrize("why", ["bad_signature", "removed"])
async def test_a_phone_that_is_refused_for_ever_costs_a_few_lines_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, why: str
):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock, tokens=()) as box:
        key = "a-key" if why == "bad_signature" else None
        await box.device(name="Old", app="smsgate", token=TOKEN, signing_key=key)
        (device,) = box.tokens
        if why == "removed":
            box.change(lambda db: devices.remove(db, device, clock.now()))
            await box.watch.refresh()
        for _ in range(2):
            for _ in range(40):
                assert (await box.push(*generic_json(), token=TOKEN)).status == 401
            clock.advance(61)
        lines = [one for one in caplog.messages if "of Old was refused" in one]
        assert 2 <= len(lines) <= 12
        assert box.listener._presences.of(device).rejected == 80, "all are counted"


async def test_one_address_that_guesses_costs_no_other_one_anything(tmp_path: Path):
    async with appliance(tmp_path) as box:
        for _ in range(21):
            await ask(box.port, request("/in/wrong", {}, BODY))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", box.port, local_addr=("127.0.0.9", 0)
        )
        line = Line(reader, writer)
        await line.send(request("/in/wrong", {}, BODY))
        assert (await line.answer()).status == 401
        line.close()


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    """By the standard library's own comparison, whatever is given."""
    seen: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)

    class Nothing:
        tokens: dict[bytes, object] = {}  # noqa: RUF012

    assert tokens_module.find(Nothing(), "guess", 0) is None  # type: ignore[arg-type]
    assert tokens_module.find(Nothing(), None, 0) is None  # type: ignore[arg-type]
    assert len(seen) == 2


@pytest.mark.parametrize("app", ["auto", "smsgate"])
async def test_signed_pushes(tmp_path: Path, app: str):
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(app=app, signing_key="k3y0123456789abc")
        good = smsgate_sms(key="k3y0123456789abc")
        assert (await box.push(*good)).status == 200
        headers, body = smsgate_sms(event_id="other", text="forged", key="another key")
        unsigned = {n: v for n, v in headers.items() if n != "X-Signature"}
        for bad in (
            (headers, body),
            (unsigned, body),
            ({**good[0], "X-Timestamp": "1767225613"}, good[1]),
            (good[0], good[1] + b" "),
            ({**headers, "X-Signature": ""}, body),
            ({**headers, "X-Signature": "\u00e9" * 64}, body),
        ):
            told = await box.push(*bad)
            assert (told.status, told.json["error"]) == (401, "bad_signature")
        assert len(box.rows("SELECT * FROM messages")) == 1
        (seen,) = box.presences.changed()
        assert (seen.rejected, seen.rejected_reason) == (6, "bad_signature")
        assert seen.last_heard_at is not None
        # its clock is not judged: the phone may think that it is another year
        assert (await box.push(*smsgate_sms(key="k3y0123456789abc", timestamp=1))).status == 200


async def test_a_phone_that_is_heard_is_noted(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        await box.push(*smsgate("system:ping", {}))
        (seen,) = box.presences.changed()
        assert (seen.last_heard_at, seen.last_address) == (clock.now(), "127.0.0.1")
        assert seen.user_agent == "me.capcom.smsgateway/1.68.0"
        assert seen.rejected == 0
        assert box.presences.changed() == []


async def test_connections_are_kept_alive_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "MOST", 3)
    async with appliance(tmp_path) as box:
        lines = [await Line.open(box.port) for _ in range(3)]
        for line in lines:
            for n in range(2):
                await line.send(request(f"/in/{TOKEN}", {"Content-Type": FORM}, b"x", close=False))
                assert (await line.answer()).status == 200, n
        lines.append(await Line.open(box.port))
        assert await lines[0].at_end()
        lines.pop(0).close()
        for line in lines:
            await line.send(request(f"/in/{TOKEN}", {"Content-Type": FORM}, b"x", close=False))
            assert (await line.answer()).status == 200
            line.close()
        await eventually(lambda: len(box.rows("SELECT * FROM messages")) == 9)
