"""Phones that push, and somebody who looks at pages: who asks mmconnect something in its year.

They live in the year's own loop and time, at the other end of the cable. Whatever they see that
must not be is a fault in the year's book.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.year.book import MINUTE, Book
from tests.support.flowing import FlowingLoop
from tests.support.lan import Elsewhere
from tests.support.phones import incoming_sms

ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: OpenSSL goes by the real clock, so we judge validity ourselves."""
AGAIN = 15 * MINUTE
"""After how long a phone tries again that has reached nobody."""
PATIENCE = 30.0


@dataclass(kw_only=True)
class Place:
    """Where and when everything happens."""

    loop: FlowingLoop
    elsewhere: Elsewhere
    book: Book


# -- asking mmconnect ----------------------------------------------------------------------------


def trusting(authority: str) -> ssl.SSLContext:
    """A client that trusts this CA (PEM) alone, whatever the real clock says."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ANY_TIME
    client.load_verify_locations(cadata=authority)
    return client


async def ask(
    place: Place,
    at: tuple[str, int],
    source: str,
    head: str,
    body: bytes = b"",
    trust: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """One request on a connection of its own. Raises OSError, EOFError and TimeoutError."""
    with place.loop.talk():
        async with asyncio.timeout(PATIENCE):
            sock = await place.elsewhere.connect(*at, source)
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=trust, server_hostname=at[0] if trust else None
            )
            try:
                if trust is not None:
                    _judge(place, writer.get_extra_info("peercert"))
                writer.write(
                    f"{head}\r\nHost: {at[0]}:{at[1]}\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
                answer = await reader.read()
            finally:
                writer.close()
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(writer.wait_closed(), 1)
    first, _, rest = answer.partition(b"\r\n")
    if not rest:
        raise EOFError("no answer")
    return int(first.split(b" ")[1]), rest.partition(b"\r\n\r\n")[2]


def _judge(place: Place, certificate: Any) -> None:
    begins, ends = (
        ssl.cert_time_to_seconds(certificate[name]) * 1000 for name in ("notBefore", "notAfter")
    )
    if not begins <= place.loop.now < ends:
        place.book.fault("a certificate was served that is not valid at its time")
    place.book.certificates.setdefault(certificate["serialNumber"], place.loop.now)


# -- phones --------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Phone:
    """Pushes one text after another, each until it is taken."""

    place: Place
    name: str
    host: str
    token: str
    machine: str
    """The machine's address, as somebody has entered it."""
    trust: ssl.SSLContext | None = None
    _texts: deque[tuple[int, bytes]] = field(default_factory=deque)
    _come: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, number: int, sender: str, text: str, at: int) -> None:
        """A text comes in by radio, sent then (UTC ms)."""
        _, body = incoming_sms(text, sender, sent_ms=at, received_ms=at)
        self._texts.append((number, body))
        self._come.set()

    @property
    def waiting(self) -> int:
        return len(self._texts)

    async def run(self) -> None:
        while True:
            await self._come.wait()
            while self._texts:
                number, body = self._texts[0]
                if not await self._push(body):
                    await asyncio.sleep(AGAIN)
                    continue
                self.place.book.taken(number)
                self._texts.popleft()
            self._come.clear()

    async def _push(self, body: bytes) -> bool:
        port = 8482 if self.trust else 8481
        head = f"POST /in/{self.token} HTTP/1.1\r\nContent-Type: application/json; charset=utf-8"
        at = (self.machine, port)
        try:
            status, answer = await ask(self.place, at, self.host, head, body, self.trust)
        except (OSError, EOFError, TimeoutError):
            return False
        if status != 200 or not json.loads(answer)["ok"]:
            self.place.book.fault(f"{self.name} was answered {status}")
            return False
        return True


@dataclass(kw_only=True)
class Browser:
    """Somebody who looks at pages, over HTTPS."""

    place: Place
    host: str
    machine: str
    trust: ssl.SSLContext
    cookie: Callable[[], str]

    async def open(self, path: str) -> None:
        """Look at a page."""
        await self._ask("GET", path, 200)

    async def press(self, path: str) -> None:
        """Press the button of a form without fields."""
        await self._ask("POST", path, 303, f"\r\nOrigin: https://{self.machine}:8483")

    async def _ask(self, method: str, path: str, wanted: int, more: str = "") -> None:
        head = f"{method} {path} HTTP/1.1\r\nCookie: __Host-mmconnect={self.cookie()}{more}"
        status, _ = await ask(self.place, (self.machine, 8483), self.host, head, trust=self.trust)
        if status != wanted:
            self.place.book.fault(f"{method} {path} was answered {status}")
