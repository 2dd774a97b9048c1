"""The door: who is let in, and where whoever is not is led.

Invariant: whatever is not listed here as open to all wants a session, also what is added later.
Before there is an administrator, every page leads to the first visit.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect.admin.context import PATH, asked, desk, see
from mmconnect.admin.cookies import session_cookie
from mmconnect.admin.entrance import STANDING
from mmconnect.admin.flash import say
from mmconnect.admin.render import page
from mmconnect.web.asked import client_of
from mmconnect.web.hosts import is_link

LIVE = "X-Live"
"""The header by which a page renews itself: nobody has come, so nobody stays longer for it."""
_MACHINES = ("/static", "/healthz", "/readyz", "/metrics", "/ca.crt", "/v1")
"""Open to all, or with keys of their own, and never a page for somebody: nobody is looked up."""
_OPEN = ("/setup", "/login", "/docs")
"""Pages for those who are not in (yet); whoever is sees them as such."""


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
    if request.method == "GET" and is_link(request.headers, client_of(request).host):
        return page(request, "account/again.html", again=asked(request))
    if request.method in ("GET", "HEAD"):
        return see(request, "/login", next="" if path == "/" else asked(request))
    return say(
        request,
        see(request, "/login"),
        "You were logged out meanwhile, so nothing was changed. Log in, then do it again.",
        kind="warn",
    )


def _is_below(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
