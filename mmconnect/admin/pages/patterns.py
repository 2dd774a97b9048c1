"""Every component of the pages on one page, so that they can be looked at side by side."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page


async def _patterns(request: web.Request) -> web.Response:
    now = desk(request).clock.now()
    return page(request, "patterns.html", area="help", some=now - 185_000)


ROUTES = (web.get("/patterns", _patterns),)
