"""What every page finds at its request: the desk, who asks, and how links are made."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from mmconnect.admin.base_path import without
from mmconnect.desk.desk import Desk

DESK = web.AppKey("desk", Desk)
BASE = web.RequestKey("base", str)
"""The path that a reverse proxy has us under, `/mmconnect`; empty where there is none."""

PATH = web.RequestKey("path", str)
"""What was asked for, without that."""


def desk(request: web.Request) -> Desk:
    """What the page works with."""
    return request.app[DESK]


def asked(request: web.Request) -> str:
    """The page that was asked for, with its query and without the base path, as it was written."""
    path = without(request.rel_url.raw_path, request.get(BASE, ""))
    query = request.rel_url.raw_query_string
    return f"{path}?{query}" if query else path


def url(request: web.Request, path: str, **query: Any) -> str:
    """A link to a page of ours: `path` begins with `/`; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "", [])}
    asked = f"?{urlencode(given, doseq=True)}" if given else ""
    return f"{request.get(BASE, '')}{path}{asked}"


def see(request: web.Request, path: str, **query: Any) -> web.Response:
    """The answer to a form that was obeyed: `return see(request, "/endpoints")`.

    No exception of aiohttp's, which may only be raised.
    """
    return web.Response(status=303, headers={"Location": url(request, path, **query)})
