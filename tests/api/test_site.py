"""Who is let in, how often, with what: and what is answered to whoever asks otherwise."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from mmconnect.api import reading
from mmconnect.api.limits import BURST, RATE, Limits
from mmconnect.api.problems import CODES, Problem
from mmconnect.desk import keys
from mmconnect.desk.keys import Scope
from mmconnect.store import database
from mmconnect.store.connection import FILE, connect
from tests.support.api import api_of, new_key
from tests.support.inprocess import FakeClock, appliance
from tests.support.wire import Line, ask, request

URL = "https://crm.example.com/inbound"


async def test_without_a_key_and_with_a_bad_one(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for method, path in (("GET", "/endpoints"), ("POST", "/endpoints"), ("GET", "/status")):
            api.key = None
            told = await api.ask(method, path)
            assert (told.status, told.json["error"]) == (401, "unauthorized")
            assert told.headers["www-authenticate"] == "Bearer"
            api.key = "sk_live_" + "x" * 40
            told = await api.ask(method, path)
            assert (told.status, told.json["error"]) == (401, "invalid_api_key")
            assert told.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("header", ["Basic c2s6", "bearer", "Bearer  ", "", "Token x", "sk_live_x"])
async def test_what_is_no_bearer_key(tmp_path: Path, header: str):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.ask("GET", "/status", headers={"Authorization": header})
        assert (told.status, told.json["error"]) == (401, "unauthorized")


async def test_no_cookie_and_no_parameter_opens_anything(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        key, api.key = api.key, None
        told = await api.ask("GET", "/status", headers={"Cookie": f"key={key}; session={key}"})
        assert told.status == 401
        assert (await api.get("/status", token=key)).status == 401
        told = await api.ask("OPTIONS", "/status", headers={"Origin": "http://evil.example"})
        assert told.status == 405
        assert not [name for name in told.headers if name.startswith("access-control")]


async def test_a_key_that_was_revoked_or_has_ended(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, api_of(box) as api:
        api.key = new_key(box, expires_at=clock.now() + 1000)
        assert (await api.get("/key")).status == 200
        clock.advance(1)
        told = await api.get("/key")
        assert (told.status, told.json["error"]) == (401, "invalid_api_key")


async def test_scopes(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = (await api.post("/endpoints", {"url": URL})).json["id"]
        for scopes, reads, writes in (
            ({Scope.READ}, 200, 403),
            ({Scope.WRITE}, 403, 200),
            ({Scope.METRICS}, 403, 403),
        ):
            api.key = new_key(box, scopes)
            assert (await api.get(f"/endpoints/{made}")).status == reads
            told = await api.post(f"/endpoints/{made}/pause")
            assert told.status == writes
            if writes == 403:
                assert told.json["error"] == "forbidden"
                assert 'scope="write"' in told.headers["www-authenticate"]
        assert box.endpoint_row(made).state == "paused", "by the one that may"


async def test_each_operation_asks_for_the_scope_it_is_documented_with(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        read, write = new_key(box, {Scope.READ}), new_key(box, {Scope.WRITE})
        for path, methods in api.document["paths"].items():
            for method, one in methods.items():
                if one.get("security") == []:
                    continue
                below = path.removeprefix("/v1").replace("{id}", "none")
                api.key = read if "`write`" in one["description"].split("\n\n")[-1] else write
                told = await api.ask(method.upper(), below)
                assert told.status == 403, f"{method} {path}"


async def test_a_key_may_ask_so_often_and_no_other_waits_for_it(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, api_of(box) as api:
        told = [await api.get("/key") for _ in range(BURST + 1)]
        assert [one.status for one in told] == [200] * BURST + [429]
        assert told[-1].json["error"] == "rate_limited"
        assert told[-1].headers["retry-after"] == "1"
        greedy, api.key = api.key, new_key(box)
        assert (await api.get("/key")).status == 200
        api.key = greedy
        clock.advance(1)
        told = [await api.get("/key") for _ in range(int(RATE) + 1)]
        assert [one.status for one in told] == [200] * int(RATE) + [429]


def test_a_bucket_is_never_fuller_than_full_and_keys_are_forgotten_in_time():
    limits = Limits(rate=2.0, burst=3)
    assert [limits.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limits.take("a", 0.25) == 0.25, "asking too early makes the wait no longer"
    assert [limits.take("a", 1e6) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    for number in range(3000):
        limits.take(str(number), 1e6)
    assert len(limits._left) <= 1024


async def test_an_address_with_too_many_bad_keys_waits_and_a_good_key_does_not(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        good, api.key = api.key, "sk_live_" + "y" * 40
        told = [await api.get("/key") for _ in range(keys.WRONG_KEYS + 2)]
        assert {one.status for one in told} == {401, 429}
        assert int(told[-1].headers["retry-after"]) > 1
        api.key = good
        assert (await api.get("/key")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "", 404, "not_found"),
        ("GET", "/endpoints/", 404, "not_found"),
        ("GET", "/../healthz", 404, "not_found"),
        ("POST", "/endpoints/%00/pause", 404, "not_found"),
        ("GET", "/endpoints/%ED%A0%80", 404, "not_found"),
        ("GET", "/endpoints/" + "x" * 4000, 404, "not_found"),
        ("POST", "/messages", 405, "method_not_allowed"),
        ("PUT", "/endpoints", 405, "method_not_allowed"),
        ("HEAD", "/endpoints", 405, "method_not_allowed"),
        ("PROPFIND", "/endpoints", 405, "method_not_allowed"),
    ],
)
async def test_where_nothing_is(tmp_path: Path, method: str, path: str, status: int, error: str):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.ask(method, path)
        assert told.status == status
        if method != "HEAD":
            assert told.json["error"] == error
        if status == 405:
            assert "GET" in told.headers["allow"]


BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "validation_error"),
    (b"{", 400, "validation_error"),
    (b"[]", 400, "validation_error"),
    (b"null", 400, "validation_error"),
    (b'"x"', 400, "validation_error"),
    (b"\xff\xfe{}", 400, "validation_error"),
    (b'{"url": NaN}', 400, "validation_error"),
    (b'{"url": 1e999}', 400, "validation_error"),
    (b'{"url": ' + b"9" * 5000 + b"}", 400, "validation_error"),
    (b'{"url": "https://x/", "url": "https://y/"}', 400, "validation_error"),
    (b'{"url": "https://x/", "name": "\\ud800"}', 400, "validation_error"),
    (b'{"\\udfff": 1}', 400, "validation_error"),
    (b'{"url": "https://x/", "name": "a\\u0000b"}', 400, "validation_error"),
    (b"[" * 100_000, 400, "validation_error"),
    (b'{"a":' * 100_000, 400, "validation_error"),
    (b'{"url": "' + b"x" * reading.LIMIT + b'"}', 413, "payload_too_large"),
]


@pytest.mark.parametrize(("body", "status", "error"), BODIES, ids=lambda value: repr(value)[:40])
async def test_bodies_that_cannot_be(tmp_path: Path, body: bytes, status: int, error: str):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for chunks in (0, 5000):
            told = await api.ask("POST", "/endpoints", raw=body, chunks=chunks)
            assert (told.status, told.json["error"]) == (status, error), chunks
        assert box.one("SELECT count(*) FROM endpoints") == 0


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=utf-16"],
)
async def test_what_is_not_said_to_be_json(tmp_path: Path, media: str):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.ask(
            "POST", "/endpoints", raw=b'{"url":"https://x/"}', headers={"Content-Type": media}
        )
        assert (told.status, told.json["error"]) == (415, "unsupported_media_type")


async def test_whole_numbers_are_whole_however_they_are_written(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.ask("POST", "/endpoints", raw=b'{"url":"https://x/","maxAge":6.0e1}')
        assert (told.status, told.json["maxAge"]) == (201, 60)
        told = await api.ask("POST", "/endpoints", raw=b'{"url":"https://x/","maxAge":60.5}')
        assert told.status == 400


async def test_a_body_where_none_is_taken(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = (await api.post("/endpoints", {"url": URL})).json["id"]
        told = await api.post(f"/endpoints/{made}/pause", {"until": "tomorrow"})
        assert (told.status, told.json["error"]) == (400, "validation_error")
        assert box.endpoint_row(made).state == "active"
        assert (await api.post(f"/endpoints/{made}/pause", {})).status == 200


async def test_unknown_parameters_and_wrong_ones(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for query, path in (
            ({"page": 2}, "page"),
            ({"limit": "ten"}, "limit"),
            ({"limit": 0}, "limit"),
            ({"limit": 10**30}, "limit"),
            ({"limit": ["1", "2"]}, "limit"),
            ({"cursor": "\N{GRINNING FACE}"}, "cursor"),
        ):
            told = await api.get("/endpoints", **query)
            assert told.status == 400, query
            assert [issue["path"] for issue in told.json["issues"]] == [path]
        assert (await api.post("/endpoints", {"url": URL}, query={"dry": "1"})).status == 400
        assert box.one("SELECT count(*) FROM endpoints") == 0


async def test_a_body_that_breaks_off_or_never_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with appliance(tmp_path) as box, api_of(box) as api:
        headers = {
            "Authorization": f"Bearer {api.key}",
            "Content-Type": "application/json",
            "Content-Length": "100",
        }
        begun = request("/v1/endpoints", headers, method="POST").replace(
            b"Content-Length: 0\r\n", b""
        )
        line = await Line.open(api.port)
        with monkeypatch.context() as patch:
            patch.setattr(reading, "PATIENCE", 0.2)
            await line.send(begun + b'{"url"')
            told = await line.answer()
        line.close()
        api.check("POST", "/endpoints", told)
        assert (told.status, told.json["error"]) == (408, "request_timeout")
        del headers["Content-Length"]
        headers["Content-Encoding"] = "gzip"
        told = await ask(api.port, request("/v1/endpoints", headers, b"no gzip", method="POST"))
        api.check("POST", "/endpoints", told)
        assert (told.status, told.json["error"]) == (400, "validation_error")


async def test_a_client_that_waits_to_be_told_to_go_on_is_told_after_the_key(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        body = json.dumps({"url": URL}).encode()
        for key, status in ((api.key, 201), ("sk_live_bad", 401)):
            headers = {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Expect": "100-continue",
            }
            whole = request("/v1/endpoints", headers, body, method="POST")
            head, _, _ = whole.partition(b"\r\n\r\n")
            line = await Line.open(api.port)
            await line.send(head + b"\r\n\r\n")
            told = await line.answer()
            if key == api.key:
                assert told.status == 100
                await line.send(body)
                told = await line.answer()
            assert told.status == status
            line.close()


async def test_a_database_that_cannot_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    async with appliance(tmp_path) as box, api_of(box) as api:
        blocker = connect(tmp_path / FILE)
        blocker.execute("BEGIN IMMEDIATE")
        told = await api.post("/endpoints", {"url": URL})
        assert (told.status, told.json["error"]) == (503, "unavailable")
        assert told.headers["retry-after"] == "5"
        blocker.close()
        await asyncio.sleep(0)
        assert (await api.post("/endpoints", {"url": URL})).status == 201


async def test_a_mistake_of_ours_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with appliance(tmp_path) as box, api_of(box) as api:
        monkeypatch.setattr("mmconnect.store.endpoints.known", lambda db: 1 / 0)
        told = await api.get("/endpoints", cursor="c2VjcmV0")
        assert (told.status, told.json["error"]) == (500, "internal_error")
        assert "division" not in told.body.decode()
        assert "ZeroDivisionError" in caplog.text
        assert "c2VjcmV0" not in caplog.text


async def test_no_key_secret_or_text_gets_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = (await api.post("/endpoints", {"url": URL + "?k=hook-secret"})).json
        await api.post("/endpoints", {"url": URL, "secret": "brought-along-secret"})
        await api.post(f"/endpoints/{made['id']}/rotate-secret", {"secret": "too short"})
        key, api.key = api.key or "", "sk_live_" + "z" * 40
        await api.get("/messages")
        for secret in (key, "z" * 40, made["secret"], "hook-secret", "brought-along", "too short"):
            assert secret not in caplog.text


def test_every_code_has_a_sentence():
    assert all(code.means.endswith(".") and code.status >= 400 for code in CODES.values())


def test_numbers_as_json_writes_them():
    def read(text: str) -> Any:
        return reading.parsed(text.encode())

    assert read("[0, -0, 1, 1.0, 1e2, -5.5, 123456789012345678]") == [
        *(0, 0, 1, 1, 100, -5.5),
        123456789012345678,
    ]
    assert type(read("1.0")) is int
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}', "1e400", '"\\ud800"', '{"\\udc00": 1}'):
        with pytest.raises(Problem):
            read(text)
    assert read('"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


async def test_behind_a_proxy_with_a_base_path(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.patch(
            "/settings", {"basePath": "/sms", "trustedProxies": ["127.0.0.1/32"]}
        )
        assert told.status == 200
        by_proxy = {"X-Forwarded-For": "192.168.7.9", "X-Forwarded-Proto": "https"}
        headers = {"Authorization": f"Bearer {api.key}", **by_proxy}
        key = await ask(api.port, request("/sms/v1/key", headers, method="GET"))
        assert key.status == 200
        document = await ask(api.port, request("/sms/v1/openapi.json", by_proxy, method="GET"))
        assert document.json["servers"] == [{"url": "/sms"}]
        headers["Content-Type"] = "application/json"
        body = json.dumps({"url": URL}).encode()
        made = await ask(api.port, request("/sms/v1/endpoints", headers, body))
        assert made.headers["location"] == f"/sms/v1/endpoints/{made.json['id']}"
        address = box.one("SELECT address FROM audit WHERE action = 'endpoint.added'")
        assert address == "192.168.7.9", "who asks, not the proxy"
        page = await ask(api.port, request("/sms/docs", by_proxy, method="GET"))
        html = page.body.decode()
        assert "https://127.0.0.1/sms/v1/status" in html
        assert 'href="/sms/static/admin.css"' in html


@pytest.mark.parametrize("last", ["k0", "new"])
def test_a_body_of_many_names_holds_nobody_up(last: str):
    """Each was once compared with each: one request stopped the loop for minutes."""
    names = [*(f"k{n}" for n in range(80_000)), last]
    raw = ("{" + ",".join(f'"{name}":1' for name in names) + "}").encode()
    begun = time.process_time()
    if last == "k0":
        with pytest.raises(Problem):
            reading.parsed(raw)
    else:
        assert len(reading.parsed(raw)) == 80_001
    assert time.process_time() - begun < 3
