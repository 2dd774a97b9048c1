"""A web server whose connections cannot squat it.

aiohttp closes a connection that asks nothing for `keepalive_timeout` seconds; beyond a bound, the
oldest one makes room for each new one, after finishing what it has under way. So a thousand open
connections cost nobody anything, and a flood of them costs a bounded amount of memory.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

MOST = 2000
"""Connections of one listener at the same time."""


class _Discreet(logging.Filter):
    """aiohttp logs a request it cannot read with the request, and that may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = "A request was not valid HTTP", (), None
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger().isEnabledFor(logging.DEBUG)


def discreet_log() -> logging.Logger:
    """The logger for aiohttp's server side: it never says what a request contained."""
    log = logging.getLogger("mmconnect.http")
    if not log.filters:
        log.addFilter(_Discreet())
    return log


class BoundedServer(web.Server):
    """A low-level web.Server with at most MOST connections."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, access_log=None, logger=discreet_log(), **options)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """A client has connected."""
        super().connection_made(handler, transport)
        if len(self._connections) > MOST:
            next(iter(self._connections)).close()
