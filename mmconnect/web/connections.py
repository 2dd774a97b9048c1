"""A web server whose connections cannot squat it.

aiohttp closes a connection that asks nothing for `keepalive_timeout` seconds; beyond a bound, the
oldest one makes room for each new one, after finishing what it has under way. So a thousand open
connections cost nobody anything, and a flood of them costs a bounded amount of memory.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

MOST = 2000
"""Connections of one listener at the same time."""


class BoundedServer(web.Server):
    """A low-level web.Server with at most MOST connections."""

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """A client has connected."""
        super().connection_made(handler, transport)
        if len(self._connections) > MOST:
            next(iter(self._connections)).close()
