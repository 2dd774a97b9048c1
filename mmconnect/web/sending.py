"""A file of any size as an answer, a piece at a time, so that memory does not grow with it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from mmconnect.domain.errors import Refused

log = logging.getLogger(__name__)

CHUNK = 256 * 1024


async def send(
    request: web.Request,
    file: Path,
    name: str,
    over: Callable[[], Awaitable[None]],
    *,
    media: str = "application/octet-stream",
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Hand a file over, to be saved by that name; it may be removed meanwhile.

    `over` is called when all of it has gone out; whoever hangs up before is no error. Raises
    Refused, before the answer has begun, where the file cannot be read.
    """
    try:
        copy = await asyncio.to_thread(file.open, "rb")
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror or error}") from error
    with copy:
        answer = web.StreamResponse(
            headers={
                "Content-Type": media,
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(os.fstat(copy.fileno()).st_size),
                **(headers or {}),
            }
        )
        await answer.prepare(request)
        try:
            while part := await asyncio.to_thread(_read, copy):
                await answer.write(part)
            await answer.write_eof()
        except ConnectionError:
            if request.transport is not None:
                request.transport.abort()
            return answer
    await over()
    return answer


def _read(copy: BinaryIO) -> bytes:
    try:
        return copy.read(CHUNK)
    except OSError as error:
        # the connection ends, so that nobody takes half of it for all
        log.warning("A file that was being handed over can no longer be read: %s", error)
        raise ConnectionAbortedError from error
