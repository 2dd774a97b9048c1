"""Sending again all that match: counted first, then ordered, and stopped when somebody wants."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.pages.deliveries.asked import NAMES, STATES, Asked, asked
from mmconnect.admin.render import page
from mmconnect.admin.words import duration, many, moment
from mmconnect.desk import deliveries
from mmconnect.domain.errors import Invalid, Refused
from mmconnect.domain.ids import REPLAY
from mmconnect.domain.models import DeliveryState
from mmconnect.store import delivery_rows
from mmconnect.store.delivery_counts import Count
from mmconnect.store.replays import ReplayState


async def _ask(request: web.Request) -> web.StreamResponse:
    """How many there are, and what will happen."""
    made = desk(request)
    what = _what(asked(request.query))
    counted = await deliveries.count(made.database.read, what.wanted)
    if counted.end and not counted.total:
        there = see(request, "/deliveries", **what.given)
        return say(request, there, "Nothing that matches can be sent again.", kind="warn")
    rate = made.look().preferences.replay_rate
    return page(
        request,
        "confirm.html",
        area="deliveries",
        title=f"Send {_count(counted)} again?",
        sentences=[
            await _which(request, what),
            *_how(counted, rate),
            "Receivers get the same id and body as before, so one that is idempotent does nothing"
            " twice.",
        ],
        action="/deliveries/retry-all",
        words="Send them again" if counted.total != 1 else "Send it again",
        fields=what.given,
        danger=False,
        back=f"/deliveries?{urlencode(what.given)}",
    )


def _what(what: Asked) -> Asked:
    if what.wanted.message_id is not None:
        raise Refused("One message's deliveries are sent again on its page")
    return what


def _count(counted: Count) -> str:
    if counted.end:
        return many(counted.total, "delivery", "deliveries")
    if not counted.total:
        return "all that match"
    return f"more than {many(counted.total - 1, 'delivery', 'deliveries')}"


async def _which(request: web.Request, what: Asked) -> str:
    """What was asked for, in words."""
    state = what.given.get("state", "")
    told = {"": "All deliveries", "attention": "All that failed or expired"}.get(
        state, f"All that are {STATES[state][0]}"
    )
    if (endpoint := what.wanted.endpoint_id) is not None:
        names = await desk(request).database.read(
            lambda db: delivery_rows.endpoint_names(db, [endpoint])
        )
        told += f" for {names[endpoint][0] if names else endpoint}"
    if what.wanted.since is not None:
        told += f", from {moment(what.wanted.since)}"
    if what.wanted.until is not None:
        told += f", until {moment(what.wanted.until)}"
    if not what.wanted.states or DeliveryState.DELIVERED in what.wanted.states:
        told += ". What was delivered is sent once more, too"
    return (
        f"{told}. Tests, texts that were wiped, and what was meant for a removed endpoint are"
        " passed over."
    )


def _how(counted: Count, rate: int) -> list[str]:
    told = f"At most {many(rate, 'delivery', 'deliveries')} a second are offered again"
    if counted.end:
        about = duration(max(1, counted.total / rate))
        told += f", so that new texts keep their way: it takes about {about}, if receivers keep up."
    else:
        told += ", so that new texts keep their way. It can take hours, and can be stopped."
    return [told, "Each has its whole schedule of attempts before it."]


async def _order(request: web.Request) -> web.StreamResponse:
    made, form, by = desk(request), await forms.read(request), actor(request)
    what = _what(asked({name: form.get(name) for name in NAMES}))
    there = see(request, "/deliveries", **what.given)
    counted = await deliveries.count_all(made.database.read, what.wanted)
    now = made.clock.now()
    try:
        replay = await made.change(
            lambda db: deliveries.order(db, what.wanted, counted, ids=made.ids, now=now, by=by)
        )
    except Refused as error:
        return say(request, there, f"{error}.", kind="warn")
    told = many(replay.total, "delivery is", "deliveries are")
    return say(request, there, f"{told} sent again, one after the other.")


async def _stop(request: web.Request) -> web.StreamResponse:
    made, form, by = desk(request), await forms.read(request), actor(request)
    now, replay_id = made.clock.now(), request.match_info["id"]
    after = await made.change(lambda db: deliveries.stop(db, replay_id, now=now, by=by))
    offered = f"{after.done:,} of {after.total:,} were offered before"
    if after.state is ReplayState.CANCELLED:
        told = f"Stopped: {offered}, and they go their way."
    else:
        told = f"It was finished already: {offered}."
    try:
        given = asked({name: form.get(name) for name in NAMES}).given
    except Invalid:
        given = {}
    return say(request, see(request, "/deliveries", **given), told)


ROUTES = (
    web.get("/deliveries/retry-all", _ask),
    web.post("/deliveries/retry-all", _order),
    web.post(f"/deliveries/replays/{{id:{REPLAY}[0-9A-Za-z]+}}/stop", _stop),
)
