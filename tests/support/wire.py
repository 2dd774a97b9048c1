"""HTTP by hand for tests that push: requests as bytes, so that nothing is put right on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


def request(
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    method: str = "POST",
    chunks: int = 0,
    version: str = "1.1",
    close: bool = True,
    host: str = "127.0.0.1",
) -> bytes:
    """A request's bytes; `chunks`: chunked, in pieces of that size."""
    lines = [f"{method} {target} HTTP/{version}"]
    if version == "1.1":
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if chunks:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(chunk(body[i : i + chunks]) for i in range(0, len(body), chunks))
        body += b"0\r\n\r\n"
    elif body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Line:
    """One connection to a server, requests and answers by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, deadline: float = 60.0, *, head: bool = False) -> Told:
        """The next answer; `head`: it has no body whatever it says."""
        async with asyncio.timeout(deadline):
            raw = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
            status = int(first.split(" ")[1])
            if head or status in (100, 204):
                return Told(status, headers, b"")
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = await self.reader.read()
            return Told(status, headers, body)

    async def at_end(self, deadline: float = 45.0) -> bool:
        """Whether the server closes the connection without another word."""
        async with asyncio.timeout(deadline):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        self.writer.close()


async def ask(port: int, data: bytes, *, deadline: float = 60.0) -> Told:
    """One request on a connection of its own."""
    line = await Line.open(port)
    try:
        await line.send(data)
        return await line.answer(deadline, head=data.startswith(b"HEAD "))
    finally:
        line.close()


async def in_pieces(port: int, pieces: Iterable[bytes], pause: float) -> Told:
    """One request, written piece by piece."""
    line = await Line.open(port)
    try:
        for piece in pieces:
            await line.send(piece)
            await asyncio.sleep(pause)
        return await line.answer()
    finally:
        line.close()
