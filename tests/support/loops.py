"""How a test's own server and its loop end without leaving a connection behind.

A connection left behind is complained of when it is collected: in some later test, by chance.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol

from aiohttp import web

TURNS = 10
"""Turns of the loop from an accepted connection to its first line of code, and from a closed one
to its closed socket; both take three or four."""


class Listening(Protocol):
    """A listening socket, or asyncio's view of one."""

    def fileno(self) -> int: ...


async def settled() -> None:
    """What was accepted has begun, and what was closed is gone. A task that is cancelled before
    it began runs no line of its own, so it would close nothing."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def turned_away(sockets: Iterable[Listening]) -> None:
    """No more connections from here on. Before `Server.close()`: in Python 3.11 a connection that
    was accepted just before it and had no transport yet is never closed."""
    for sock in sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    await settled()


def goes_ahead(seconds: float) -> None:
    """This loop's clock goes on by so much at once: what is due then is due now. So a patience of
    a minute is tried in no time, and one of a tenth of a second is nobody's who was held up."""
    loop = asyncio.get_running_loop()
    loop.time = partial(_later, loop.time, seconds)  # type: ignore[method-assign]


def _later(time: Callable[[], float], seconds: float) -> float:
    return time() + seconds


async def ended() -> None:
    """Every other task of this loop is cancelled, and done, and every connection of it is gone: a
    closed TLS one waits for the other side's farewell, and one that says hello for its hello."""
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        transport.abort()
    await settled()


@asynccontextmanager
async def by_hand(
    serve: Callable[[StreamReader, StreamWriter], Awaitable[None]],
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server on loopback that does this with each connection, and closes it after: its port.

    With the block, what is left of them ends, too.
    """
    tasks: set[asyncio.Task[None]] = set()
    writers: weakref.WeakSet[StreamWriter] = weakref.WeakSet()

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await turned_away(server.sockets)
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
        for writer in list(writers):
            writer.transport.abort()  # a TLS connection would wait for the other side's farewell
        await settled()


@asynccontextmanager
async def on_loopback(runner: web.AppRunner) -> AsyncIterator[int]:
    """The runner's site on a port of its own: that port."""
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    try:
        await web.SockSite(runner, listening).start()
        yield listening.getsockname()[1]
    finally:
        await turned_away([listening])
        await runner.cleanup()
