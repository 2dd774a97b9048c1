"""Time that flows as fast as the work in it lets it: a year of a service's life in minutes.

An event loop over real sockets, threads and processes whose clock goes on by itself only when
nobody has anything to do, straight to whatever is due next; while a thread works, or a process that
somebody waits for, it stands still. Wall clock and monotonic clock go on together, so time flows
and never jumps, as mmconnect sees it. Where nothing is under way it goes on by `stride` seconds at
least: what looks at something every second does so once in a stride, as on a machine that is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import selectors
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pool
from contextvars import Context
from typing import Any

from mmconnect.domain.clock import SystemClock

TURN = 1e-5
"""Seconds that a turn of the loop takes, so that no time stands still for ever."""
A_MOMENT = 0.002
"""Real seconds between two looks at what is on its way."""
PATIENCE = 0.05
"""Real seconds between two looks at whether the threads are through."""
LOST = 500
"""Looks after which what is on its way counts as going nowhere: to an address that is nobody's."""
AT_ONCE = ("writer", "reader")
"""The database's threads, whose work is done at once where it is asked for: time would wait for
them anyway, and to wake them costs more than what they do."""


class FlowingLoop(asyncio.SelectorEventLoop):
    """Its time is seconds since `begun` (UTC ms)."""

    def __init__(self, begun: int, stride: float) -> None:
        self.begun, self.stride = begun, stride
        self.flown = 0.0
        self.talking = 0
        """How many wait for an answer: time goes from one thing to the next, and no further."""
        self.held = 0
        """How many have something to do outside of this loop: time stands still."""
        self.thread = threading.get_ident()
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.flown

    def call_soon_threadsafe(  # type: ignore[override]  # mypy: no *Ts here
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() == self.thread:
            return self.call_soon(callback, *args, context=context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    @property
    def now(self) -> int:
        """UTC ms."""
        return self.begun + round(self.flown * 1000)

    @contextlib.contextmanager
    def talk(self) -> Iterator[None]:
        """Somebody waits for an answer meanwhile."""
        self.talking += 1
        try:
            yield
        finally:
            self.talking -= 1

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        """No time passes meanwhile."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1


class _Selector(selectors.DefaultSelector):
    """Waits for nothing but what is really under way."""

    def __init__(self, loop: FlowingLoop) -> None:
        super().__init__()
        self._flow = loop
        self._lost: set[tuple[int, int]] = set()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        flow = self._flow
        flow.flown += TURN
        while True:
            idle = not (flow.held or _work.under_way or timeout is None)
            found = super().select(0 if idle or timeout == 0 else PATIENCE)
            if found or timeout == 0:
                return list(found)
            if idle:
                break
        # An answer may be on its way to whoever still waits for it, though its sender is through.
        for look in range(LOST + 1):
            going = self._on_their_way()
            if found := super().select(A_MOMENT):
                return list(found)
            if not going - self._lost:
                break
            if look == LOST:
                self._lost = going
        self._lost &= going
        assert timeout is not None
        flow.flown += max(timeout, 0.0 if flow.talking else flow.stride)
        return []

    def _on_their_way(self) -> set[tuple[int, int]]:
        """Sockets with so many bytes that have not arrived at the other end yet (tcp(7))."""
        found = set()
        for key in self.get_map().values():
            with contextlib.suppress(OSError):  # no socket, or one that listens
                (count,) = struct.unpack("i", fcntl.ioctl(key.fd, termios.TIOCOUTQ, bytes(4)))
                if count:
                    found.add((key.fd, count))
        return found


class _Work:
    """What is under way in threads. Counted down only when the loop has been told of its end."""

    def __init__(self) -> None:
        self.under_way = 0
        self._lock = threading.Lock()

    def begins(self) -> None:
        with self._lock:
            self.under_way += 1

    def ends(self) -> None:
        with self._lock:
            self.under_way -= 1


_work = _Work()


def _counted(run: Callable[[], None]) -> Callable[[], None]:
    def work() -> None:
        try:
            run()
        finally:
            _work.ends()

    return work


def flows(loop: FlowingLoop) -> None:
    """From now on all of this process lives by that loop's time, and its threads are heeded."""
    SystemClock.now = lambda self: loop.now  # type: ignore[method-assign]
    SystemClock.monotonic = lambda self: 1000 + loop.flown  # type: ignore[method-assign]
    SystemClock.lived = lambda self: 1000 + loop.flown  # type: ignore[method-assign]
    submit, run, start = ThreadPoolExecutor.submit, pool._WorkItem.run, threading.Thread.start

    def submitted(self: ThreadPoolExecutor, *work: Any, **how: Any) -> Any:
        if self._thread_name_prefix in AT_ONCE and threading.get_ident() == loop.thread:
            future: Future[Any] = Future()
            run(pool._WorkItem(future, work[0], work[1:], how))
            return future
        _work.begins()
        try:
            return submit(self, *work, **how)
        except BaseException:
            _work.ends()
            raise

    def ran(self: Any) -> None:
        try:
            run(self)
        finally:
            _work.ends()

    def started(self: threading.Thread) -> None:
        if getattr(self, "_target", None) is not pool._worker:  # those of pools only wait
            _work.begins()
            self.run = _counted(self.run)  # type: ignore[method-assign]
        start(self)

    ThreadPoolExecutor.submit = submitted  # type: ignore[assignment,method-assign]
    pool._WorkItem.run = ran  # type: ignore[method-assign]
    threading.Thread.start = started  # type: ignore[method-assign]
