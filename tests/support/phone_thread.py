"""A loop on a thread of its own, for simulated phones that are used by plain calls."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.support.loops import ended

Made = TypeVar("Made")
FOREVER = 60.0
"""Seconds after which a wait in a test has failed."""


class LoopThread:
    """Work is done in the loop while it runs, and right here while it doesn't."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name=self._name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            self._loop = self._thread = None
            asyncio.run_coroutine_threadsafe(ended(), loop).result(FOREVER)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def do(self, work: Coroutine[Any, Any, Made]) -> Made:
        if self._loop is None:
            return asyncio.run(work)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(FOREVER)

    def call(self, work: Callable[[], Made]) -> Made:
        """A plain function, where nothing else of the phone runs meanwhile."""

        async def inside() -> Made:
            return work()

        return work() if self._loop is None else self.do(inside())


def until(met: Callable[[], Any], deadline: float = FOREVER) -> None:
    """Wait, in a test that is no coroutine."""
    begun = time.monotonic()
    while not met():
        assert time.monotonic() - begun < deadline, f"not met in {deadline} s"
        time.sleep(0.005)
