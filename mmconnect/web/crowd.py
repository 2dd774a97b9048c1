"""A bound on the connections of the admin side, whoever opens them and whether they ask anything.

aiohttp's server takes as many as come, until the process has no sockets left: then no phone could
push either. Beyond a bound, whoever has the most connections loses the oldest of them, so that a
flood from one machine costs nobody else a page. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mmconnect.web.later import LateRunner
from mmconnect.web.throttle import counted_as

MOST = 256
"""Connections at the same time: a browser opens six, and few people look after one appliance."""
AT_ONCE = 64
"""Connections that are taken in before anybody can be sent away: the backlog of a listener, as
asyncio accepts so many in one go."""
KEEP_ALIVE = 125.0
"""Seconds that a connection may ask nothing, or take for the head of a request. Longer than reverse
proxies keep theirs (nginx 60 s, Traefik 90 s, Caddy 2 min), so that it is they who end them."""


class Crowd(web.Server):
    """aiohttp's server as listeners see it: what makes a protocol for each new connection."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    @property
    def connections(self) -> list[web.RequestHandler]:
        """Those that are open, oldest first."""
        return [
            one
            for one in self._server.connections
            if one.transport is not None and not one.transport.is_closing()
        ]

    def __call__(self) -> web.RequestHandler:
        """What talks to a client that has just connected; there is room for it."""
        there = self.connections
        for _ in range(len(there) - MOST + 1):
            crowding = Counter(map(_whose, there)).most_common(1)[0][0]
            oldest = next(one for one in there if _whose(one) == crowding)
            there.remove(oldest)
            oldest.force_close()
        return self._server()


class Runner(LateRunner):
    """Runs a site for a bounded crowd."""

    def __init__(
        self, make: Callable[[], web.Application], made: Callable[[], None], **how: Any
    ) -> None:
        super().__init__(make, made, keepalive_timeout=KEEP_ALIVE, **how)
        self._crowd: Crowd | None = None

    @property
    def server(self) -> web.Server | None:
        """What its listeners make connections by, once it is set up."""
        made = super().server
        if self._crowd is None and made is not None:
            self._crowd = Crowd(made)
        return self._crowd


def _whose(connection: web.RequestHandler) -> str:
    """Of which client a connection is."""
    peer = connection.peername
    return counted_as(str(peer[0])) if isinstance(peer, tuple) else ""
