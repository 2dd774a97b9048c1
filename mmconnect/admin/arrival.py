"""What every request of the admin side goes through before anybody asks whose it is.

First who asks (behind trusted proxies) and what for (without the base path); then whether it was
really meant for us: by one of our names, against DNS rebinding, and, when it changes something,
from a page of our own, against forgery.
"""

from __future__ import annotations

import re
import socket

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect.admin.base_path import without
from mmconnect.admin.context import BASE, PATH, desk
from mmconnect.admin.cookies import session_cookie
from mmconnect.admin.render import page
from mmconnect.desk.proxies import UntrustedProxies
from mmconnect.web.asked import CLIENT, client_of
from mmconnect.web.forwarded import client, networks
from mmconnect.web.hosts import is_forged, is_own

PROXIES = web.AppKey("proxies", UntrustedProxies)

_ANY_HOST = ("/healthz", "/readyz", "/v1", "/static")
"""Asked by machines, under whatever name. What is below /v1 wants a key, which no page that only
pretends to be ours has. Styles tell nothing, and the page that refuses a name needs them."""
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)
"""What can be shown as a word of a command line."""
_SAFE = ("GET", "HEAD", "OPTIONS")


def below(path: str, *tops: str) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path == top or path.startswith(f"{top}/") for top in tops)


@web.middleware
async def arrive(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note who asks, and for what."""
    preferences = desk(request).look().preferences
    base = preferences.base_path or ""
    request[BASE] = base
    request[PATH] = without(request.path, base)
    request[CLIENT] = found = client(
        request.remote,
        request.headers,
        secure=request.secure,
        trusted=networks(preferences.trusted_proxies),
    )
    if found.untrusted is not None:
        request.app[PROXIES].noticed(found.untrusted)
    return await handler(request)


@web.middleware
async def meant_for_us(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what was asked under a name that is not ours."""
    host = client_of(request).host
    more = desk(request).look().preferences.allowed_hosts
    if below(request[PATH], *_ANY_HOST) or is_own(host, socket.gethostname(), more):
        return await handler(request)
    name = host.partition(":")[0].lower()
    return page(
        request,
        "unknown_host.html",
        status=421,  # RFC 9110, 15.5.20: not for the authority that was asked
        name=name if _NAME.fullmatch(name) else None,
        names=",".join([*more, name]),
    )


@web.middleware
async def from_our_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what would change something and was sent by another site's page."""
    if request.method not in _SAFE and not below(request[PATH], "/v1"):
        known = session_cookie(request) is not None
        if is_forged(request.headers, client_of(request).host, known=known):
            return page(
                request,
                "error.html",
                status=403,
                title="This did not come from a page of mmconnect",
                sentence="Nothing was changed. Your browser says that another site's page has sent"
                " it, or does not say which. Open the page here, and use its own button. Behind a"
                " reverse proxy: it has to pass the browser's Host on, or be trusted (Settings).",
            )
    return await handler(request)
