"""What can be wrong with the answers of a simulated phone: late, never, nonsense, without end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

JUNK = b"<html><body>Welcome to your router</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to the local server."""

    method: str
    path: str
    query: Mapping[str, str]
    auth: str
    """`Basic`, `Bearer`, or nothing."""
    status: int | None
    """None: no proper answer."""


@dataclass(slots=True)
class Trouble:
    """Set by a test at any time; `only` narrows it to paths (a regular expression)."""

    latency: float = 0.0
    """Seconds before every answer."""
    until: Callable[[], object] | None = None
    """No answer before this is so."""
    hang: bool = False
    """No answer, ever."""
    reset: bool = False
    """The connection breaks instead of an answer."""
    garbage: bytes | None = None
    """A 200 with this instead; JUNK is a page."""
    oversized: int = 0
    """A 200 with JSON of so many bytes."""
    status: int = 0
    """An answer with this status, and no body."""
    cut: bool = False
    """The connection breaks in the middle of the answer."""
    only: str = ".*"
    times: int | None = None
    """How many requests it befalls; None: all."""
    hit: int = field(default=0)
    """How many it befell."""

    def clear(self) -> None:
        fresh = Trouble()
        for name in Trouble.__slots__:
            setattr(self, name, getattr(fresh, name))

    async def serve(
        self,
        request: web.BaseRequest,
        kept: list[Asked],
        proper: Callable[[web.BaseRequest], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        """The proper answer, or what is to happen instead of it."""
        status: int | None = None
        try:
            answer = await self._answer(request, proper)
            status = answer.status
            return answer
        finally:
            scheme = request.headers.get("Authorization", "").partition(" ")[0]
            kept.append(
                Asked(
                    method=request.method,
                    path=request.path,
                    query=dict(request.query),
                    auth=scheme,
                    status=status,
                )
            )

    async def _answer(
        self,
        request: web.BaseRequest,
        proper: Callable[[web.BaseRequest], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        if not self._befalls(request.path):
            return await proper(request)
        await asyncio.sleep(self.latency)
        while self.until is not None and not self.until():  # noqa: ASYNC110 (anything may be waited for)
            await asyncio.sleep(0.005)
        if self.hang:
            await asyncio.sleep(3600)
        if self.reset:
            _break(request)
            raise ConnectionResetError
        if self.garbage is not None:
            return web.Response(body=self.garbage, content_type="text/html")
        if self.oversized:
            return await _flood(request, self.oversized)
        if self.status:
            return web.Response(status=self.status)
        answer = await proper(request)
        return await _half(request, answer) if self.cut else answer

    def _befalls(self, path: str) -> bool:
        if not re.fullmatch(self.only, path) or (self.times is not None and self.times <= 0):
            return False
        if self.times is not None:
            self.times -= 1
        self.hit += 1
        return True


def _break(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _flood(request: web.BaseRequest, size: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = size
    await response.prepare(request)
    await response.write(b"[")
    left, block = size - 2, b" " * 65536
    while left > 0:
        await response.write(block[:left])
        left -= len(block)
    await response.write(b"]")
    await response.write_eof()
    return response


async def _half(request: web.BaseRequest, answer: web.Response) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) else b""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _break(request)
    raise ConnectionResetError
