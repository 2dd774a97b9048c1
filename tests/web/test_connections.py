"""The bound on connections, with what is under way when one has to go."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mmconnect.web import server as servers
from mmconnect.web.http import Answer, Request
from tests.support.inprocess import eventually
from tests.support.loops import goes_ahead
from tests.support.serving import PLAIN, ok, serving
from tests.support.wire import Line, request


async def test_the_oldest_makes_room_after_finishing_what_it_has_under_way(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(servers, "MOST", 2)
    monkeypatch.setattr(servers, "FINISHING", 100.0)
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Answer:
        begun.set()
        await gate.wait()
        return Answer(head=PLAIN, body=b"finished")

    async with serving(slow) as (server, port):
        first = await Line.open(port)
        await first.send(request("/", close=False))
        await begun.wait()
        (oldest,) = server.connections
        others = [await Line.open(port) for _ in range(2)]
        await eventually(lambda: len(server.connections) == 2 and oldest not in server.connections)
        gate.set()
        told = await first.answer()
        assert (told.status, told.body) == (200, b"finished")
        assert await first.at_end()
        for line in (first, *others):
            line.close()


async def test_a_flood_of_connections_leaves_a_bounded_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "MOST", 20)
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
    async with serving(ok) as (_, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        goes_ahead(servers.KEEP_ALIVE + 1)
        assert await line.at_end()
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
