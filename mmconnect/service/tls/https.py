"""The listeners for HTTPS: opened the moment there is a certificate, for phones and the admin side.

Never stands in the way of plain HTTP: a port that cannot be opened while the service runs is told
in a warning and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from mmconnect import __version__
from mmconnect.config import Listen, Settings
from mmconnect.desk.desk import Listeners
from mmconnect.domain.errors import ConfigError
from mmconnect.service.addresses import reachable
from mmconnect.service.lock import Running
from mmconnect.service.ports import opening
from mmconnect.service.tls.keeper import Keeper, Warn
from mmconnect.web.door import Door
from mmconnect.web.http import Answer, Handler, Misfit, Request, head
from mmconnect.web.https import AUTHORITY_HEADERS, AUTHORITY_TYPE, NO_AUTHORITY, location
from mmconnect.web.server import Server

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks: a certificate takes effect within a second."""
AGAIN = 15.0
"""Seconds until a port that could not be opened is tried again."""
BACKLOG = 1024

_PLAIN = "text/plain; charset=utf-8"
_CERTIFICATE = head(200, AUTHORITY_TYPE, AUTHORITY_HEADERS)


@dataclass(slots=True, kw_only=True)
class Https:
    """Both sides' listeners, and where they are."""

    options: Settings
    keeper: Keeper
    warn: Warn
    phones: Server
    phones_plain: list[str]
    """`host:port` where phones may speak plain HTTP."""
    admin: web.Server
    admin_plain: list[str]
    phone_side: list[str] = field(default_factory=list)
    """`host:port` of the listeners that are open; empty without a certificate. So `admin_side`."""
    admin_side: list[str] = field(default_factory=list)
    reloading: Callable[[], None] = lambda: None
    """Called when SIGHUP asks for the certificate to be read again, and `reloaded` when it was."""
    reloaded: Callable[[], None] = lambda: None
    _hung: bool = False
    _door: Door | None = None
    _plain: list[Server] = field(default_factory=list)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _next_try: float = 0.0

    @classmethod
    def of(
        cls,
        options: Settings,
        keeper: Keeper,
        warn: Warn,
        phones: Server,
        phones_plain: list[str],
        admin: web.BaseRunner,
        admin_plain: list[str],
    ) -> Https:
        """Beside the listeners for plain HTTP, which are open."""
        if admin.server is None:
            raise RuntimeError("The admin side is not set up")
        return cls(
            options=options,
            keeper=keeper,
            warn=warn,
            phones=phones,
            phones_plain=phones_plain,
            admin=admin.server,
            admin_plain=admin_plain,
        )

    def note(self) -> Running:
        """Where everything listens, for the lock file."""
        brought = self.options.tls_cert
        return Running(
            pid=os.getpid(),
            version=__version__,
            admin=self.admin_plain,
            phone=self.phones_plain,
            phone_tls=self.phone_side,
            admin_tls=self.admin_side,
            certificate=str(brought) if brought else None,
        )

    @property
    def listeners(self) -> Listeners:
        """The same for the pages."""
        return Listeners(
            admin=tuple(self.admin_plain),
            admin_tls=tuple(self.admin_side),
            phone=tuple(self.phones_plain),
            phone_tls=tuple(self.phone_side),
        )

    async def start(self) -> None:
        """Open the listeners if there is a certificate. Raises ConfigError when a port is taken."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        await self.keeper.look()
        if self.keeper.context is not None:
            await self._open()

    async def run(self, opened: Callable[[], None]) -> None:
        """Look after certificate and listeners for ever; `opened` is called when some were."""
        while True:
            try:
                async with asyncio.timeout(INTERVAL):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()
            hung, self._hung = self._hung, False
            try:
                if await self._turn():
                    opened()
            except Exception:
                log.exception("Looking after the certificate failed; it is tried again")
                await asyncio.sleep(AGAIN)
            if hung:
                self.reloaded()

    def ask(self) -> None:
        """Somebody has made a certificate: look soon."""
        self._asked.set()

    async def close(self) -> None:
        """Take no more connections; those for phones and the admin side end with their servers."""
        if self._door is not None:
            self._door.close()
        for server in self._plain:
            await server.close(0)

    @property
    def admin_port(self) -> int | None:
        """Where plain pages of the admin side redirect to; None while it has no HTTPS."""
        return _port(self.admin_side)

    async def certificate(self, request: Request) -> Answer:
        """`GET /ca.crt`, on the phone's listeners."""
        pem = self.keeper.authority
        if request.method not in ("GET", "HEAD"):
            return Answer(head=head(405, _PLAIN, {"Allow": "GET, HEAD"}), body=b"Only GET.\n")
        if pem is None:
            return Answer(head=head(404, _PLAIN), body=NO_AUTHORITY.encode())
        return Answer(head=_CERTIFICATE, body=pem)

    def _hung_up(self) -> None:
        self._hung = True
        self.reloading()
        self.keeper.reload()
        self._asked.set()

    async def _turn(self) -> bool:
        """Whether listeners have been opened."""
        await self.keeper.look()
        loop = asyncio.get_running_loop()
        if self.keeper.context is None or loop.time() < self._next_try or self._complete():
            return False
        before = len(self.phone_side) + len(self.admin_side)
        self._next_try = loop.time() + AGAIN
        try:
            await self._open()
        except ConfigError as error:
            self.warn.begin(
                "https", f"HTTPS cannot be served: {error}.", "It is tried again every 15 s."
            )
        else:
            self.warn.end("https")
        if len(self.phone_side) + len(self.admin_side) == before:
            return False
        log.info(
            "HTTPS is served: phones at %s, admin at %s",
            ", ".join(reachable(self.phone_side)) or "no port",
            ", ".join(reachable(self.admin_side)) or "no port",
        )
        return True

    def _complete(self) -> bool:
        """Whether everything is open that is to be."""
        phones = self.phone_side or self.options.phone_tls_listen is None
        return bool(phones and (self.admin_side or self.options.admin_tls_listen is None))

    async def _open(self) -> None:
        """What is not open yet. Raises ConfigError."""
        phone_at, admin_at = self.options.phone_tls_listen, self.options.admin_tls_listen
        if phone_at is not None and not self.phone_side:
            plain = self._answering(self._say_https_to_phones)
            with opening(phone_at, "--phone-tls-listen") as bind:
                found = await self.phones.start_tls(
                    bind, phone_at.port, self._context, plain, BACKLOG
                )
            self.phone_side = [str(Listen(host=host, port=port)) for host, port in found]
        if admin_at is not None and not self.admin_side:
            plain = self._answering(self._say_https_to_browsers)
            door = Door(self._context, self.admin, plain.connection, lambda misfit, address: None)
            with opening(admin_at, "--admin-tls-listen") as bind:
                found = await door.open(bind, admin_at.port, BACKLOG)
            self._door = door
            self.admin_side = [str(Listen(host=host, port=port)) for host, port in found]

    def _context(self) -> ssl.SSLContext:
        context = self.keeper.context
        if context is None:
            raise RuntimeError("A port for TLS is open without a certificate")
        return context

    def _answering(self, handler: Handler) -> Server:
        """Who answers those that speak plain HTTP on a port for TLS."""
        server = Server(handler, keep_alive=10.0)
        self._plain.append(server)
        return server

    async def _say_https_to_phones(self, request: Request) -> Answer:
        self.phones.saw(Misfit.PLAIN_TO_TLS, request.remote)
        port = _port(self.phones_plain)
        other = f", or http:// with port {port}" if port else ""
        sentence = f"This port speaks HTTPS: write https:// in the URL{other}.\n"
        return Answer(head=head(400, _PLAIN), body=sentence.encode(), close=True)

    async def _say_https_to_browsers(self, request: Request) -> Answer:
        to = location(request.headers.get("Host", ""), self.admin_port, str(request.url))
        if to is None:
            sentence = "This port speaks HTTPS: write https:// in the address.\n"
            return Answer(head=head(400, _PLAIN), body=sentence.encode(), close=True)
        return Answer(head=head(307, _PLAIN, {"Location": to}), body=b"", close=True)


def _port(bound: list[str]) -> int | None:
    return int(bound[0].rpartition(":")[2]) if bound else None
