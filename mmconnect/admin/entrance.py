"""Who is let in, and who it is: asked by every page."""

from __future__ import annotations

from aiohttp import web

from mmconnect.desk.desk import Actor


def actor(request: web.Request) -> Actor:
    """Who asks, for the audit."""
    return Actor(name="admin", address=request.remote)


def inside(request: web.Request) -> bool:
    """Whether the page is for somebody who is logged in: only then it has a navigation."""
    return True
