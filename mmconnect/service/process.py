"""What the process needs around its work: side tasks, open files enough, and little memory each."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import resource
from asyncio import sslproto
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def background() -> AsyncIterator[Callable[[Coroutine[Any, Any, Any]], None]]:
    """Side tasks that live as long as the service."""
    tasks: set[asyncio.Task[Any]] = set()

    def start(work: Coroutine[Any, Any, Any]) -> None:
        tasks.add(asyncio.create_task(work))

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def frugal() -> None:
    """All of the following, once."""
    raise_file_limit()
    small_tls_buffers()
    share_one_arena()
    give_back_large_blocks()


def raise_file_limit() -> None:
    """As many open files as the system allows: every phone and receiver is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


TLS_BUFFER = 32 * 1024
"""Bytes: room for a TLS record, which has 16 KiB at most (RFC 8446, 5.1), and what comes after."""


def small_tls_buffers() -> None:
    """Give each TLS connection TLS_BUFFER to read into.

    asyncio gives each 256 KiB at once, whatever it sends: 2000 idle ones would be half a gigabyte.
    """
    sslproto.SSLProtocol.max_size = TLS_BUFFER


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def share_one_arena() -> None:
    """Let what one thread has freed be used by all the others.

    glibc gives each thread an arena of its own, up to eight a core, and what is free in one stays
    there: over months half of all that malloc() held was free. SQLite works beside Python's lock,
    but its threads wait for each other too seldom for a burst of texts to be slower.
    """
    _tell_malloc((_M_ARENA_MAX, 1))


LARGE_BLOCK = 4 * 2**20
"""Bytes from which on a block of memory goes back at once: less than the 16 MiB that comparing a
password takes. asyncio takes and frees 256 KiB for each recv(): those have to stay, as mapping them
anew each time costs a text a seventh of its CPU time."""


def give_back_large_blocks() -> None:
    """Let malloc() ask the system for each large block, and give it back when it is free.

    glibc does so until the first one is freed, and keeps blocks of that size from then on: each
    thread that had compared a password held 16 MiB for good.
    """
    # The proportion of the two is the one that glibc keeps by itself.
    _tell_malloc((_M_MMAP_THRESHOLD, LARGE_BLOCK), (_M_TRIM_THRESHOLD, 2 * LARGE_BLOCK))


def _tell_malloc(*options: tuple[int, int]) -> None:
    """glibc alone; other C libraries need no telling."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in options:
            mallopt(name, value)


async def for_ever(interval: float, turn: Callable[[], Awaitable[float | None]], name: str) -> None:
    """Repeat `turn` for ever; it may say after how many seconds, `interval` at most."""
    while True:
        wait: float | None = None
        try:
            wait = await turn()
        except Exception:
            log.exception("%s failed; it is tried again", name)
        await asyncio.sleep(interval if wait is None else min(interval, max(0.1, wait)))
