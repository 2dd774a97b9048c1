"""One endpoint: how it is and what to do about it, a test with its answer, the last text sent."""

from __future__ import annotations

import sqlite3
from typing import Any

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.pages.endpoints.views import ID, asked, at, looked, show
from mmconnect.desk import endpoint_sends, endpoints, trends
from mmconnect.domain.models import Attempt, Delivery, Trigger
from mmconnect.store import deliveries, delivery_lists, endpoint_uses
from mmconnect.store.delivery_lists import ATTENTION, Wanted

FAILURES = 5
"""Of those that were given up, so many are shown."""

Tested = tuple[Delivery, Attempt]


async def _page(request: web.Request) -> web.Response:
    seen, delivery_id = await looked(request), request.query.get("tested", "")

    def read(db: sqlite3.Connection) -> dict[str, Any]:
        endpoint, troubled = seen.endpoint, seen.health.word == "trouble"
        return {
            "tested": _tested(db, endpoint.id, delivery_id),
            "last": None if endpoint.alert else endpoint_sends.last_unsent(db, endpoint.id),
            "failures": _failures(db, endpoint.id),
            "trouble": endpoint_uses.trouble(db, endpoint.id) if troubled else None,
        }

    found = await desk(request).database.read(read)
    trend = await desk(request).figures.read(
        lambda db, new: trends.endpoint(db, new, seen.endpoint.id)
    )
    return show(request, "page.html", seen, "", trend=trend, **found)


def _failures(db: sqlite3.Connection, endpoint_id: str) -> list[tuple[Delivery, str]]:
    """What was last given up, and why."""
    wanted = Wanted(states=ATTENTION, endpoint_id=endpoint_id, tests=False)
    found = delivery_lists.page(db, wanted, limit=FAILURES).items
    return [(one, _why(db, one)) for one in found]


def _why(db: sqlite3.Connection, delivery: Delivery) -> str:
    tries = deliveries.attempts(db, delivery.id)
    return delivery.note or (tries[-1].error if tries else None) or delivery.state.value


def _tested(db: sqlite3.Connection, endpoint_id: str, delivery_id: str) -> Tested | None:
    """A test that was made of this endpoint, and its one attempt."""
    delivery = deliveries.get(db, delivery_id)
    if delivery is None or delivery.endpoint_id != endpoint_id:
        return None
    found = deliveries.attempts(db, delivery_id)
    return (delivery, found[-1]) if delivery.trigger is Trigger.TEST and found else None


async def _test(request: web.Request) -> web.StreamResponse:
    at_work, seen = desk(request), await looked(request)
    trial = await at_work.trials.send(seen.endpoint)
    await at_work.refresh()  # a test that is taken ends a hold
    at_work.wake()
    answer = see(request, at(seen.endpoint.id), tested=trial.delivery.id)
    answer.headers["Location"] += "#tested"
    return answer


async def _send_last(request: web.Request) -> web.StreamResponse:
    """The last text that has come, to an endpoint that never got it."""
    at_work, endpoint_id = desk(request), asked(request)
    await looked(request)
    sent = await at_work.change(
        lambda db: endpoint_sends.send_last(
            db,
            endpoint_id,
            ids=at_work.ids,
            now=at_work.clock.now(),
            by=entrance.actor(request),
        )
    )
    answer = see(request, at(endpoint_id))
    if sent is None:
        return say(request, answer, "There is no text that it has not got yet.", kind="warn")
    return say(
        request,
        answer,
        "The last text is on its way.",
        link=("See what happens to it", f"/messages/{sent}"),
    )


async def _pause(request: web.Request) -> web.StreamResponse:
    at_work, endpoint_id = desk(request), asked(request)
    done = await at_work.change(
        lambda db: endpoints.pause(
            db, endpoint_id, now=at_work.clock.now(), by=entrance.actor(request)
        )
    )
    sentence = f"{done.name} is paused: its texts wait until you resume it, and grow no older."
    return say(request, see(request, at(endpoint_id)), sentence)


async def _probe(request: web.Request) -> web.StreamResponse:
    """Find out at once whether a held one works again."""
    at_work, endpoint_id = desk(request), asked(request)
    done = await endpoints.resume(
        at_work.change, endpoint_id, clock=at_work.clock, by=entrance.actor(request)
    )
    sentence = "It is tried now, with the oldest text that waits. What comes of it shows here."
    if not done.probed:
        sentence = f"{done.endpoint.name} takes its texts: nothing holds them up."
    return say(request, see(request, at(endpoint_id)), sentence)


ROUTES = (
    web.get(f"/endpoints/{ID}", _page),
    web.post(f"/endpoints/{ID}/test", _test),
    web.post(f"/endpoints/{ID}/send-last", _send_last),
    web.post(f"/endpoints/{ID}/pause", _pause),
    web.post(f"/endpoints/{ID}/probe", _probe),
)
