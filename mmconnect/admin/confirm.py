"""What is secret is shown, and what is final is done, only soon after the password was entered.

`await confirmed(request)` at the beginning of a page; where a form has led there, `back` names the
page to begin again from, as what a form has sent is not kept.
"""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import asked, desk, url
from mmconnect.admin.entrance import session


async def confirmed(request: web.Request, back: str | None = None) -> None:
    """Raise the way to the page that asks for the password, unless it was entered just now.

    `back`: the path, without the base, to go on to after that; the page itself when left out.
    """
    if desk(request).entry.is_confirmed(session(request)):
        return
    raise web.HTTPSeeOther(url(request, "/confirm", next=asked(request) if back is None else back))
