"""The pool of outgoing connections, which notes for each POST what it was sent over.

The outcome rules need to know whether a connection was there at all, whether it was an old one
that the receiver may have closed meanwhile, and which address it led to; aiohttp alone tells none
of these once a request has failed.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept."""


@dataclass(slots=True)
class Line:
    """What one POST was sent over."""

    connected: bool = False
    reused: bool = False
    answered: bool = False
    """Whether an answer began to arrive."""
    address: str | None = None
    """`ip:port` of the other end."""


line: ContextVar[Line] = ContextVar("line")


class Connector(aiohttp.TCPConnector):
    """A TCP connector that fills in the caller's Line."""

    def __init__(self, *, reuse: bool) -> None:
        keep = {} if not reuse else {"keepalive_timeout": KEEP_ALIVE}
        super().__init__(limit=0, force_close=not reuse, **keep)  # type: ignore[arg-type]
        self._addresses: weakref.WeakKeyDictionary[Any, str | None] = weakref.WeakKeyDictionary()

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (the signature is aiohttp's)
    ) -> Connection:
        """Get a connection, from the pool or a new one."""
        connection = await super().connect(req, traces, timeout)
        noted = line.get()
        noted.connected = True
        protocol = connection.protocol
        noted.reused = protocol in self._addresses
        if not noted.reused:
            self._addresses[protocol] = _address(connection)
        noted.address = self._addresses[protocol]
        return connection


def _address(connection: Connection) -> str | None:
    transport = connection.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if not peer:
        return None
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
