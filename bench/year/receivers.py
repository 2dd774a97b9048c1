"""The receivers of the year: each text is verified and counted, and each fails now and then.

Whatever they see that must not be is a fault in the year's book.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from bench.year.people import Place

HOUR_MS = 3_600_000


@dataclass(kw_only=True)
class Receiver:
    """One receiver. `wants`: of which phones (by name) it is to get texts."""

    place: Place
    name: str
    host: str
    port: int
    secret: str
    wants: frozenset[str]
    tls: ssl.SSLContext | None = None
    strict: bool = False
    """Whether its endpoint is in strict order. Elsewhere a text that was tried in vain, and no
    other, may be overtaken by a later one of its sender."""
    trouble: str = ""
    """How it fails at the moment: down, hang, or a status."""
    got: bytearray = field(default_factory=bytearray)
    """How often each text was accepted."""
    accepted: Counter[int] = field(default_factory=Counter)
    """What was accepted, by hour (UTC ms)."""
    events: Counter[str] = field(default_factory=Counter)
    last: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    """When its last outage was over (UTC ms)."""
    longest: float = 0.0
    """Seconds that a text has taken apart from outages."""
    drained: float = 0.0
    """Seconds after the end of an outage in which something from before it has arrived."""
    hours: Counter[int] = field(default_factory=Counter)
    """New texts by the hour of `receivedAt`."""
    posts: int = 0
    _server: asyncio.Server | None = None
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}/hook"

    async def open(self) -> None:
        sock = self.place.elsewhere.listen(self.host, self.port)
        self._server = await asyncio.start_server(self._serve, sock=sock, ssl=self.tls)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._clients):
            writer.transport.abort()

    async def fails(self, how: str, seconds: float) -> None:
        """An outage."""
        self.trouble = how
        if how == "down":
            self.close()
        await asyncio.sleep(seconds)
        self.trouble, self.ended = "", self.place.loop.now
        if how == "down":
            await self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError):
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        with self.place.loop.talk():
            self.posts += 1
            self._verify(headers, body)
            if self.trouble == "hang":
                await reader.read(1)  # until whoever waits has had enough
                raise EOFError
            status = int(self.trouble or "200")
            if status == 200:
                self._accept(json.loads(body), first=headers["x-mmconnect-attempt"] == "1")
            date = formatdate(self.place.loop.now / 1000, usegmt=True)
            writer.write(
                f"HTTP/1.1 {status} OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\nok".encode()
            )
            await writer.drain()
        return True

    def _verify(self, headers: dict[str, str], body: bytes) -> None:
        book, name, at = self.place.book, headers["webhook-id"], headers["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        if headers["webhook-signature"] != f"v1,{base64.b64encode(signed).decode()}":
            book.fault(f"{self.name}: a wrong signature")
        plain = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if headers["x-mmconnect-signature"] != plain:
            book.fault(f"{self.name}: a wrong plain signature")
        if abs(int(at) * 1000 - self.place.loop.now) > 5000:
            book.fault(f"{self.name}: signed at another time")

    def _accept(self, told: dict[str, Any], *, first: bool) -> None:
        now, book = self.place.loop.now, self.place.book
        self.accepted[now // HOUR_MS * HOUR_MS] += 1
        self.events[told["event"]] += 1
        if told["event"] != "message.received":
            book.told(self.name, told)
            return
        number = int(told["text"].split(" ", 1)[0])
        phone = book.phone_of(number)
        if phone not in self.wants or told["deviceName"] != phone:
            book.fault(f"{self.name}: a text that it does not want")
        self.got.extend(bytes(max(0, number + 1 - len(self.got))))
        self.got[number] += 1
        if self.got[number] == 1:
            if number < (last := self.last.get(told["from"], -1)) and (first or self.strict):
                book.fault(f"{self.name}: a text came before an earlier one of its sender")
            self.last[told["from"]] = max(number, last)
            self.hours[book.ms(told["receivedAt"]) // HOUR_MS * HOUR_MS] += 1
        seconds = (now - book.ms(told["receivedAt"])) / 1000
        if book.ms(told["receivedAt"]) < self.ended:
            self.drained = max(self.drained, (now - self.ended) / 1000)
        elif seconds > self.longest:
            self.longest = seconds
