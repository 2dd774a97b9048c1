"""What is answered when a CA has just been made: a page, and never a way on by itself.

From then on pages lead to https://, and browsers let no form lead from one to the other (the policy
`form-action 'self'` counts for redirects, too). So a person goes on by a link, and knows why the
browser warns.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page

_LOOKS, _PAUSE = 50, 0.05
"""How often, and after how many seconds each, the HTTPS port is looked for; it opens within one."""


async def https_made(request: web.Request, there: str, *, area: str) -> web.Response:
    """The page; `there`: the path to go on to."""
    at = desk(request)
    for _ in range(_LOOKS):
        if at.where().https:
            break
        await asyncio.sleep(_PAUSE)
    return page(
        request,
        "https_made.html",
        area=area,
        there=there,
        authority=at.machine.tls().authority,
        served=bool(at.where().https),
        admin_side=bool(at.listeners().admin_tls),
    )
