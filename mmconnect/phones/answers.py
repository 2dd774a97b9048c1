"""What a phone is told. One shape of JSON for all apps, never 204, never an empty 2xx.

Compact, as one app looks for `"ok":true` in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from mmconnect.store.messages import Taken

RETRY_AFTER = 10
"""Seconds after which a phone may try again while the database cannot commit."""

_DISCREET = {"Server": "mmconnect"}
"""Instead of the versions of what it is made of."""
_HEADERS = {"Content-Type": "application/json; charset=utf-8", **_DISCREET}

_TAKEN = (
    b'{"ok":true,"id":"%s","duplicate":%s,"events":[],'
    b'"payload":{"success":true,"error":null,"messages":[]}}'
)
_NOTED = (
    b'{"ok":true,"id":null,"duplicate":false,"events":[],'
    b'"payload":{"success":true,"error":null,"messages":[]}}'
)


def taken(texts: Sequence[Taken]) -> web.Response:
    """Committed. Of several texts in one push, the first speaks; duplicate when all of them are."""
    if not texts:
        return noted()
    duplicate = all(one.duplicate for one in texts)
    return _json(200, _TAKEN % (texts[0].message_id.encode(), b"true" if duplicate else b"false"))


def kept(message_id: str) -> web.Response:
    """Not understood, but kept as it came."""
    return _json(200, _TAKEN % (message_id.encode(), b"false"))


def noted() -> web.Response:
    """About the phone, not a text."""
    return _json(200, _NOTED)


def token_is_good(device: str) -> web.Response:
    """For a person who opens the push URL in the phone's browser."""
    return text(200, f"The token is good: texts pushed here arrive as {device}.\n")


def text(status: int, sentence: str) -> web.Response:
    """Plain text."""
    return web.Response(status=status, text=sentence, headers=_DISCREET)


def error(status: int, code: str, message: str, *, close: bool = False) -> web.Response:
    """Refused, with the reason for programs and for people."""
    response = _json(status, _encoded(code, message))
    if close:
        response.force_close()
    return response


def method_not_allowed() -> web.Response:
    """Neither a push nor a person's look."""
    response = error(405, "method_not_allowed", "Push with POST, PUT or PATCH.")
    response.headers["Allow"] = "GET, HEAD, POST, PUT, PATCH"
    return response


def unavailable() -> web.Response:
    """The database cannot commit: nothing of the push was kept, the phone tries again."""
    response = error(503, "unavailable", "The text could not be stored just now; try again.")
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def slow_down(seconds: float) -> web.Response:
    """Too many wrong tokens from one address."""
    response = error(429, "unknown_token", "Too many pushes with unknown tokens.")
    response.headers["Retry-After"] = str(round(seconds))
    return response


def _encoded(code: str, message: str) -> bytes:
    fields = {"ok": False, "error": code, "message": message}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers=_HEADERS)
