"""/help/troubleshooting: by what somebody notices, what to look at first."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.render import page
from mmconnect.admin.trouble import SYMPTOMS


async def _trouble(request: web.Request) -> web.Response:
    return page(request, "help/trouble.html", area="help", symptoms=SYMPTOMS)


ROUTES = (web.get("/help/troubleshooting", _trouble),)
