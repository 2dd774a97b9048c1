"""Who is let in, and who it is: asked by every page.

Invariant: whatever is not listed here as open to all wants a session, also what is added later.
Before there is an administrator, every page leads to the first visit.
"""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect.admin.context import PATH, asked, desk, see
from mmconnect.admin.cookies import session_cookie
from mmconnect.admin.flash import say
from mmconnect.desk.desk import Actor
from mmconnect.desk.entry import Standing, Visitor
from mmconnect.store.accounts import Session
from mmconnect.web.asked import client_of

STANDING = web.RequestKey("standing", Standing)

LIVE = "X-Live"
"""The header by which a page renews itself: nobody has come, so nobody stays longer for it."""
_MACHINES = ("/static", "/healthz", "/readyz", "/metrics", "/ca.crt", "/v1")
"""Open to all, or with keys of their own, and never a page for somebody: nobody is looked up."""
_OPEN = ("/setup", "/login", "/docs")
"""Pages for those who are not in (yet); whoever is sees them as such."""
_OWN = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")
"""A path with its query, as it stands in a header: ASCII without blanks."""


@web.middleware
async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look who it is, and lead whoever is not in to the door."""
    path = request[PATH]
    if _is_below(path, _MACHINES):
        return await handler(request)
    cookie, address = session_cookie(request), client_of(request).address
    visit = LIVE not in request.headers
    standing = await desk(request).entry.look(cookie, address, visit=visit)
    request[STANDING] = standing
    if _is_below(path, _OPEN) or standing.session is not None:
        return await handler(request)
    if not standing.is_set_up:
        return see(request, "/setup")
    if request.method in ("GET", "HEAD"):
        return see(request, "/login", next="" if path == "/" else asked(request))
    return say(
        request,
        see(request, "/login"),
        "You were logged out meanwhile, so nothing was changed. Log in, then do it again.",
        kind="warn",
    )


def session(request: web.Request) -> Session:
    """The session that a page is for; there is one wherever let_in() has asked for it."""
    standing: Standing | None = request.get(STANDING)
    if standing is None or standing.session is None:
        raise web.HTTPForbidden(text="This page is for whoever is logged in.")
    return standing.session


def visitor(request: web.Request) -> Visitor:
    """Who asks, for entry and throttle."""
    return Visitor(address=client_of(request).address, agent=request.headers.get("User-Agent", ""))


def actor(request: web.Request) -> Actor:
    """Who asks, for the audit."""
    return Actor(name="admin", address=client_of(request).address)


def inside(request: web.Request) -> bool:
    """Whether the page is for somebody who is logged in: only then it has a navigation."""
    standing: Standing | None = request.get(STANDING)
    return standing is not None and standing.session is not None


def own_path(text: str) -> str:
    """Where to go on, if that is a page of ours; else the overview. Never another site.

    Browsers read `\\` as `/`, and leave tabs and line ends out: none of them may be in it.
    """
    return text if _OWN.fullmatch(text) else "/"


def _is_below(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
