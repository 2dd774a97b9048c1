"""Who pushes: the device a token stands for, and where a push may carry its token.

In the path (every app can do that), as Bearer, as Basic password, as X-Api-Key or as `?token=`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mmconnect.store.configuration import Configuration, Entry, digest

if TYPE_CHECKING:  # the CLI needs tokens, but no web server
    from mmconnect.web.http import Request

PATH = "/in"


def new_token() -> str:
    """A token: 192 random bits in letters that survive every URL field and keyboard."""
    return secrets.token_urlsafe(24)


def from_request(request: Request, before: str = PATH) -> str | None:
    """The token that a request carries, or None; in the path it stands after `before`."""
    path = request.url.raw_path
    if path.startswith(before + "/") and len(path) > len(before) + 1:
        return unquote(path[len(before) + 1 :].rstrip("/"))
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _basic_password(credentials)
    return request.headers.get("X-Api-Key") or request.url.query.get("token")


def find(configuration: Configuration, token: str | None, now: int) -> Entry | None:
    """What a token stands for at `now` (UTC ms), or None. Takes the same time for any token."""
    entry = configuration.tokens.get(digest(token or ""))
    known = entry.token if entry is not None else ""
    same = hmac.compare_digest(
        known.encode("utf-8", "replace"), (token or "").encode("utf-8", "replace")
    )
    if entry is None or not same or not token:
        return None
    return None if entry.expires_at is not None and entry.expires_at <= now else entry


def _basic_password(credentials: str) -> str | None:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[2]
