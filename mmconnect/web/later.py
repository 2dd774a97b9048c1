"""A site that is made when it is asked for the first time.

The pages take a third of the start and several megabytes, and most days nobody looks at them. They
are loaded in a thread of their own, so texts go on meanwhile; whoever asks first waits for it.
Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

LARGEST_FORM = 256 * 1024
"""Bytes that the body of a request may have: a pasted sample of a push is the largest."""


def later(make: Callable[[], web.Application], made: Callable[[], None]) -> web.Application:
    """An application that hands every request to the one of `make()`, which runs in a thread.

    `made` is called on the loop once that is there. When it cannot be made, the request fails and
    the next one tries again.
    """
    site: web.AppRunner | None = None
    one_at_a_time = asyncio.Lock()

    async def there() -> web.Application:
        nonlocal site
        async with one_at_a_time:
            if site is None:
                runner = web.AppRunner(await asyncio.to_thread(make))
                await runner.setup()  # what has to be done at its startup
                site = runner
                made()
            return site.app

    async def answer(request: web.Request) -> web.StreamResponse:
        app = site.app if site is not None else await there()
        return await app._handle(request)  # as its server would: there is no public way

    async def end(_: web.Application) -> None:
        if site is not None:
            await site.cleanup()

    outer = web.Application(client_max_size=LARGEST_FORM)
    outer.router.add_route("*", "/{path:.*}", answer)
    outer.on_cleanup.append(end)
    return outer
