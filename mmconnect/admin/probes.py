"""What machines ask the admin listener: is it alive, is it well, how many of everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.web.forwarded import asked_from_here

SCRAPE: web.AppKey[Callable[[], Awaitable[bytes]]] = web.AppKey("scrape")

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""


async def _health(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.Response:
    ready = await desk(request).status.ready()
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


ROUTES = (
    web.get("/healthz", _health),
    web.get("/readyz", _ready),
    web.get("/metrics", _metrics),
)
