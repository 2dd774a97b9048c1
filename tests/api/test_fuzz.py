"""Requests out of the document, right and wrong, at the live service: each answer is documented.

Never a 5xx; never a status, body or error that the document does not have; and what was refused has
changed nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from mmconnect.desk import keys
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import Ids
from mmconnect.store import api_keys
from mmconnect.store.connection import FILE, connect
from tests.support.api import Api
from tests.support.fuzz import Shot, shots
from tests.support.service import Service, until
from tests.support.wire import Line, Told, ask, request

pytestmark = [pytest.mark.timeout(300), pytest.mark.program]

EXAMPLES = int(os.environ.get("MMCONNECT_FUZZ", "200"))
KEYS = 2 + EXAMPLES // 20
"""Many, so that none asks too often."""


class Live:
    """The service, keys for it, and what its database holds."""

    def __init__(self, service: Service) -> None:
        self.service, self.port = service, service.admin[1]
        ids, db = Ids(SystemClock()), connect(service.directory / FILE)
        self.keys = []
        db.execute("BEGIN IMMEDIATE")
        for number in range(KEYS):
            key, secret = keys.fresh(ids, name=f"fuzz {number}", now=SystemClock().now())
            api_keys.add(db, key)
            self.keys.append(secret)
        db.execute("COMMIT")
        db.close()
        self._looking = connect(service.directory / FILE, readonly=True)
        self.told: Counter[int] = Counter()
        self.api = Api(port=self.port, key=None)
        self.api.document = self.ask(Shot(method="GET", template="", path="/v1/openapi.json")).json

    def ask(self, shot: Shot) -> Told:
        key = self.keys[self.told.total() % KEYS]
        headers = {"Authorization": f"Bearer {key}", **shot.headers}
        raw = request(shot.path, headers, shot.body, method=shot.method, chunks=shot.chunks)
        told = asyncio.run(ask(self.port, raw))
        self.told[told.status] += 1
        return told

    def ids(self) -> dict[str, list[str]]:
        """What there is, by the name that it has in paths."""
        tables = {
            "endpoints": "SELECT id FROM endpoints WHERE removed_at IS NULL",
            "devices": "SELECT id FROM devices WHERE removed_at IS NULL",
            "messages": "SELECT id FROM messages",
            "deliveries": "SELECT id FROM deliveries",
            "replays": "SELECT id FROM replays",
        }
        return {
            name: [row[0] for row in self._looking.execute(sql + " LIMIT 20")]
            for name, sql in tables.items()
        }

    def stock(self) -> None:
        """See that there is something of everything: what is fuzzed deletes, too."""
        there = self.ids()
        if not there["endpoints"]:
            self._make("/v1/endpoints", {"url": "http://127.0.0.1:9/hook"})
        if not there["devices"]:
            self._make("/v1/devices", {"name": "Phone"})
        if not there["messages"] or not there["deliveries"]:
            (device, *_) = self.ids()["devices"]
            text = {"from": "+6581230000", "text": f"text {self.told.total()}"}
            self._make(f"/v1/devices/{device}/simulate", text)

    def _make(self, path: str, body: dict[str, str]) -> None:
        headers = {"Content-Type": "application/json"}
        shot = Shot(
            method="POST",
            template="",
            path=path,
            headers=headers,
            body=json.dumps(body).encode(),
        )
        assert self.ask(shot).status < 500  # a phone may have been set so that it is not understood

    def holds(self) -> list[tuple[Any, ...]]:
        """What a request could have changed; not when keys were used, how deliveries go on, and
        what is told of that."""
        found: list[tuple[Any, ...]] = []
        for sql in (
            "SELECT id, name, url, numbers, events, max_age, plain_headers, concurrency,"
            " schedule, strict_order, headers, routing, ca, plain_http, removed_at, position,"
            " state = 'paused' FROM endpoints",
            "SELECT * FROM secrets",
            "SELECT * FROM devices",
            "SELECT * FROM device_tokens",
            "SELECT * FROM settings",
            "SELECT * FROM audit",
            "SELECT id, text FROM messages WHERE kind != 'event'",
            "SELECT d.id, d.trigger FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " WHERE m.kind != 'event'",
            "SELECT id, cancelled_at FROM replays",
        ):
            found += self._looking.execute(sql).fetchall()
        return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home: Path = tmp_path_factory.mktemp("fuzz")
    service = Service(home / "data")
    service.start()
    try:
        service.cli("endpoint", "add", "http://127.0.0.1:9/hook")
        service.cli("device", "add", "--name", "Phone")
        for text in ("one", "two"):
            service.cli("message", "simulate", "--from", "+6581230000", "--text", text)
        found = Live(service)
        yield found
        assert service.process is not None
        assert service.process.poll() is None, "it has ended"
        assert "Traceback" not in service.log_text()
        until(lambda: service.readyz()[0] == 200, lambda: str(service.readyz()))
    finally:
        service.kill()


def test_whatever_is_asked_is_answered_as_documented(live: Live):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(shot=shots(live.api.document))
    def asked(shot: Shot) -> None:
        live.stock()
        shot = shot.at(live.ids())
        assume(len(shot.path) < 8000)  # longer is no HTTP, which the server says in plain text
        before = live.holds()
        told = live.ask(shot)
        note(f"{told}")
        assert told.status < 500, told
        live.api.check(shot.method, shot.path.removeprefix("/v1").partition("?")[0], told)
        if told.status >= 400:
            assert live.holds() == before, "what was refused has changed something"

    asked()
    # a good part of it is right (most often a third), or only the door would be tested
    assert live.told.total() >= EXAMPLES
    assert sum(n for status, n in live.told.items() if status < 300) > EXAMPLES / 10, live.told
    assert live.told[400] > EXAMPLES / 20, live.told


@settings(max_examples=max(30, EXAMPLES // 10), deadline=None, database=None)
@given(
    head=st.sampled_from(["POST /v1/endpoints", "PUT /v1/webhooks", "GET /v1/endpoints"]),
    lines=st.lists(
        st.sampled_from(
            [
                "Transfer-Encoding: chunked",
                "Content-Length: 5",
                "Content-Length: -1",
                "Content-Length: 99999999999",
                "Content-Encoding: gzip",
                "Content-Encoding: deflate",
                "Content-Type: application/json",
                "Expect: 100-continue",
                "Expect: everything",
                "Authorization: Bearer \xff\xfe",
                "Cookie: a=b; c",
                "X-Forwarded-For: 1.2.3.4, evil",
                "Forwarded: for=_x;proto=gopher",
                "Connection: upgrade",
                "Upgrade: websocket",
            ]
        ),
        max_size=5,
    ),
    body=st.binary(max_size=100) | st.just(b"5\r\n{}\r\n0\r\n\r\n") | st.just(b"zz\r\n"),
)
def test_garbage_on_the_wire_breaks_nothing(live: Live, head: str, lines: list[str], body: bytes):
    key = live.keys[live.told.total() % KEYS]
    headers = "".join(f"{line}\r\n" for line in [f"Authorization: Bearer {key}", *lines])
    raw = f"{head} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n"
    before = live.holds()

    async def shoot() -> Told | None:
        line = await Line.open(live.port)
        try:
            await line.send(raw.encode("latin-1") + body)
            line.writer.write_eof()
            told = await line.answer()
            return await line.answer() if told.status == 100 else told
        except (asyncio.IncompleteReadError, ConnectionError):
            return None  # it hung up on what is no HTTP
        finally:
            line.close()

    told = asyncio.run(shoot())
    live.told[0 if told is None else told.status] += 1
    if told is not None:
        assert told.status < 500 or told.status == 501, told
        if told.headers.get("content-type", "").startswith("application/json"):
            live.api.check(*_operation(head), told)
    assert live.holds() == before or (told is not None and told.status < 300)
    assert json.loads(live.ask(Shot(method="GET", template="", path="/v1/key")).body)["id"]


def _operation(head: str) -> tuple[str, str]:
    method, path = head.split(" ")
    return method, path.removeprefix("/v1")
