"""/help/troubleshooting: by what somebody notices, what to look at first."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import upkeep
from mmconnect.admin.context import desk
from mmconnect.admin.render import page
from mmconnect.admin.trouble import SYMPTOMS


async def _trouble(request: web.Request) -> web.Response:
    here = upkeep.here(desk(request).directory)
    return page(
        request,
        "help/trouble.html",
        area="help",
        symptoms=SYMPTOMS,
        typed=lambda command: upkeep.filled(command, here),
    )


ROUTES = (web.get("/help/troubleshooting", _trouble),)
