"""Every component of the pages on one page, so that they can be looked at side by side."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page
from mmconnect.desk.trends import Bar
from mmconnect.domain.days import DAY, day_of


async def _patterns(request: web.Request) -> web.Response:
    now = desk(request).clock.now()
    days = [day_of(now - back * DAY) for back in range(29, -1, -1)]
    return page(
        request,
        "patterns.html",
        area="help",
        some=now - 185_000,
        text_bars=[Bar(day=day, texts=n * n % 47 * 3) for n, day in enumerate(days)],
        attempt_bars=[
            Bar(day=day, delivered=n * n % 43, failed=n % 7 // 5 * 9) for n, day in enumerate(days)
        ],
    )


ROUTES = (web.get("/patterns", _patterns),)
