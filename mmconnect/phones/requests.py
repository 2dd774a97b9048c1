"""A request as the parsers take it: its body read, its media type told, its token left out."""

from __future__ import annotations

from multidict import MultiDict, MultiDictProxy

from mmconnect.phones.push import Push
from mmconnect.web.http import Request, media_type

_NO_QUERY: MultiDictProxy[str] = MultiDictProxy(MultiDict())


def push_of(request: Request, body: bytes) -> Push:
    """A request whose body has been read, as the parsers take it."""
    content_type, charset = media_type(request.headers.get("Content-Type"))
    query = _NO_QUERY
    if request.url.raw_query_string:  # with what is there twice, which the parsers refuse
        told = MultiDict((k, v) for k, v in request.url.query.items() if k != "token")
        query = MultiDictProxy(told)
    return Push(
        headers=request.headers,
        body=body,
        content_type=content_type,
        charset=charset,
        query=query,
    )
