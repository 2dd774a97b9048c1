"""A web server whose connections cannot squat it, and whose log tells nothing that they said.

aiohttp closes a connection that asks nothing for `keepalive_timeout` seconds; beyond a bound, the
oldest one makes room for each new one, after finishing what it has under way. So a thousand open
connections cost nobody anything, and a flood of them costs a bounded amount of memory.

What is no valid HTTP would be quoted in the log, with the token in its path or the text that ran
over its declared length: only the kind of mistake is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

MOST = 2000
"""Connections of one listener at the same time."""
FINISHING = 5.0
"""Seconds that the oldest connection has to finish what it has under way."""


class BoundedServer(web.Server):
    """A low-level web.Server with at most MOST connections, and a discreet log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, access_log=None, logger=discreet_log(), **kwargs)
        self._leaving: set[asyncio.Task[None]] = set()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """A client has connected."""
        super().connection_made(handler, transport)
        if len(self._connections) > MOST:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.close()  # ends an idle one's wait for a request, but not its connection
            leaving = asyncio.create_task(oldest.shutdown(FINISHING))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


class _Discreet(logging.LoggerAdapter[logging.Logger]):
    """A logger that names a mistake in HTTP instead of quoting it."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        error = kwargs.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            kwargs["exc_info"] = None
            msg = f"{msg}: it was no valid HTTP ({type(error).__name__})"
        return msg, kwargs


def discreet_log() -> logging.LoggerAdapter[logging.Logger]:
    """The log for aiohttp's server side."""
    return _Discreet(logging.getLogger(__name__), {})
