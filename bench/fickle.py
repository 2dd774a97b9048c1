"""Receivers that fail and recover at random, in a process of their own; every POST is noted.

The random sequence comes from a seed, so that a run can be had again. A text counts as delivered by
a 200 that was written to its end: not by a drip that was cut off, nor by a hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import re
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

MODES = (
    "ok", "500", "404", "429", "503", "502", "refuse", "hang", "drip", "reset", "slow", "close"
)  # fmt: skip
HEALTHY = (20.0, 120.0)
FAILING = (5.0, 75.0)
"""Seconds that a receiver works, and does not."""


@dataclass(frozen=True, slots=True)
class Post:
    """One POST that came in whole."""

    endpoint: int
    id: str
    sender: str
    text: str
    attempt: int
    at: float
    """Monotonic seconds."""
    status: int
    """What was answered to the end; 0 for none."""


class Fickle:
    """One receiver."""

    def __init__(self, number: int, posts: list[Post]) -> None:
        self.number, self.posts = number, posts
        self.mode = "ok"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def become(self, mode: str) -> None:
        """Behave like that from now on."""
        self.mode = mode
        if mode == "refuse" and self._server is not None:
            self._server.close()
            self._server = None
            for line in list(self._lines):
                line.close()
        elif mode != "refuse" and self._server is None:
            await self.open()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
                body = await reader.readexactly(length)
                at, mode = time.monotonic(), self.mode
                status = 0
                try:
                    status = await self._answer(mode, writer)
                finally:
                    self.posts.append(self._post(head, body, at, status))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._lines.discard(writer)
            writer.close()

    def _post(self, head: bytes, body: bytes, at: float, status: int) -> Post:
        def header(name: bytes) -> str:
            found = re.search(rb"(?i)\r\n" + name + rb": *([^\r]*)", head)
            return found[1].decode() if found else ""

        def field(name: bytes) -> str:
            found = re.search(rb'"' + name + rb'":"([^"]*)"', body)
            return found[1].decode() if found else ""

        return Post(
            self.number,
            header(b"webhook-id"),
            field(b"from"),
            field(b"text"),
            int(header(b"x-mmconnect-attempt") or 0),
            at,
            status,
        )

    async def _answer(self, mode: str, writer: asyncio.StreamWriter) -> int:
        """Do as the mode has it; the status that was answered to the end."""
        if mode == "hang":
            await asyncio.sleep(3600)
        elif mode == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.5)
        elif mode == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return 0
        elif mode == "slow":
            await asyncio.sleep(0.3)
        status = int(mode) if mode.isdigit() else 200
        more = b"Retry-After: 3\r\n" if status in (429, 503) else b""
        if mode == "close":
            more += b"Connection: close\r\n"
        writer.write(b"HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nok" % (status, more))
        await writer.drain()
        if mode == "close":
            writer.close()
        return status


async def _moods(one: Fickle, seed: int, pace: float, calm: asyncio.Event) -> None:
    """Fail and recover until it is to be calm."""
    rng = random.Random(seed * 1000 + one.number)
    while not calm.is_set():
        for mode, (least, most) in (
            ("ok", HEALTHY),
            (rng.choice(MODES[1:]), FAILING),
        ):
            await one.become(mode)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(calm.wait(), pace * rng.uniform(least, most))
                break
    await one.become("ok")


def _run(count: int, seed: int, pace: float, told: Connection) -> None:
    async def work() -> None:
        posts: list[Post] = []
        calm = asyncio.Event()
        all_of_them = [Fickle(n, posts) for n in range(count)]
        for one in all_of_them:
            await one.open()
        told.send([one.port for one in all_of_them])
        loop = asyncio.get_running_loop()
        moods: list[asyncio.Task[None]] = []
        while True:
            asked = await loop.run_in_executor(None, told.recv)
            if asked == "begin":
                moods = [loop.create_task(_moods(one, seed, pace, calm)) for one in all_of_them]
                told.send(None)
            elif asked == "calm":
                calm.set()
                await asyncio.gather(*moods)
                told.send(None)
            elif asked == "modes":
                told.send([one.mode for one in all_of_them])
            elif asked == "delivered":
                told.send(len({(p.endpoint, p.id) for p in posts if p.status == 200}))
            else:
                told.send(posts)

    with contextlib.suppress(EOFError, KeyboardInterrupt):
        asyncio.run(work())


class Receivers:
    """The process, seen from outside."""

    def __init__(self, count: int, seed: int, pace: float = 1.0) -> None:
        """`pace`: shorter spells for shorter runs."""
        processes = multiprocessing.get_context("spawn")
        self._here, there = processes.Pipe()
        self._process = processes.Process(target=_run, args=(count, seed, pace, there), daemon=True)
        self._process.start()
        self.urls = [f"http://127.0.0.1:{port}/hook" for port in self._here.recv()]

    def _ask(self, what: str) -> object:
        self._here.send(what)
        return self._here.recv()

    def begin(self) -> None:
        """Begin to fail now and then."""
        self._ask("begin")

    def calm(self) -> None:
        """Work from now on, all of them."""
        self._ask("calm")

    def modes(self) -> list[str]:
        return self._ask("modes")  # type: ignore[return-value]

    def delivered(self) -> int:
        """How many pairs of text and endpoint have had a 200."""
        return int(self._ask("delivered"))  # type: ignore[call-overload]

    def posts(self) -> Sequence[Post]:
        return self._ask("posts")  # type: ignore[return-value]

    def close(self) -> None:
        self._process.kill()
        self._process.join()
