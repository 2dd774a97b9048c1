"""The browsers that are logged in, and how to log them out."""

from __future__ import annotations

import re

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.cookies import take
from mmconnect.admin.entrance import session
from mmconnect.admin.flash import say
from mmconnect.admin.render import page
from mmconnect.admin.settings import TABS
from mmconnect.admin.words import many
from mmconnect.web.asked import client_of

_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(Firefox|FxiOS)/"),
    ("Chrome", r"(Chrome|CriOS)/"),
    ("Safari", r"Safari/"),
    ("curl", r"curl/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X"),
    ("Linux", r"Linux"),
)


def browser(agent: str | None) -> str:
    """A browser as people call it, by what it calls itself: `Firefox on Linux`."""
    name = next((name for name, mark in _BROWSERS if re.search(mark, agent or "")), None)
    system = next((name for name, mark in _SYSTEMS if re.search(mark, agent or "")), None)
    if name is None:
        return "A browser" if system is None else f"A browser on {system}"
    return name if system is None else f"{name} on {system}"


async def _list(request: web.Request) -> web.StreamResponse:
    found = await desk(request).entry.sessions()
    mine = session(request).id
    found.sort(key=lambda one: one.id != mine)
    return page(
        request,
        "account/sessions.html",
        area="settings",
        tabs=TABS,
        mine=mine,
        sessions=[(one, browser(one.user_agent)) for one in found],
    )


async def _end(request: web.Request) -> web.StreamResponse:
    ended, address = request.match_info["id"], client_of(request).address
    found = await desk(request).entry.end(ended, address)
    if ended == session(request).id:
        answer = say(request, see(request, "/login"), "You are logged out.")
        take(request, answer)
        return answer
    told = "That browser is logged out." if found else "That browser was logged out already."
    return say(request, see(request, "/settings/sessions"), told)


async def _end_others(request: web.Request) -> web.StreamResponse:
    count = await desk(request).entry.end_others(session(request), client_of(request).address)
    told = many(count, "browser is logged out.", "browsers are logged out.")
    return say(request, see(request, "/settings/sessions"), told)


ROUTES = (
    web.get("/settings/sessions", _list),
    web.post("/settings/sessions/end-others", _end_others),
    web.post("/settings/sessions/{id}/end", _end),
)
