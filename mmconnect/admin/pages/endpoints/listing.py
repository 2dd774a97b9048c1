"""All endpoints, how each of them is, and in which order."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.forms import read
from mmconnect.admin.pages.endpoints.views import ID, asked, views
from mmconnect.admin.render import page
from mmconnect.desk import endpoints


async def _list(request: web.Request) -> web.Response:
    return page(
        request,
        "endpoints/list.html",
        area="endpoints",
        views=await desk(request).figures.read(views),
        ordering="order" in request.query,
    )


async def _move(request: web.Request) -> web.StreamResponse:
    up = (await read(request)).get("way") == "up"
    await desk(request).change(lambda db: endpoints.move(db, asked(request), up=up))
    return see(request, "/endpoints", order="1")


ROUTES = (
    web.get("/endpoints", _list),
    web.post(f"/endpoints/{ID}/move", _move),
)
