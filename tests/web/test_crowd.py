"""However many connect to the admin side, and whatever they do there, others are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from mmconnect.web import crowd
from mmconnect.web.crowd import Crowd, Runner
from tests.support.inprocess import eventually
from tests.support.loops import goes_ahead, settled
from tests.support.wire import Line, request


class House:
    """A server that waits for every form, and lets few in."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_post("/form", self._form)
        app.router.add_get("/quick", self._quick)
        self.runner = Runner(lambda: app, lambda: None, access_log=None, shutdown_timeout=0.5)
        self.lines: list[Line] = []

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()

    async def line(self, say: bytes = b"", whence: str = "127.0.0.1") -> Line:
        port = int(self.runner.addresses[0][1])
        line = Line(*await asyncio.open_connection("127.0.0.1", port, local_addr=(whence, 0)))
        self.lines.append(line)
        await line.send(say)
        return line

    @property
    def open(self) -> int:
        server = self.runner.server
        assert isinstance(server, Crowd)
        return len(server.connections)

    async def _form(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="read")

    async def _quick(self, request: web.Request) -> web.Response:
        return web.Response(text="done")


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(crowd, "MOST", 8)
    made = House()
    await made.start()
    yield made
    for line in made.lines:
        line.close()
    await made.runner.cleanup()


ASKING = request("/quick", method="GET", close=False)
SLOW_BODY = b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na"


@pytest.mark.parametrize("say", [b"", b"GET /quick HT", SLOW_BODY], ids=["nothing", "head", "body"])
async def test_a_flood_is_bounded_and_everybody_is_answered(house: House, say: bytes) -> None:
    for _ in range(60):
        await house.line(say)
    line = await house.line(ASKING)
    assert (await line.answer()).body == b"done"
    assert house.open == 8


async def test_a_flood_from_one_address_costs_no_other_its_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await house.line(ASKING, whence="127.0.0.2")
    await owner.answer()
    for _ in range(60):
        await house.line(SLOW_BODY)
    await owner.send(ASKING)
    assert (await owner.answer()).body == b"done", "the oldest of all, but not of the flood"
    assert house.open == 8


async def test_whoever_says_nothing_or_drips_is_sent_away(house: House) -> None:
    asked = await house.line(ASKING)
    await asked.answer()
    lines = [asked, await house.line(), await house.line(b"GET /quick HT")]
    await eventually(lambda: house.open == 3)
    await settled()
    goes_ahead(crowd.KEEP_ALIVE + 1)
    assert all([await line.at_end() for line in lines])
