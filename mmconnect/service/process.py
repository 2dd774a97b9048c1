"""What the process needs around its work: tasks beside it, and open files enough."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any


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


def raise_file_limit() -> None:
    """As many open files as the system allows: every phone and receiver is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
