"""The overview: is everything well? And the checklist of the first steps, which ticks itself."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin import marks, steps
from mmconnect.admin.concerns import SHOWN, all_is_well, concerns, doctors_word
from mmconnect.admin.context import desk, see
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import read
from mmconnect.admin.render import page
from mmconnect.desk import checklist, sending
from mmconnect.desk.overview import CHARTED, Overview, overview


async def _overview(request: web.Request) -> web.Response:
    found = await overview(desk(request))
    await _finish(request, found)
    told = concerns(found)
    return page(
        request,
        "overview.html",
        area="overview",
        found=found,
        concerns=told[:SHOWN],
        more_concerns=len(told) - SHOWN,
        well=all_is_well(found),
        doctors_word=doctors_word(found),
        steps=[] if found.checklist.away else steps.rows(found.checklist),
        fresh=checklist.Step.TEXT not in found.checklist.done and not found.checklist.away,
        glances=CHARTED,
        marks=marks,
    )


async def _finish(request: web.Request, found: Overview) -> None:
    """Once everything was done the list stays away, whatever is removed later."""
    if found.checklist.finished and not found.checklist.away:
        here = desk(request)
        await here.database.write(lambda db: checklist.put_away(db, here.clock.now()))


async def _checklist(request: web.Request) -> web.Response:
    found = await overview(desk(request))
    return page(
        request,
        "checklist.html",
        area="help",
        steps=steps.rows(found.checklist),
        finished=found.checklist.finished,
        away=found.checklist.away,
    )


async def _away(request: web.Request) -> web.StreamResponse:
    here = desk(request)
    await here.change(lambda db: checklist.put_away(db, here.clock.now()))
    return say(
        request,
        see(request, "/"),
        "The first steps are put away.",
        link=("They are still under Help", "/checklist"),
    )


async def _back(request: web.Request) -> web.StreamResponse:
    await desk(request).change(checklist.bring_back)
    return see(request, "/")


async def _send(request: web.Request) -> web.StreamResponse:
    """The last text to the endpoint that was added after it came."""
    here, form = desk(request), await read(request)
    message_id, endpoint_id = form.get("message"), form.get("endpoint")

    def send(db: sqlite3.Connection) -> list[sending.Sent]:
        endpoint = sending.sendable(db, [message_id], endpoint_id)
        by, now = actor(request), here.clock.now()
        return sending.some(db, [message_id], endpoint, ids=here.ids, now=now, by=by)

    (sent,) = await here.change(send)
    answer = see(request, "/")
    if sent.delivery_id is None:
        why = sending.REASONS[sent.skip or sending.Skip.TEST]
        return say(request, answer, f"This text was not sent: {why}.", kind="warn")
    watch = ("Watch it", f"/deliveries/{sent.delivery_id}")
    return say(request, answer, "The text is on its way.", link=watch)


ROUTES = (
    web.get("/", _overview),
    web.get("/checklist", _checklist),
    web.post("/checklist/away", _away),
    web.post("/checklist/back", _back),
    web.post("/checklist/send", _send),
)
