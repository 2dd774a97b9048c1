"""The admin site put together: middlewares, routes, static files, and the API beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect import paths
from mmconnect.admin import assets
from mmconnect.admin.arrival import PROXIES, arrive, from_our_pages, meant_for_us
from mmconnect.admin.base_path import Router
from mmconnect.admin.context import DESK, PATH
from mmconnect.admin.errors import told_errors
from mmconnect.admin.flash import FLASHES, Flashes
from mmconnect.admin.gate import let_in
from mmconnect.admin.just_made import JUST_MADE, JustMade
from mmconnect.admin.pages.endpoints.check import REPORTS
from mmconnect.admin.pages.phones.pairing import INVITATIONS, Invitations
from mmconnect.admin.probes import SCRAPE
from mmconnect.admin.render import TEMPLATES, environment
from mmconnect.admin.routes import ROUTES
from mmconnect.admin.secure import SECURE, Secure, lead_to_https
from mmconnect.desk.checkups import Reports
from mmconnect.desk.desk import Desk
from mmconnect.desk.proxies import UntrustedProxies
from mmconnect.web.asked import client_of
from mmconnect.web.discretion import say_no_version
from mmconnect.web.later import LARGEST_FORM

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Server": "mmconnect",
}
_OVER_HTTPS = {"Cross-Origin-Opener-Policy": "same-origin"}
"""What browsers take from no other page, and complain of there."""


def make_site(
    desk: Desk,
    scrape: Callable[[], Awaitable[bytes]],
    secure: Secure | None = None,
    more: Callable[[web.Application], None] = lambda site: None,
) -> web.Application:
    """The application behind the admin address.

    `scrape` gives the metrics as text; `more` adds what is no page: the API, with its own keys.
    """
    say_no_version()
    app = web.Application(
        middlewares=[arrive, told_errors, meant_for_us, lead_to_https, from_our_pages, let_in],
        client_max_size=LARGEST_FORM,
    )
    app._router = Router(lambda: desk.look().preferences.base_path or "")  # no other way since 3.8
    app[PROXIES] = UntrustedProxies(desk.clock, desk.look)
    desk.status.also = app[PROXIES].warnings
    app[SECURE] = secure or Secure()
    app[DESK] = desk
    app[SCRAPE] = scrape
    app[FLASHES] = Flashes()
    app[INVITATIONS] = Invitations()
    app[JUST_MADE] = JustMade(desk.clock)
    app[REPORTS] = Reports()
    app[TEMPLATES] = environment()
    app.add_routes(ROUTES)
    app.router.add_static("/static", paths.resource_root() / "static")
    more(app)
    app.on_response_prepare.append(_secure)
    return app


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    cached = assets.caching(request, request.get(PATH, request.path), response.status)
    if cached is not None:
        response.headers["Cache-Control"] = cached
    https = client_of(request).scheme == "https"
    for name, value in (_SECURITY | _OVER_HTTPS if https else _SECURITY).items():
        if name not in response.headers or name in ("Server", "Content-Security-Policy"):
            response.headers[name] = value
