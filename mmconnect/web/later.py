"""Runs a site that is made when it is asked for the first time.

The pages take a third of the start and several megabytes, and most days nobody looks at them. They
are loaded in a thread of their own, so texts go on meanwhile; whoever asks first waits for it.
While an upgrade is being installed, their files may be another version's: then that is said.
Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mmconnect import paths

log = logging.getLogger(__name__)

LARGEST_FORM = 256 * 1024
"""Bytes that the body of a request may have: a pasted sample of a push is the largest."""

UPGRADING = (
    "Another version of mmconnect was just installed, and this page does not go with it any more."
    " Texts go on. mmconnect starts anew when the installation is done: try again in a minute."
    " If it stays like this: sudo systemctl restart mmconnect"
)


class LateRunner(web.BaseRunner):
    """As `web.AppRunner`, for an application that is not there yet."""

    def __init__(
        self, make: Callable[[], web.Application], made: Callable[[], None], **how: Any
    ) -> None:
        """`make` runs in a thread; `made` is called on the loop once the site is there. When it
        cannot be made, the request fails and the next one tries again. `how`: as aiohttp's runners
        take it."""
        super().__init__(**how)
        self._make, self._made = make, made
        self._site: web.AppRunner | None = None
        self._one_at_a_time = asyncio.Lock()

    async def _make_server(self) -> web.Server:
        loop = asyncio.get_running_loop()

        def request(message: Any, payload: Any, line: Any, out: Any, task: Any) -> web.Request:
            return web.Request(
                message, payload, line, out, task, loop, client_max_size=LARGEST_FORM
            )

        return web.Server(self._answer, request_factory=request, **self._kwargs)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not isinstance(request, web.Request):
            raise TypeError("The server makes other requests than it was told")
        try:
            site = self._site or await self._there()
            return await site.app._handle(request)  # what its own server would call
        except web.HTTPException:
            raise
        except Exception:
            if not paths.replaced() or request.writer.output_size:  # half of an answer went out
                raise
            log.warning("A page failed: another version of mmconnect was installed", exc_info=True)
            return web.Response(status=503, headers={"Retry-After": "10"}, text=f"{UPGRADING}\n")

    async def _there(self) -> web.AppRunner:
        async with self._one_at_a_time:
            if self._site is None:
                site = web.AppRunner(await asyncio.to_thread(self._make))
                await site.setup()  # what has to be done at its startup
                self._site = site
                self._made()
            return self._site

    async def shutdown(self) -> None:
        """Nothing yet: the site ends with all the rest of it."""

    async def _cleanup_server(self) -> None:
        if self._site is not None:
            await self._site.cleanup()
