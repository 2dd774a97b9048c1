"""The page of one delivery: what happened in a sentence, each attempt, and what can be done."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import marks
from mmconnect.admin.context import desk, see
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.render import page
from mmconnect.desk import deliveries, delivery_page
from mmconnect.domain.ids import DELIVERY
from mmconnect.domain.models import DeliveryState, Trigger

TRIGGERS = {
    Trigger.PUSH: "a text that came in",
    Trigger.REPLAY: "sent again",
    Trigger.SEND: "sent by hand, to an endpoint that had not got it",
    Trigger.TEST: "a test",
    Trigger.EVENT: "an event that mmconnect tells",
}


async def _one(request: web.Request) -> web.Response:
    delivery_id = request.match_info["id"]
    story = await desk(request).database.read(lambda db: delivery_page.story(db, delivery_id))
    delivery = story.delivery
    return page(
        request,
        "deliveries/one.html",
        area="deliveries",
        story=story,
        delivery=delivery,
        beside=story.beside,
        state=marks.DELIVERIES[delivery.state],
        sentence=delivery_page.sentence(story),
        remedy=delivery_page.remedy(story),
        trigger=TRIGGERS[delivery.trigger],
        came_to=marks.came_to,
        mark=marks.attempt,
        waits=delivery.state is DeliveryState.PENDING,
        left_out=delivery.attempts > len(story.attempts) >= delivery_page.ATTEMPTS,
    )


async def _retry(request: web.Request) -> web.StreamResponse:
    made, by, delivery_id = desk(request), actor(request), request.match_info["id"]
    now = made.clock.now()
    done = await made.change(lambda db: deliveries.retry(db, [delivery_id], now=now, by=by))
    there = see(request, f"/deliveries/{delivery_id}")
    if not done.count:
        return say(request, there, "It is being sent at this moment.", kind="warn")
    return say(request, there, "It is due now, with its whole schedule before it.")


async def _cancel(request: web.Request) -> web.StreamResponse:
    made, by, delivery_id = desk(request), actor(request), request.match_info["id"]
    done = await deliveries.cancel(made.change, [delivery_id], clock=made.clock, by=by)
    there = see(request, f"/deliveries/{delivery_id}")
    if done.flying:
        return say(request, there, "It is being sent at this moment, and may arrive.", kind="warn")
    if not done.count:
        return say(request, there, "It does not wait any more: nothing was changed.", kind="warn")
    return say(request, there, "Cancelled. It can be sent again.")


ID = f"{{id:{DELIVERY}[0-9A-Za-z]+}}"
ROUTES = (
    web.get(f"/deliveries/{ID}", _one),
    web.post(f"/deliveries/{ID}/retry", _retry),
    web.post(f"/deliveries/{ID}/cancel", _cancel),
)
