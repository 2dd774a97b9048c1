"""Reading a request's body within bounds of size, time and memory."""

from __future__ import annotations

import asyncio

from mmconnect.web.http import Request

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

    async def read(self, request: Request) -> bytes:
        """The whole body. Raises TooLarge, TooSlow or Broken."""
        content = request.content
        if content.is_eof():  # a text: it came with its headers
            return content.read_nowait()
        if int(request.headers.get("Content-Length", 0)) > LIMIT:
            raise TooLarge
        if request.headers.get("Expect", "").lower() == "100-continue":
            request.send_continue()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._rest(request)
        except TimeoutError:
            raise TooSlow from None

    async def _rest(self, request: Request) -> bytes:
        parts, size, large = [], 0, False
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
