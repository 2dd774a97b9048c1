"""A request as the parsers take it: its body read, its media type told, its token left out."""

from __future__ import annotations

from multidict import MultiDict

from mmconnect.phones.push import Push
from mmconnect.web.http import Request, media_type


def push_of(request: Request, body: bytes) -> Push:
    """A request whose body has been read, as the parsers take it."""
    content_type, charset = media_type(request.headers.get("Content-Type"))
    query: MultiDict[str] = MultiDict()
    if request.url.raw_query_string:  # with what is there twice, which the parsers refuse
        query.extend((k, v) for k, v in request.url.query.items() if k != "token")
    return Push(
        headers=request.headers,
        body=body,
        content_type=content_type,
        charset=charset,
        query=query,
    )
