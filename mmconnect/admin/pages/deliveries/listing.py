"""The list of deliveries: what did not arrive and why, and sending some of it again.

A page costs the same whatever the history holds (store/delivery_lists.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from mmconnect.admin import forms, marks
from mmconnect.admin.context import desk, see, url
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.pages.deliveries.asked import NAMES, STATES, Asked, as_given, asked
from mmconnect.admin.render import page
from mmconnect.admin.words import many
from mmconnect.desk import deliveries
from mmconnect.desk.wording import ended
from mmconnect.domain.errors import Invalid
from mmconnect.domain.models import Delivery, DeliveryState, Endpoint, EndpointState, Trigger
from mmconnect.store import backlog, delivery_lists, delivery_rows, replays
from mmconnect.store.delivery_lists import Page, Wanted
from mmconnect.store.delivery_rows import Beside
from mmconnect.store.replays import Replay, ReplayState

TABS = {
    "": "All",
    "attention": "Needs attention",
    "pending": "Waiting",
    "delivered": "Delivered",
}
"""The states that people ask for most, and their words."""
PAGE = 50
REPLAYS = 10
"""Orders that are looked at for those that run, or ended just now."""
LATELY = 600_000
"""Milliseconds for which one that has ended is still shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the page shows."""

    page: Page
    beside: dict[str, Beside]
    stopped: Sequence[tuple[Endpoint, int]]
    """Endpoints that get nothing just now, and how much waits for each."""
    orders: Sequence[Replay]
    name: str | None
    """Of the endpoint that is asked for; None when there never was one."""


EMPTY = Found(
    page=Page(items=(), older=None, newer=None), beside={}, stopped=(), orders=(), name=None
)


async def _list(request: web.Request) -> web.Response:
    made, query = desk(request), request.query
    before, after = query.get("before") or None, query.get("after") or None
    wrong: dict[str, str] = {}
    found = EMPTY
    try:
        what = asked(query)
        now, known = made.clock.now(), made.look().endpoints
        found = await made.database.read(
            lambda db: _found(db, what.wanted, known, before, after, now)
        )
    except Invalid as error:
        wrong = forms.wrong(error)
        what = Asked(wanted=Wanted(), given=as_given(query))

    def at(**place: str | None) -> str:
        return url(request, "/deliveries", **what.given, **place)

    rows = found.page
    return page(
        request,
        "deliveries/list.html",
        area="deliveries",
        status=400 if wrong else 200,
        form=forms.filled(**what.given),
        wrong=wrong,
        given=what.given,
        states=[(value, words) for value, (words, _) in STATES.items()],
        endpoints=_endpoints(request, what, found),
        shown=marks.DELIVERIES,
        tabs=_tabs(request, what.given),
        narrowed=any(name in what.given for name in ("endpoint", "since", "until"))
        or what.given.get("state", "") not in TABS,
        stopped_why=_stopped_why,
        found=found,
        can=_can,
        can_retry_all=bool(rows.items) and "message" not in what.given and _sendable(what.wanted),
        running=ReplayState.RUNNING,
        rate=made.look().preferences.replay_rate,
        older=at(before=rows.older) if rows.older else "",
        newer=at(after=rows.newer) if rows.newer else (at() if before or after else ""),
        at_top=not before and not after,
    )


def _found(
    db: sqlite3.Connection,
    wanted: Wanted,
    known: dict[str, Endpoint],
    before: str | None,
    after: str | None,
    now: int,
) -> Found:
    rows = delivery_lists.page(db, wanted, limit=PAGE, before=before, after=after)
    waits = not wanted.states or DeliveryState.PENDING in wanted.states
    stopped = [
        (one, count)
        for one in known.values()
        if one.state is not EndpointState.ACTIVE
        and waits
        and wanted.endpoint_id in (None, one.id)
        and (count := backlog.waiting(db, one.id))
    ]
    name = None
    if wanted.endpoint_id is not None:
        names = delivery_rows.endpoint_names(db, [wanted.endpoint_id])
        name = names[wanted.endpoint_id][0] if names else None
    return Found(
        page=rows,
        beside=delivery_rows.beside(db, rows.items),
        stopped=stopped,
        orders=[
            one
            for one in replays.latest(db, REPLAYS)
            if one.finished_at is None or one.finished_at > now - LATELY
        ],
        name=name,
    )


def _endpoints(request: web.Request, what: Asked, found: Found) -> list[tuple[str, str]]:
    """The endpoints to choose from, and the one that is asked for though it was removed."""
    known = desk(request).look().endpoints
    there = [("", "any"), *[(one.id, one.name) for one in known.values()]]
    asked_for = what.wanted.endpoint_id
    if asked_for is not None and asked_for not in known:
        there.append((asked_for, f"{found.name or asked_for} (removed)"))
    return there


def _tabs(request: web.Request, given: dict[str, str]) -> list[tuple[str, str, str]]:
    """The same question for each of TABS."""
    return [
        (state, words, url(request, "/deliveries", **(given | {"state": state})))
        for state, words in TABS.items()
    ]


def _stopped_why(endpoint: Endpoint) -> str:
    if endpoint.state is EndpointState.PAUSED:
        return "Nothing is sent to it until you resume it."
    return ended(endpoint.held_reason or "It does not answer")


def _can(delivery: Delivery, beside: Beside) -> bool:
    """Whether a row has a box to tick."""
    return (
        delivery.trigger is not Trigger.TEST
        and delivery.state is not DeliveryState.IN_FLIGHT
        and beside.wiped_at is None
        and not beside.removed
    )


def _sendable(wanted: Wanted) -> bool:
    return wanted.states != {DeliveryState.IN_FLIGHT}


async def _retry(request: web.Request) -> web.StreamResponse:
    """Send again what was ticked."""
    made, form, by = desk(request), await forms.read(request), actor(request)
    ticked = form.all("id")[: 2 * PAGE]
    there = see(request, "/deliveries", **as_given({name: form.get(name) for name in NAMES}))
    if not ticked:
        return say(
            request, there, "Nothing was selected: tick what is to be sent again.", kind="warn"
        )
    now = made.clock.now()
    done = await made.change(lambda db: deliveries.retry_those_that_can(db, ticked, now=now, by=by))
    told = f"{many(done.count, 'delivery is', 'deliveries are')} sent again."
    if done.flying:
        told += f" {many(done.flying, 'is', 'are')} being sent at this moment."
    if done.refused:
        left = f"{many(len(done.refused), 'is', 'are')} not: {done.refused[0]}"
        told += f" {left}{', and so on' if len(done.refused) > 1 else ''}."
    return say(request, there, told, kind="good" if done.count else "warn")


ROUTES = (web.get("/deliveries", _list), web.post("/deliveries/retry", _retry))
