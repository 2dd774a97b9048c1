"""The path below which a reverse proxy shows the admin side.

Some proxies take it off before they pass a request on, some do not: both are understood, so it is
taken off when it is there. Links always have it (context.url), as the browser needs it.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo
from yarl import URL


def without(path: str, base: str) -> str:
    """A path as it would be without the base: `/mmconnect/login` is `/login`."""
    if base and path == base:
        return "/"
    return path[len(base) :] if base and path.startswith(f"{base}/") else path


class Router(web.UrlDispatcher):
    """Finds the page for a path with or without the base; the request itself stays as it came."""

    def __init__(self, base: Callable[[], str]) -> None:
        super().__init__()
        self._base = base

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        """The page that a request is for."""
        raw = request.rel_url.raw_path
        inner = without(raw, self._base())
        if inner != raw:
            asked = URL.build(path=inner, query_string=request.query_string, encoded=True)
            request = request.clone(rel_url=asked)
        return await super().resolve(request)
