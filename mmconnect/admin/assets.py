"""The pages' few static files: each link names what the file holds, so a browser asks for it once.

With its version in the link a file may be kept for good; without, the browser asks whether it is
still the same. Nothing here is anybody's: there is no cookie in question and no text.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from aiohttp import web

from mmconnect import paths

PREFIX = "/static/"
FOR_GOOD = "public, max-age=31536000, immutable"
ASK = "no-cache"


@lru_cache(maxsize=64)
def version(name: str) -> str:
    """What tells one content of a file from another. Raises OSError."""
    data = (paths.resource_root() / "static" / name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:12]


def caching(request: web.Request, path: str, status: int) -> str | None:
    """The Cache-Control of an answer, by its path without the base; None for what is no asset."""
    if not path.startswith(PREFIX) or status not in (200, 206, 304):
        return None
    try:
        current = version(path.removeprefix(PREFIX))
    except OSError:  # written in another way than our links do
        return ASK
    return FOR_GOOD if request.query.get("v") == current else ASK
