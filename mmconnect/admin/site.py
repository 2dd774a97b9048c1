"""The admin listener: probes for machines, and a plain status page for people.

Tells nobody who asks more than that mmconnect is here and whether it is well.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect import __version__, paths
from mmconnect.admin.secure import SECURE, Secure, certificate, lead_to_https
from mmconnect.admin.status import Status
from mmconnect.web.forwarded import asked_from_here
from mmconnect.web.markup import with_code

log = logging.getLogger(__name__)

STATUS = web.AppKey("status", Status)
SCRAPE: web.AppKey[Callable[[], Awaitable[bytes]]] = web.AppKey("scrape")
TEMPLATES = web.AppKey("templates", jinja2.Environment)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none';"
    " base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "mmconnect",
}


def make_site(
    status: Status, scrape: Callable[[], Awaitable[bytes]], secure: Secure | None = None
) -> web.Application:
    """The application behind the admin address; `scrape` gives the metrics as text."""
    app = web.Application(middlewares=[_told_errors, lead_to_https])
    app[SECURE] = secure or Secure()
    app[STATUS] = status
    app[SCRAPE] = scrape
    app[TEMPLATES] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.resource_root() / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    app[TEMPLATES].filters["with_code"] = with_code
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/healthz", _health),
            web.get("/readyz", _ready),
            web.get("/metrics", _metrics),
            web.get("/ca.crt", certificate),
            web.static("/static", paths.resource_root() / "static"),
        ]
    )
    app.on_response_prepare.append(_secure)
    return app


@web.middleware
async def _told_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An error of ours is logged without the request, and answered in a sentence."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("A page failed")
        return web.Response(status=500, text="Something went wrong; the log says what.\n")


async def _health(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.Response:
    ready = await request.app[STATUS].ready()
    return web.json_response(
        {"ready": not ready.problems, "problems": ready.problems},
        status=503 if ready.problems else 200,
    )


async def _metrics(request: web.Request) -> web.Response:
    if not asked_from_here(request.remote, request.headers):
        return web.Response(
            status=401,
            text="Metrics are told to this machine alone: ask http://127.0.0.1 on it, without a"
            " proxy in between.\n",
        )
    body = await request.app[SCRAPE]()
    return web.Response(body=body, headers={"Content-Type": METRICS_TYPE})


async def _page(request: web.Request) -> web.Response:
    status = request.app[STATUS]
    page = request.app[TEMPLATES].get_template("status.html")
    html = page.render(
        version=__version__,
        problems=(await status.ready()).problems,
        idle=status.idle,
        warnings=status.warnings,
        devices=status.devices,
        endpoints=status.endpoints,
    )
    return web.Response(text=html, content_type="text/html")


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY)
