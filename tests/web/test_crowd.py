"""Connections that ask nothing end; those with a request under way do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from mmconnect.web import crowd
from mmconnect.web.crowd import SILENT, Crowd
from tests.support.wire import Line, request


class House:
    """A server whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.now, self.go = 1000.0, asyncio.Event()
        app = web.Application()
        app.router.add_get("/slow", self._slow)
        app.router.add_get("/quick", self._quick)
        self.runner = web.AppRunner(app, access_log=None)
        self.lines: list[Line] = []

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        assert self.runner.server is not None
        self.crowd = Crowd(self.runner.server, lambda: self.now)

    async def line(self, say: bytes = b"") -> Line:
        line = await Line.open(int(self.runner.addresses[0][1]))
        self.lines.append(line)
        await line.send(say)
        await asyncio.sleep(0.05)
        return line

    async def _slow(self, request: web.Request) -> web.Response:
        await self.go.wait()
        return web.Response(text="done")

    async def _quick(self, request: web.Request) -> web.Response:
        return web.Response(text="done")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    await made.start()
    yield made
    made.go.set()
    for line in made.lines:
        line.close()
        await line.writer.wait_closed()
    await made.runner.cleanup()


def asking(path: str) -> bytes:
    return request(path, method="GET", close=False)


async def test_whoever_says_nothing_is_sent_away(house: House) -> None:
    lines = [await house.line(said) for said in (b"", b"GET /slow HT", asking("/quick"))]
    assert (await lines[2].answer()).status == 200
    busy = await house.line(asking("/slow"))
    await house.crowd.turn()
    house.now += SILENT - 1
    await house.crowd.turn()
    assert not any([line.reader.at_eof() for line in lines])
    house.now += 1
    await house.crowd.turn()
    assert all([await line.at_end() for line in lines])
    house.go.set()
    assert (await busy.answer()).status == 200


async def test_whoever_asks_again_begins_anew(house: House) -> None:
    line = await house.line(asking("/quick"))
    await line.answer()
    await house.crowd.turn()
    house.now += SILENT - 1
    await line.send(asking("/slow"))
    await asyncio.sleep(0.05)
    await house.crowd.turn()
    house.go.set()
    await line.answer()
    house.now += 2
    await house.crowd.turn()
    await line.send(asking("/quick"))
    assert (await line.answer()).status == 200


async def test_the_oldest_make_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MOST", 2)
    old = [await house.line(), await house.line()]
    await house.crowd.turn()
    new = await house.line(asking("/quick"))
    await new.answer()
    await house.crowd.turn()
    await new.send(asking("/quick"))
    assert (await new.answer()).status == 200
    assert await old[0].at_end()
    assert len(house.runner.server.connections if house.runner.server else []) == 2
