"""Makes connections: resolves the name, asks the address rule, connects, and shakes hands.

The only place that opens outgoing webhook connections. Knows nothing of requests. Invariant: no
socket is opened towards an address that the rule refuses, whatever name or notation led to it, and
a connection is there within 5 s or not at all, over all addresses together.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from mmconnect.delivery.http import Connection, words
from mmconnect.delivery.route import Route
from mmconnect.webhook.addresses import AddressRule, is_private
from mmconnect.webhook.outcome import Trouble

CONNECT_TIMEOUT = 5.0
"""Seconds until a connection must be there, name resolution and TLS included."""
BUFFER = 65536
"""Bytes that are read from a connection at once."""
CONTEXTS = 64
"""TLS settings that are kept, one for each private authority."""
PLAIN_HTTP = "plain http beyond the private network"
"""What the endpoint's setting is called."""

_TELLING = (
    Trouble.TLS,
    Trouble.CONNECT_RESET,
    Trouble.REFUSED,
    Trouble.CONNECT_TIMEOUT,
    Trouble.UNREACHABLE,
    Trouble.NO_NETWORK,
)
"""Of several addresses' troubles the first of these is told: the one that got furthest."""


class NotConnected(Exception):
    """There is no connection."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(detail)
        self.trouble, self.detail = trouble, detail


SocketAddress = tuple[Any, ...]
"""As the socket module has it: `(ip, port)`, or `(ip, port, flow, scope)`."""
Found = tuple[socket.AddressFamily, SocketAddress]


class Dialer:
    """Makes connections for one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = memoryview(bytearray(BUFFER))
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._running: dict[Hashable, asyncio.Future[Any]] = {}

    async def connect(self, route: Route, rule: AddressRule, until: float) -> Connection:
        """A new connection, by `until` (the loop's time) at the latest. Raises NotConnected."""
        until = min(until, self._loop.time() + CONNECT_TIMEOUT)
        stage = Trouble.DNS
        try:
            async with asyncio.timeout_at(until):
                found = _permitted(await self._resolve(route.host, route.port), route, rule)
                stage = Trouble.CONNECT_TIMEOUT
                context = await self._context(route.ca) if route.tls else None
        except TimeoutError:
            raise NotConnected(stage, "no answer in time" if stage is Trouble.DNS else "") from None
        troubles: list[NotConnected] = []
        for number, (family, where) in enumerate(found):
            share = (until - self._loop.time()) / (len(found) - number)
            try:
                return await self._try(family, where, route, context, share)
            except NotConnected as error:
                troubles.append(error)
        raise min(troubles, key=lambda error: _TELLING.index(error.trouble))

    async def _try(
        self,
        family: socket.AddressFamily,
        where: SocketAddress,
        route: Route,
        context: ssl.SSLContext | None,
        share: float,
    ) -> Connection:
        reached = False
        try:
            async with asyncio.timeout(share):
                sock = socket.socket(family, socket.SOCK_STREAM)
                try:
                    sock.setblocking(False)
                    await self._loop.sock_connect(sock, where)
                    if sock.getsockname() == where:
                        # TCP lets a port of our own choice connect to itself
                        raise ConnectionRefusedError(None, "Connection refused")
                except BaseException:
                    sock.close()
                    raise
                reached = True
                connection = Connection(self._loop, self._buffer, _shown(where))
                await self._loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=context,
                    server_hostname=_server_name(route.host) if context else None,
                    ssl_handshake_timeout=CONNECT_TIMEOUT if context else None,
                    ssl_shutdown_timeout=1.0 if context else None,
                )
                return connection
        except TimeoutError:
            detail = "TCP was there, TLS was not" if reached else ""
            raise NotConnected(Trouble.CONNECT_TIMEOUT, detail) from None
        except (OSError, ssl.CertificateError) as error:
            trouble = Trouble.TLS if reached else _trouble(error, family)
            raise NotConnected(trouble, words(error)) from error

    async def _resolve(self, host: str, port: int) -> list[Found]:
        """The addresses of a name, in the system's order. Raises NotConnected."""
        try:
            try:  # an address in any notation needs no thread
                infos = socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
                )
            except socket.gaierror:
                infos = await self._together(
                    (host, port),
                    lambda: self._loop.getaddrinfo(
                        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
                    ),
                )
        except UnicodeError:
            raise NotConnected(Trouble.DNS, "it is too long, or not a name") from None
        except OSError as error:
            # A name under .local is asked of the neighbours, not of a server.
            nobody = error.errno == socket.EAI_AGAIN and not host.rstrip(".").endswith(".local")
            trouble = Trouble.NO_DNS if nobody else Trouble.DNS
            raise NotConnected(trouble, words(error)) from None
        if not infos:
            raise NotConnected(Trouble.DNS, "it has no address")
        return list(dict.fromkeys((family, where) for family, *_, where in infos))

    async def _context(self, ca: str | None) -> ssl.SSLContext:
        """TLS settings that trust the system's roots and `ca`. Raises NotConnected."""
        if ca in self._contexts:
            return self._contexts[ca]
        try:  # reading all the roots takes long enough to be done on a thread
            context: ssl.SSLContext = await self._together(
                ("context", ca), lambda: self._loop.run_in_executor(None, _make_context, ca)
            )
        except (ssl.SSLError, ValueError, TypeError):  # the last when it is not ASCII
            raise NotConnected(
                Trouble.BLOCKED,
                "The endpoint's CA certificate cannot be read. Enter it again, as PEM: the lines"
                " from BEGIN CERTIFICATE to END CERTIFICATE",
            ) from None
        if len(self._contexts) >= CONTEXTS:
            self._contexts.clear()
        self._contexts[ca] = context
        return context

    async def _together(self, key: Hashable, start: Callable[[], Awaitable[Any]]) -> Any:
        """Await something that all who want the same at the same time share.

        A name server that does not answer costs one thread, however many texts wait for it.
        """
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(start())
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)


def _permitted(found: list[Found], route: Route, rule: AddressRule) -> list[Found]:
    """Those that may be connected to. Raises NotConnected with a reason when none may."""
    permitted: list[Found] = []
    reasons: list[str] = []
    for family, where in found:
        ip = str(where[0])
        reason = rule.refusal(ip, route.port)
        if reason is None and not (route.tls or route.plain_http or is_private(ip)):
            reason = (
                f"{ip} is not a private address, and with http everyone on the way can read the"
                f" texts. Use https, or tick “{PLAIN_HTTP}” in the endpoint's settings"
            )
        if reason is None:
            permitted.append((family, where))
        else:
            reasons.append(reason)
    if not permitted:
        raise NotConnected(Trouble.BLOCKED, reasons[0])
    return permitted


def _make_context(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(cadata=ca)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # also the receiver's own certificate
    context.set_alpn_protocols(["http/1.1"])
    return context


def _server_name(host: str) -> str:
    """The name that the certificate must be for."""
    return host.partition("%")[0].rstrip(".")


def _shown(where: SocketAddress) -> str:
    host, port = where[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _trouble(error: OSError, family: socket.AddressFamily) -> Trouble:
    if error.errno in (errno.ENETUNREACH, errno.ENETDOWN) and family == socket.AF_INET:
        return Trouble.NO_NETWORK  # over IPv6 it is how every network without IPv6 looks
    match error:
        case ConnectionRefusedError():
            return Trouble.REFUSED
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Trouble.CONNECT_RESET
        case _:
            return Trouble.UNREACHABLE
