"""A bound on connections to aiohttp's server that ask nothing: it has none of its own.

Whoever connects and says nothing, or drips a request's head, would hold a file for ever, and the
phone port needs files, too. Connections with a request under way are never touched.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

SWEEP = 5.0
"""Seconds between two looks."""
SILENT = 60.0
"""Seconds that a connection may have no request; browsers keep theirs for the next one."""
MOST = 512
"""Connections without a request at the same time; the oldest make room."""


class Crowd:
    """Looks after the connections of one server."""

    def __init__(self, server: web.Server, time: Callable[[], float]) -> None:
        """`time`: monotonic seconds."""
        self._server, self._time = server, time
        self._silent: dict[RequestHandler, float] = {}
        """Since when each has been seen without a request, longest first."""

    async def turn(self) -> None:
        """End those that have been silent for too long, or are too many."""
        now = self._time()
        silent = [one for one in self._server.connections if not _is_asking(one)]
        still = self._silent.keys() & set(silent)
        kept = {one: since for one, since in self._silent.items() if one in still}
        kept |= {one: now for one in silent if one not in still}
        too_many = len(kept) - MOST
        for n, (one, since) in enumerate(list(kept.items())):
            if n < too_many or now - since >= SILENT:
                del kept[one]
                one.force_close()
        self._silent = kept


def _is_asking(one: RequestHandler) -> bool:
    return one._current_request is not None
