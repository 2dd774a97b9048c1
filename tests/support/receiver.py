"""A receiver of webhooks that does what a test tells it: a real server on loopback, HTTP by hand.

It is written on bare streams, because what matters here is what no well-behaved server does: it
drips, floods, resets, hangs up between two requests, answers nonsense. Every request that arrives
whole is kept. A script says what to do with the first ones; after that, `default` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.loops import by_hand, ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request, as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    at: float
    """Monotonic seconds."""
    connection: int
    """Which connection it came on, counted from 1."""

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def mapping(self) -> dict[str, str]:
        """The headers as libraries want them."""
        return dict(self.headers)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.json["text"]

    @property
    def id(self) -> str:
        return self.json["id"]


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request that waits for its answer."""

    arrival: Arrival
    writer: asyncio.StreamWriter
    sent: int = 0
    """Bytes of the answer that were written."""

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)


Act = Callable[[Exchange], Awaitable[None]]


def answer(
    status: int = 200,
    body: bytes = b"ok",
    headers: Mapping[str, str] | None = None,
    *,
    close: bool = False,
) -> Act:
    """A proper answer; `close`: hang up after it without having said so."""

    async def act(exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if status != 204:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        await exchange.write(head if status == 204 else head + body)
        if close:
            exchange.writer.close()

    return act


def after(seconds: float, then: Act) -> Act:
    """Take so long, then do that."""

    async def act(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await then(exchange)

    return act


def when(event: asyncio.Event, then: Act | None = None) -> Act:
    """Wait until the test says so, then answer."""

    async def act(exchange: Exchange) -> None:
        await event.wait()
        await (then or answer())(exchange)

    return act


class Gate:
    """Whoever comes waits until the test opens it, from whatever thread; then does `then`."""

    def __init__(self, then: Act | None = None) -> None:
        self._then = then or answer()
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    async def __call__(self, exchange: Exchange) -> None:
        while not self._opened.is_set():  # noqa: ASYNC110 (opened by another thread)
            await asyncio.sleep(0.005)
        await self._then(exchange)


def drip(interval: float = 0.02, status: int = 200) -> Act:
    """A proper answer, but its body comes a byte at a time, for ever."""

    async def act(exchange: Exchange) -> None:
        await exchange.write(f"HTTP/1.1 {status} OK\r\nContent-Length: 100000\r\n\r\n".encode())
        while True:
            await exchange.write(b".")
            await asyncio.sleep(interval)

    return act


def flood(size: int) -> Act:
    """An answer of so many bytes, as fast as they are taken."""

    async def act(exchange: Exchange) -> None:
        await exchange.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        block = b"x" * 65536
        for _ in range(size // len(block)):
            await exchange.write(block)

    return act


def endless(start: bytes = b"begun") -> Act:
    """An answer without a length whose end never comes."""

    async def act(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\n\r\n" + start)
        await asyncio.sleep(3600)

    return act


def gzip_bomb(expanded: int = 50 * 2**20) -> Act:
    """A small answer that would be large when expanded."""
    squeeze = zlib.compressobj(wbits=31)
    block = bytes(2**20)
    small = b"".join(squeeze.compress(block) for _ in range(expanded // 2**20)) + squeeze.flush()
    return answer(200, small, {"Content-Encoding": "gzip"})


def say(data: bytes) -> Act:
    """Just these bytes, then hang up."""

    async def act(exchange: Exchange) -> None:
        await exchange.write(data)
        exchange.writer.close()

    return act


async def hang(exchange: Exchange) -> None:
    """Never answer."""
    await asyncio.sleep(3600)


async def hang_up(exchange: Exchange) -> None:
    """Close the connection instead of answering."""
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """Break the connection instead of answering: the other end sees a RST."""
    sock = exchange.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


@dataclass(slots=True)
class Receiver:
    """A running receiver."""

    port: int
    scheme: str = "http"
    default: Act = field(default_factory=answer)
    script: deque[Act] = field(default_factory=deque)
    """What to do with the next requests."""
    arrivals: list[Arrival] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    together: int = 0
    """The most requests that were unanswered at the same time."""
    _open: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    @property
    def texts(self) -> list[str]:
        """The texts that arrived, in order."""
        return [one.text for one in self.arrivals]

    def then(self, *acts: Act) -> None:
        """Do these with the next requests, one each."""
        self.script.extend(acts)

    async def until(self, count: int, deadline: float = 45.0) -> list[Arrival]:
        """Wait for so many requests."""
        begun = time.monotonic()
        while len(self.arrivals) < count:
            waited = time.monotonic() - begun
            assert waited < deadline, f"{len(self.arrivals)} of {count} came in {waited:.1f} s"
            await asyncio.sleep(0.005)
        return self.arrivals

    async def _serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not writer.is_closing():
            arrival = await _request(reader, number)
            if arrival is None:
                return
            exchange = Exchange(arrival=arrival, writer=writer)
            self.arrivals.append(arrival)
            self.exchanges.append(exchange)
            act = self.script.popleft() if self.script else self.default
            self._open += 1
            self.together = max(self.together, self._open)
            try:
                await act(exchange)
            finally:
                self._open -= 1


@asynccontextmanager
async def receiver(
    *script: Act,
    default: Act | None = None,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """A receiver for as long as the block runs; `script` is for the first requests."""
    numbers = itertools.count(1)
    running = Receiver(0, "https" if tls else "http", default or answer(), deque(script))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await running._serve(next(numbers), reader, writer)

    async with by_hand(serve, port, tls) as running.port:
        yield running


@contextmanager
def receiving(*script: Act, default: Act | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver on a thread of its own, for tests that are no coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="receiver", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    made = receiver(*script, default=default, port=port)
    try:
        running = wait(made.__aenter__())
        try:
            yield running
        finally:
            wait(made.__aexit__(None, None, None))
            wait(ended())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


_PORTS = 1_200
"""Ports of each of pytest's workers."""
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
_ports = itertools.count(secrets.randbelow(_PORTS))


def free_port() -> int:
    """A port of loopback where nothing listens, nor will: below those that a system gives to
    whoever asks for any, and no other worker's. So it is still free for whoever comes back to it.
    """
    while True:
        port = 10_000 + _worker * _PORTS + next(_ports) % _PORTS
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


async def _request(reader: asyncio.StreamReader, number: int) -> Arrival | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    if any(n.lower() == "transfer-encoding" for n, _ in headers):
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(_length(headers))
    return Arrival(
        method=method,
        target=target,
        headers=headers,
        body=body,
        at=time.monotonic(),
        connection=number,
    )


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _length(headers: Iterable[tuple[str, str]]) -> int:
    return next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
