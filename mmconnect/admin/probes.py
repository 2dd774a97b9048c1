"""What machines ask the admin listener: is it alive, is it well, how many of everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.desk import keys
from mmconnect.desk.keys import Scope
from mmconnect.web.asked import client_of
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
    """To this machine itself, or for a key that may read them."""
    if not asked_from_here(request.remote, request.headers):
        secret = keys.bearer(request.headers.get("Authorization"))
        if secret is None:
            return _refused(
                401,
                "Metrics are told to this machine itself (http://127.0.0.1, without a proxy in"
                " between), or for an API key (Authorization: Bearer sk_live_…). Make one with"
                " `mmconnect api-key create --name Prometheus --scope metrics`.",
            )
        shown = await desk(request).keys.show(secret, client_of(request).address)
        if shown.key is None:
            if shown.wait:
                return _refused(429, "Too many keys that are not good. Wait.", shown.wait)
            return _refused(401, "This API key is not good: unknown, revoked, or ended.")
        if not shown.key.scopes & {Scope.METRICS, Scope.READ}:
            return _refused(403, "This API key may neither read nor ask for metrics.")
    body = await request.app[SCRAPE]()
    return web.Response(body=body, headers={"Content-Type": METRICS_TYPE})


def _refused(status: int, sentence: str, wait: float = 0.0) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if wait:
        headers["Retry-After"] = str(round(wait))
    return web.Response(status=status, text=f"{sentence}\n", headers=headers)


ROUTES = (
    web.get("/healthz", _health),
    web.get("/readyz", _ready),
    web.get("/metrics", _metrics),
)
