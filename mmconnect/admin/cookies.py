"""The cookie by which a browser is known: how it is named, given and taken away.

Over HTTPS, where the whole site is ours, its name says `__Host-`: then nobody can plant one over
plain HTTP or from a neighbouring name (RFC 6265bis, 4.1.3).
"""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import BASE
from mmconnect.store.accounts import LONGEST
from mmconnect.web.asked import client_of

_NAME = "mmconnect"


_HOST, _SECURE = f"__Host-{_NAME}", f"__Secure-{_NAME}"
"""Over HTTPS, at the root and below a base path."""


def _named(request: web.Request) -> str:
    if client_of(request).scheme != "https":
        return _NAME
    return _SECURE if request.get(BASE) else _HOST


def session_cookie(request: web.Request) -> str | None:
    """What a browser brings; over HTTPS either name, so that a new base path logs nobody out."""
    if client_of(request).scheme != "https":
        return request.cookies.get(_NAME)
    return request.cookies.get(_HOST) or request.cookies.get(_SECURE)


def give(request: web.Request, answer: web.StreamResponse, cookie: str) -> None:
    """Let the browser keep it, for as long as a session can last."""
    answer.set_cookie(
        _named(request),
        cookie,
        max_age=LONGEST // 1000,
        path=request.get(BASE) or "/",
        httponly=True,
        samesite="Strict",
        secure=client_of(request).scheme == "https",
    )


def take(request: web.Request, answer: web.StreamResponse) -> None:
    """Let the browser forget it."""
    answer.del_cookie(
        _named(request),
        path=request.get(BASE) or "/",
        httponly=True,
        samesite="Strict",
        secure=client_of(request).scheme == "https",
    )
