"""How what takes several reads and writes is lent the database, and waits between them.

Work that would hold up a phone's push is cut into small writes; whoever asks for it says how.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Reader(Protocol):
    """Runs a function on one snapshot of the database: Database.read(), say."""

    async def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> T: ...


class Writer(Protocol):
    """Runs a function in a transaction of its own, and commits it: Desk.change(), say."""

    async def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> T: ...


Pause = Callable[[], Awaitable[None]]
"""Waits between two writes, where that gives others their turn."""
