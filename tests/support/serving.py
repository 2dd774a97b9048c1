"""The phone listener's HTTP server with a handler of the test's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mmconnect.web.http import Answer, Handler, Request, head
from mmconnect.web.server import KEEP_ALIVE, Server
from tests.support.loops import turned_away

PLAIN = head(200, "text/plain")


@asynccontextmanager
async def serving(
    handler: Handler,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    keep_alive: float = KEEP_ALIVE,
) -> AsyncIterator[tuple[Server, int]]:
    """A server, and its port."""
    server = Server(handler, keep_alive=keep_alive)
    plain = Server(no_tls)
    try:
        if tls is not None:
            ((_, port),) = await server.start_tls([host], 0, lambda: tls, plain)
        else:
            await server.start(host, 0)
            port = server.addresses[0][1]
        yield server, port
    finally:
        await turned_away(sock for at in server._listening for sock in at.sockets)
        await server.close(0.5)
        await plain.close(0.5)


async def no_tls(_: Request) -> Answer:
    """What somebody hears who speaks plain HTTP where TLS is spoken."""
    return Answer(head=head(400, "text/plain"), body=b"speak TLS", close=True)


async def ok(_: Request) -> Answer:
    """The handler for tests that want any answer."""
    return Answer(head=PLAIN, body=b"ok")
