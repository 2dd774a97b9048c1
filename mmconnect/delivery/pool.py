"""Connections that wait for their next request.

Knows nothing of requests. Invariant: bounded, and no connection is handed out that the receiver is
known to have closed, that has idled too long, or that was made under another address rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import NamedTuple

from mmconnect.delivery.http import Connection
from mmconnect.webhook.addresses import AddressRule

KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept."""
PER_DESTINATION = 64
"""An endpoint's usual limit of POSTs at the same time."""
OVERALL = 256


class _Idle(NamedTuple):
    connection: Connection
    rule: AddressRule
    since: float


class Pool:
    """Idle connections by destination, the latest used first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: dict[Hashable, list[_Idle]] = {}
        self._count = 0
        self._sweep_at: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def take(self, key: Hashable, rule: AddressRule) -> Connection | None:
        """A connection that is as good as new, or None."""
        waiting = self._idle.get(key)
        while waiting:
            idle = waiting.pop()
            self._count -= 1
            connection = idle.connection
            if not connection.usable:
                continue
            if idle.rule is rule or idle.rule == rule:
                return connection
            connection.close()
        return None

    def keep(self, key: Hashable, connection: Connection, rule: AddressRule) -> None:
        """Take it back after an answer; it is closed when it is not fit, or one too many."""
        if self._closed or not connection.usable:
            connection.abort()  # there may be more on its way in either direction
            return
        waiting = self._idle.get(key)
        if waiting is None:
            waiting = self._idle[key] = []
        if len(waiting) >= PER_DESTINATION:
            connection.close()
            return
        if self._count >= OVERALL:
            self._drop_oldest()
        waiting.append(_Idle(connection, rule, self._loop.time()))
        self._count += 1
        if self._sweep_at is None:
            self._sweep_at = self._loop.call_later(KEEP_ALIVE, self._sweep)

    def close(self) -> None:
        """Close them all, and keep none from now on."""
        self._closed = True
        if self._sweep_at is not None:
            self._sweep_at.cancel()
        for waiting in self._idle.values():
            for idle in waiting:
                idle.connection.abort()
        self._idle.clear()
        self._count = 0

    def _drop_oldest(self) -> None:
        oldest = min((w for w in self._idle.values() if w), key=lambda waiting: waiting[0].since)
        oldest.pop(0).connection.close()
        self._count -= 1

    def _sweep(self) -> None:
        """Close what has idled too long, forget what is closed, and come back for the rest."""
        self._sweep_at = None
        limit = self._loop.time() - KEEP_ALIVE
        kept: dict[Hashable, list[_Idle]] = {}
        for key, waiting in self._idle.items():
            for idle in waiting:
                if idle.since <= limit:
                    idle.connection.close()
                elif idle.connection.usable:
                    kept.setdefault(key, []).append(idle)
        self._idle = kept
        self._count = sum(len(waiting) for waiting in kept.values())
        if kept:
            oldest = min(waiting[0].since for waiting in kept.values())
            self._sweep_at = self._loop.call_at(oldest + KEEP_ALIVE, self._sweep)
