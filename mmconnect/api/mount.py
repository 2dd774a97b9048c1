"""The API and its page, put into the site behind the admin address.

`/v1` wants a key and has errors of its own; `/docs` is open to whoever reaches the address, as it
tells of mmconnect in general and nothing of this one but where it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from aiohttp import web

from mmconnect.api import docs_page
from mmconnect.api.catalogue import COMPONENTS, OPERATIONS
from mmconnect.api.document import PREFIX, document
from mmconnect.api.site import make_api
from mmconnect.desk.desk import Desk


def mount(
    site: web.Application,
    desk: Desk,
    *,
    address: Callable[[web.Request], str] = lambda request: request.remote or "",
    base: Callable[[web.Request], str] = lambda request: "",
    origin: Callable[[web.Request], str] = lambda request: f"{request.scheme}://{request.host}",
) -> None:
    """Add both. The functions see through a proxy that is trusted: who asks, below which path we
    are, and how whoever asks has reached us."""

    async def docs(request: web.Request) -> web.Response:
        html = _page(origin(request), base(request))
        answer = web.Response(text=html, content_type="text/html")
        answer.enable_compression()  # large, and nothing in it is secret
        return answer

    site.router.add_get("/docs", docs, allow_head=False)
    site.add_subapp(PREFIX, make_api(desk, OPERATIONS, COMPONENTS, address=address, base=base))


@lru_cache(maxsize=4)
def _page(origin: str, base: str) -> str:
    return docs_page.page(document(OPERATIONS, COMPONENTS, base), origin=origin, base=base)
