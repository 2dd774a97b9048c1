"""The way into a port for TLS, for as many clients as ask and whatever they speak.

asyncio's own server tells nobody why a handshake failed, so connections are taken here: the first
byte says whether it is TLS (RFC 8446, 5.1: 22 is a handshake), without taking it out of the socket.
Whoever speaks plain HTTP gets a sentence. Invariant: who says nothing, or a byte now and then,
costs a socket for some seconds, and there is a bounded number of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from mmconnect.web.connection import HANDSHAKE
from mmconnect.web.http import Misfit

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a client has to say its first byte, and as many to finish the handshake."""
GOODBYE = 3.0
"""Seconds that a client has to answer the end of its TLS connection."""
MOST = 256
"""Clients at the door at the same time; beyond them the one who has waited longest is sent away."""
AT_ONCE = 64
"""Clients that are let in before anything else has its turn."""
AFTER_SHORTAGE = 1.0
"""Seconds until the next try, when the system has no sockets left."""
_DISTRUST = re.compile(
    r"ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED"
    r"|CERTIFICATE_REVOKED|UNSUPPORTED_CERTIFICATE)$",
    re.IGNORECASE,
)
"""What OpenSSL calls the alerts (RFC 8446, 6.2) of a client that does not take the certificate."""

Protocols = Callable[[], asyncio.BaseProtocol]


class Door:
    """Takes connections in, and hands each to the protocol it is for."""

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        secure: Protocols,
        plain: Protocols,
        saw: Callable[[Misfit, str], None],
    ) -> None:
        """`context` is asked for each connection; `saw` is told, with the address, who ended the
        handshake because of the certificate."""
        self._context, self._secure, self._plain, self._saw = context, secure, plain, saw
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._short = False
        """Whether the system had no sockets left at the last try; told once."""
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        """Have said nothing yet; oldest first."""
        self._entering: dict[asyncio.Task[None], None] = {}
        """Are in their handshake; oldest first."""

    async def open(
        self, hosts: Sequence[str], port: int, backlog: int = 100
    ) -> list[tuple[str, int]]:
        """Listen at all of these, or at none; host and port of each. Raises OSError.

        Port 0 is any free one, the same for all.
        """
        opened: list[socket.socket] = []
        try:
            for host in hosts:
                found = await self._loop.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                for family, kind, protocol, _, address in dict.fromkeys(found):
                    opened.append(listening := socket.socket(family, kind, protocol))
                    listening.setblocking(False)
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    listening.bind((address[0], port, *address[2:]))
                    listening.listen(backlog)
                    port = listening.getsockname()[1]
        except OSError:
            for listening in opened:
                listening.close()
            raise
        for listening in opened:
            self._listening.append(listening)
            self._loop.add_reader(listening, self._accept, listening)
        return [listening.getsockname()[:2] for listening in opened]

    @property
    def waiting(self) -> int:
        """Clients at the door just now."""
        return len(self._silent) + len(self._entering)

    def close(self) -> None:
        """Take no more; whoever is not in yet is sent away."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        self._listening.clear()
        while self.waiting:
            self._send_away_the_oldest()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                client, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not self._short:
                    log.error("No connection can be taken in at present: %s", error.strerror)
                self._short = True
                self._loop.remove_reader(listening)
                self._loop.call_later(AFTER_SHORTAGE, self._resume, listening)
                return
            self._short = False
            client.setblocking(False)
            if self.waiting >= MOST:
                self._send_away_the_oldest()
            self._silent[client] = self._loop.call_later(PATIENCE, self._send_away, client)
            self._loop.add_reader(client, self._begins, client, str(peer[0]))

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _begins(self, client: socket.socket, address: str) -> None:
        """Its first byte is here, or it has left."""
        try:
            first = client.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first:
            self._send_away(client)
            return
        self._silent.pop(client).cancel()
        self._loop.remove_reader(client)
        task = self._loop.create_task(self._enter(client, address, secure=first == HANDSHAKE))
        self._entering[task] = None
        task.add_done_callback(partial(self._entered, client))

    async def _enter(self, client: socket.socket, address: str, *, secure: bool) -> None:
        try:
            if secure:
                await self._loop.connect_accepted_socket(
                    self._secure,
                    client,
                    ssl=self._context(),
                    ssl_handshake_timeout=PATIENCE,
                    ssl_shutdown_timeout=GOODBYE,
                )
            else:
                await self._loop.connect_accepted_socket(self._plain, client)
        except ssl.SSLError as error:
            log.debug("A TLS handshake with %s failed: %s", address, error.reason)
            if _DISTRUST.search(error.reason or ""):
                self._saw(Misfit.DISTRUST, address)
            _let_go(error)
        except OSError as error:
            log.debug("A TLS handshake with %s ended: %s", address, error)
            _let_go(error)

    def _entered(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        self._entering.pop(task, None)
        if task.cancelled():
            client.close()  # it may have been before the socket was anybody else's
        elif (error := task.exception()) is not None:
            log.error("A connection could not be taken in", exc_info=error)

    def _send_away(self, client: socket.socket) -> None:
        timer = self._silent.pop(client, None)
        if timer is not None:
            timer.cancel()
            self._loop.remove_reader(client)
            with contextlib.suppress(OSError):
                client.close()

    def _send_away_the_oldest(self) -> None:
        if self._silent:
            self._send_away(next(iter(self._silent)))
        else:
            task = next(iter(self._entering))
            del self._entering[task]
            task.cancel()


def _let_go(error: BaseException) -> None:
    """Forget the way that an error came: it holds the frames that hold it, and with them all that
    the handshake needed, until a collection of garbage that a flood of handshakes outruns."""
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__context__
