"""A replaced token ends by the clock, unless something speaks against that clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from yarl import URL

from mmconnect.phones.listener import Listener
from mmconnect.store.configuration import Entry, digest
from mmconnect.web.http import Request
from tests.store.making import device
from tests.support.clocks import NOW


async def test_a_clock_that_is_doubted_ends_no_token():
    """A phone's app would be refused, and its texts lost, for a jump that may be wrong."""
    old = Entry(device=device(), token="old", expires_at=NOW - 1, replaces=False)
    known: Any = SimpleNamespace(tokens={digest("old"): old})
    trust = True

    async def refresh() -> None:
        return None

    ignored: Any = SimpleNamespace(counts=SimpleNamespace(push_rejected=lambda _: None))
    clock: Any = SimpleNamespace(now=lambda: NOW, monotonic=lambda: 0.0)
    listener = Listener(
        ignored, ignored, ignored, lambda: known, refresh, clock, trusted=lambda: trust
    )

    async def status() -> int:
        request = Request(
            method="GET",
            url=URL("http://mmconnect/in/old"),
            headers={},
            remote="192.168.1.9",
            content=asyncio.StreamReader(),  # type: ignore[arg-type]  # nothing is read of a GET
            send_continue=lambda: None,
        )
        return (await listener.handle(request)).status

    assert await status() == 401
    trust = False
    assert await status() == 200
