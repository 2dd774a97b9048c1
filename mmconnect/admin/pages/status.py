"""How the service is, in a few sentences."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page


async def _status(request: web.Request) -> web.Response:
    status = desk(request).status
    return page(
        request,
        "status.html",
        area="overview",
        problems=(await status.ready()).problems,
        idle=status.idle,
        warnings=status.warnings,
        devices=status.devices,
        endpoints=status.endpoints,
    )


ROUTES = (web.get("/", _status),)
