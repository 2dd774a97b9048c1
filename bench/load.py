"""Phones that push and receivers that count, for the benchmarks of this folder.

Processes of their own, so that they cost the appliance none of its CPU time. Clock:
CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tests.support.service import Address

WORDS = (
    "your code is parcel arrives today between call back meeting moved room please confirm"
    " balance low at noon ok thanks"
).split()
_processes = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Push:
    """What became of one push: when it began and when it was answered (monotonic s), and how."""

    number: int
    begun: float
    answered: float
    status: int
    id: str


def _message(got: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Head, body, and what follows of an HTTP message; None while it is not whole."""
    head, found, rest = got.partition(b"\r\n\r\n")
    if not found:
        return None
    length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
    return None if len(rest) < length else (head, rest[:length], rest[length:])


class _Line(asyncio.Protocol):
    """One keep-alive connection, one push after the other."""

    def __init__(self, token: str, numbers: Iterator[int], done: list[Push], size: int) -> None:
        self._token, self._numbers, self._done, self._size = token, numbers, done, size
        self.over = asyncio.get_running_loop().create_future()
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._number = next(self._numbers, -1)
        if self._number < 0:
            self._transport.close()
            return
        self._begun = time.monotonic()
        self._transport.write(wire(self._token, body(self._number, length=self._size)))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._got += data
        whole = _message(self._got)
        if whole is None:
            return
        head, answer, self._got = whole
        told = json.loads(answer)
        self._done.append(
            Push(
                self._number,
                self._begun,
                time.monotonic(),
                int(head[9:12]),
                told.get("id") or "",
            )
        )
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


def body(number: int, sender: str | None = None, length: int = 120) -> bytes:
    """Push number so-and-so: a sender of its own unless told, an id, a time, so many characters."""
    text = f"no {number} " + " ".join(WORDS[(number * 7 + n * n) % len(WORDS)] for n in range(40))
    return json.dumps(
        {
            "from": sender or f"+1555{number % 10**7:07d}",
            "text": text[:length],
            "id": f"bench-{number:x}-{number * 2654435761 % 2**32:08x}",
            "sentStamp": 1767225600000 + number * 1000,
        }
    ).encode()


def wire(token: str, push: bytes) -> bytes:
    """A push as bytes."""
    return (
        f"POST /in/{token} HTTP/1.1\r\nHost: mmconnect\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(push)}\r\n\r\n"
    ).encode() + push


def _burst(
    at: Address, token: str, first: int, count: int, connections: int, size: int, told: Connection
) -> None:
    async def work() -> list[Push]:
        done: list[Push] = []
        numbers = iter(range(first, first + count))
        loop = asyncio.get_running_loop()
        lines = [
            (await loop.create_connection(lambda: _Line(token, numbers, done, size), *at))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(line.over for line in lines))
        return done

    told.send(asyncio.run(work()))


def burst(
    at: Address, token: str, first: int, count: int, connections: int = 32, size: int = 120
) -> list[Push]:
    """Push `count` texts as fast as they are taken."""
    here, there = _processes.Pipe()
    process = _processes.Process(
        target=_burst, args=(at, token, first, count, connections, size, there), daemon=True
    )
    process.start()
    done: list[Push] = here.recv()
    process.join()
    return done


def _trickle(
    at: Address, token: str, first: int, count: int, rate: float, senders: int, told: Connection
) -> None:
    async def one(number: int) -> Push:
        sender = f"+1555{number % senders:07d}" if senders else None
        begun = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(*at)
            writer.write(wire(token, body(number, sender)))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
            answer = json.loads(await reader.readexactly(length))
            writer.close()
            return Push(number, begun, time.monotonic(), int(head[9:12]), answer.get("id") or "")
        except (OSError, asyncio.IncompleteReadError):
            return Push(number, begun, time.monotonic(), 0, "")

    async def work() -> list[Push]:
        begun = time.monotonic()
        tasks = []
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(first + n)))
        return list(await asyncio.gather(*tasks))

    told.send(asyncio.run(work()))


class Trickle:
    """Pushes `rate` texts a second, a new connection for each; `join()` tells of each."""

    def __init__(
        self, at: Address, token: str, first: int, count: int, rate: float, senders: int = 0
    ) -> None:
        self._here, there = _processes.Pipe()
        self._process = _processes.Process(
            target=_trickle, args=(at, token, first, count, rate, senders, there), daemon=True
        )
        self._process.start()

    @property
    def running(self) -> bool:
        return not self._here.poll()

    def join(self) -> list[Push]:
        done: list[Push] = self._here.recv()
        self._process.join()
        return done


# -- a receiver that counts --------------------------------------------------------------------


class _Counter(asyncio.Protocol):
    """Answers 200 after `delay` seconds, and notes the id and when the request was whole."""

    seen: list[tuple[str, float]]
    delay: float

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._got = transport, b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (whole := _message(self._got)) is not None:
            head, _, self._got = whole
            name = re.search(rb"(?i)webhook-id: *(\S+)", head)
            self.seen.append((name[1].decode() if name else "", time.monotonic()))
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # type: ignore[attr-defined]


def _sink(told: Connection, delay: float) -> None:
    async def work() -> None:
        seen: list[tuple[str, float]] = []
        kind = type("Counter", (_Counter,), {"seen": seen, "delay": delay})
        loop = asyncio.get_running_loop()
        server = await loop.create_server(kind, "127.0.0.1", 0, backlog=512)
        told.send(server.sockets[0].getsockname()[1])
        while True:
            asked = await loop.run_in_executor(None, told.recv)
            told.send(len(seen) if asked == "count" else list(seen))
            if asked == "take":
                seen.clear()

    with contextlib.suppress(EOFError, KeyboardInterrupt):
        asyncio.run(work())


class Sink:
    """A receiver in a process of its own that answers 200."""

    def __init__(self, delay: float = 0.0) -> None:
        self._here, there = _processes.Pipe()
        self._process = _processes.Process(target=_sink, args=(there, delay), daemon=True)
        self._process.start()
        self.url = f"http://127.0.0.1:{self._here.recv()}/hook"

    def count(self) -> int:
        self._here.send("count")
        return int(self._here.recv())

    def take(self) -> list[tuple[str, float]]:
        """(webhook-id, monotonic seconds) of every POST so far, which are forgotten by this."""
        self._here.send("take")
        return list(self._here.recv())

    def wait(self, count: int, within: float = 60.0) -> None:
        """Until so many have arrived."""
        end = time.monotonic() + within
        while (there := self.count()) < count:
            assert time.monotonic() < end, f"{there} of {count} arrived in {within} s"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def latencies(pushes: Sequence[Push], arrivals: Sequence[tuple[str, float]]) -> list[float]:
    """Seconds from the start of each push to the arrival of its webhook."""
    first: dict[str, float] = {}
    for name, at in arrivals:
        first.setdefault(name, at)
    return [first[push.id] - push.begun for push in pushes if push.id in first]
