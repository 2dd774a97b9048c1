"""The stylesheets and the script of the pairing pages, from the phone listener itself.

Named by what is in them, so that a browser may keep them and never has an old one.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from mmconnect import paths
from mmconnect.phones import answers
from mmconnect.web.http import Answer, Request, head

PATH = "static"
_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "pair.css": "text/css; charset=utf-8",
    "pair.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


async def serve(request: Request) -> Answer:
    """Answer one request for a file."""
    name = request.url.path.removeprefix(f"/{PATH}/")
    if name not in _TYPES:
        return answers.text(404, "There is no such file.\n")
    if request.method not in ("GET", "HEAD"):
        return answers.text(405, "Ask for it with GET.\n")
    kept = {
        "Cache-Control": "max-age=86400",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Answer(head=head(200, _TYPES[name], kept), body=_content(name))


@lru_cache(maxsize=len(_TYPES))
def address_of(name: str) -> str:
    """Where a page finds a file."""
    return f"/{PATH}/{name}?{hashlib.sha256(_content(name)).hexdigest()[:10]}"


@lru_cache(maxsize=len(_TYPES))
def _content(name: str) -> bytes:
    return (paths.resource_root() / "static" / name).read_bytes()
