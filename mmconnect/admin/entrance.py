"""Who a page is for: asked by every page that is behind the door (gate.py)."""

from __future__ import annotations

import re

from aiohttp import web

from mmconnect.desk.desk import Actor
from mmconnect.desk.entry import Standing, Visitor
from mmconnect.store.accounts import Session
from mmconnect.web.asked import client_of

STANDING = web.RequestKey("standing", Standing)

_OWN = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")
"""A path with its query, as it stands in a header: ASCII without blanks."""


def session(request: web.Request) -> Session:
    """The session that a page is for; there is one wherever let_in() has asked for it."""
    standing: Standing | None = request.get(STANDING)
    if standing is None or standing.session is None:
        raise web.HTTPForbidden(text="This page is for whoever is logged in.")
    return standing.session


def visitor(request: web.Request) -> Visitor:
    """Who asks, for entry and throttle."""
    return Visitor(address=client_of(request).address, agent=request.headers.get("User-Agent", ""))


def actor(request: web.Request) -> Actor:
    """Who asks, for the audit."""
    return Actor(name="admin", address=client_of(request).address)


def inside(request: web.Request) -> bool:
    """Whether the page is for somebody who is logged in: only then it has a navigation."""
    standing: Standing | None = request.get(STANDING)
    return standing is not None and standing.session is not None


def own_path(text: str) -> str:
    """Where to go on, if that is a page of ours; else the overview. Never another site.

    Browsers read `\\` as `/`, and leave tabs and line ends out: none of them may be in it.
    """
    return text if _OWN.fullmatch(text) else "/"
