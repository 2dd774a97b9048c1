"""Reading a request's body within bounds of size, time and memory."""

from __future__ import annotations

import asyncio

from aiohttp import web

LIMIT = 10 * 2**20
"""Bytes: an MMS with its pictures as base64 fits; more is answered with 413."""
PATIENCE = 30.0
"""Seconds that a body may take to arrive."""
LARGE = 256 * 2**10
_LARGE_AT_ONCE = 4


class TooLarge(Exception):
    """The body is larger than 10 MiB."""


class TooSlow(Exception):
    """The body did not arrive within 30 s."""


class Broken(Exception):
    """The connection ended in mid-body, or the body is not what its headers say."""


class BodyReader:
    """Reads bodies; only a few large ones are in memory at the same time."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def read(self, request: web.BaseRequest) -> bytes:
        """The whole body. Raises TooLarge, TooSlow or Broken."""
        try:
            return await self._read(request)
        except (ConnectionError, web.RequestPayloadError) as error:
            raise Broken from error

    async def _read(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > LIMIT:
            raise TooLarge
        content = request.content
        start = content.read_nowait()
        if content.at_eof():  # a text: it came with its headers
            return start
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._rest(request, start)
        except TimeoutError:
            raise TooSlow from None

    async def _rest(self, request: web.BaseRequest, start: bytes) -> bytes:
        parts, size, large = [start], len(start), False
        try:
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > LIMIT:
                    raise TooLarge
                if size > LARGE and not large:
                    large = await self._large.acquire()
                parts.append(chunk)
        finally:
            if large:
                self._large.release()
        return b"".join(parts)
