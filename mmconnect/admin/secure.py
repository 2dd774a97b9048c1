"""HTTPS on the admin side: plain pages lead there once it is served, and the CA can be fetched.

Machines are left alone: probes, metrics and the API answer where they are asked, and so does what a
browser needs before it trusts the certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect.admin.context import PATH
from mmconnect.web.forwarded import by_proxy
from mmconnect.web.https import AUTHORITY_HEADERS, AUTHORITY_TYPE, NO_AUTHORITY, location


@dataclass(frozen=True, slots=True, kw_only=True)
class Secure:
    """What the admin side has to know of HTTPS, asked at every request."""

    port: Callable[[], int | None] = lambda: None
    """Its own port for HTTPS; None while there is none."""
    authority: Callable[[], bytes | None] = lambda: None
    """The certificate (PEM) that browsers and phones are to trust; None when there is none."""


SECURE = web.AppKey("secure", Secure)

_STAYS = ("/healthz", "/readyz", "/metrics", "/v1", "/static", "/ca.crt")
"""Answered over plain HTTP, too, with everything below."""


@web.middleware
async def lead_to_https(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Redirect pages that were asked for over plain HTTP.

    Not by a proxy: it may be the one who speaks HTTPS with the browser, and would go in circles.
    Never for good (301, 308): a browser would remember it when HTTPS is gone.
    """
    port = request.app[SECURE].port()
    asked = request[PATH]
    stays = any(asked == path or asked.startswith(f"{path}/") for path in _STAYS)
    if port is None or request.secure or stays or by_proxy(request.headers):
        return await handler(request)
    to = location(request.headers.get("Host", ""), port, request.raw_path)
    if to is None:
        return await handler(request)
    raise web.HTTPTemporaryRedirect(to)


async def certificate(request: web.Request) -> web.Response:
    """`GET /ca.crt`."""
    pem = request.app[SECURE].authority()
    if pem is None:
        return web.Response(
            status=404,
            text=NO_AUTHORITY,
        )
    return web.Response(body=pem, content_type=AUTHORITY_TYPE, headers=AUTHORITY_HEADERS)
