"""The check-up of a receiver: run by a person, its findings with what to do about each."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.pages.endpoints.views import ID, at, looked, show
from mmconnect.desk.checkups import Reports

TITLES = {
    "signed": "A signed text is taken",
    "repeated": "The same id a second time does no harm",
    "forged": "A wrongly signed text is refused",
    "quick": "It answers in time",
    "current": "It knows the current secret",
    "previous": "The previous secret",
}

REPORTS = web.AppKey("reports", Reports)


async def _page(request: web.Request) -> web.Response:
    seen = await looked(request)
    report = request.app[REPORTS].get(seen.endpoint.id)
    return show(request, "check.html", seen, "check", report=report, titles=TITLES)


async def _run(request: web.Request) -> web.StreamResponse:
    seen = await looked(request)
    await request.app[REPORTS].make(desk(request), seen.endpoint)
    return see(request, at(seen.endpoint.id, "check"))


ROUTES = (
    web.get(f"/endpoints/{ID}/check", _page),
    web.post(f"/endpoints/{ID}/check", _run),
)
