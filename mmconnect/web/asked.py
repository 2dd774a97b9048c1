"""What both owner's sites find at a request: who asks, behind the proxies that are trusted."""

from __future__ import annotations

from aiohttp import web

from mmconnect.web.forwarded import Client, client

CLIENT = web.RequestKey("client", Client)


def client_of(request: web.Request) -> Client:
    """Who asks; where nobody has looked at proxies, whoever is at the other end."""
    found = request.get(CLIENT)
    if found is None:
        found = client(request.remote, request.headers, secure=request.secure)
    return found
