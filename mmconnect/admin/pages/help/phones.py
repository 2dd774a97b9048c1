"""/help/phones: which app, and how each is set up, with this machine's addresses."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page
from mmconnect.desk import guiding


async def _phones(request: web.Request) -> web.Response:
    return page(request, "help/phones.html", area="help", kinds=guiding.by_kind())


async def _guide(request: web.Request) -> web.Response:
    around = desk(request).around()
    guide = guiding.guide(request.match_info["name"], around)
    return page(
        request,
        "help/phone.html",
        area="help",
        guide=guide,
        stands_for=guiding.STANDS_FOR,
        no_https=guide.needs_https and not around.bases.https,
    )


ROUTES = (web.get("/help/phones", _phones), web.get("/help/phones/{name}", _guide))
