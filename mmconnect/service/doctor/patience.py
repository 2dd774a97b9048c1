"""Waiting for what may never come back, a hung disk say, without hanging along with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, function: Callable[[], T]) -> T:
    """What `function` returns, from a thread that may be left behind. Raises what it raises, and
    TimeoutError after `seconds`.

    The thread keeps no process from ending, as those of asyncio's own pool would.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if waiter.done():
            return
        if error is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(result)  # type: ignore[arg-type]  # None only where T allows it

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=work, name="doctor", daemon=True).start()
    async with asyncio.timeout(seconds):
        return await waiter
