"""The bound on connections, with what is under way when one has to go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from mmconnect.web import connections
from mmconnect.web.connections import BoundedServer
from tests.support.inprocess import eventually
from tests.support.wire import Line, request


@asynccontextmanager
async def serving(handler, **options: float) -> AsyncIterator[tuple[BoundedServer, int]]:
    server = BoundedServer(handler, **options)
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield server, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ok(_: web.BaseRequest) -> web.Response:
    return web.Response(text="ok")


async def test_the_oldest_makes_room_after_finishing_what_it_has_under_way(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(connections, "MOST", 2)
    gate = asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.Response:
        await gate.wait()
        return web.Response(text="finished")

    async with serving(slow) as (_, port):
        first = await Line.open(port)
        await first.send(request("/", close=False))
        others = [await Line.open(port) for _ in range(2)]
        await asyncio.sleep(0.05)
        gate.set()
        told = await first.answer()
        assert (told.status, told.body) == (200, b"finished")
        assert await first.at_end()
        for line in (first, *others):
            line.close()


async def test_a_flood_of_connections_leaves_a_bounded_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "MOST", 20)
    async with serving(ok) as (server, port):
        lines = [await Line.open(port) for _ in range(200)]
        ended = [asyncio.create_task(line.at_end(60)) for line in lines]
        await eventually(lambda: sum(task.done() for task in ended) == 180)
        assert all(task.done() for task in ended[:180]), "the oldest ones"
        assert len(server.connections) == 20
        for task in ended[180:]:
            task.cancel()
        await asyncio.wait(ended)
        newest = lines[-1]
        await newest.send(request("/", close=False))
        assert (await newest.answer()).status == 200
        for line in lines:
            line.close()


async def test_a_connection_that_asks_nothing_is_closed():
    async with serving(ok, keepalive_timeout=0.1) as (_, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        assert await line.at_end(5)
        line.close()


async def test_a_mistake_in_http_is_named_and_never_quoted(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with serving(ok) as (_, port):
        line = await Line.open(port)
        await line.send(b"GET / HTTP/1.1\r\nHost: x\r\nsecret without a colon\r\n\r\n")
        assert (await line.answer()).status == 400
        line.close()
    assert "it was no valid HTTP (BadHttpMessage)" in caplog.text
    assert "secret" not in caplog.text
