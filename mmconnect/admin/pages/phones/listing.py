"""Every phone, and how it is."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin import marks
from mmconnect.admin.context import desk
from mmconnect.admin.pages.phones import words
from mmconnect.admin.render import page
from mmconnect.desk import apps
from mmconnect.desk.device_page import Page, pages
from mmconnect.desk.wording import midnight
from mmconnect.store import device_watch, devices


async def _list(request: web.Request) -> web.Response:
    at = desk(request)
    around = at.around()

    def look(db: sqlite3.Connection) -> tuple[list[Page], list[Page], dict[str, int]]:
        every = pages(db, around, devices.known(db, removed=True))
        here = [one for one in every if one.device.removed_at is None]
        gone = [one for one in every if _still_pushes(one)]
        return here, gone, device_watch.taken_by_device(db, midnight(around.now))

    known, gone, today = await at.database.read(look)
    return page(
        request,
        "phones/list.html",
        area="phones",
        rows=[
            {
                "page": one,
                "app": apps.label(one.device.app),
                "state": marks.phone(one),
                "battery": words.battery(one),
                "today": today.get(one.device.id, 0),
            }
            for one in known
        ],
        gone=[(one.device.name, one.presence.rejected_at) for one in gone],
        moves=[one.move for one in known if one.move is not None],
    )


def _still_pushes(one: Page) -> bool:
    """Whether it was removed, and its app does not know."""
    removed, refused = one.device.removed_at, one.presence.rejected_at
    return removed is not None and refused is not None and refused >= removed


ROUTES = (web.get("/phones", _list),)
