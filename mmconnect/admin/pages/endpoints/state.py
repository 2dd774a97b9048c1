"""Resuming and removing an endpoint: what waits is counted first, and a person chooses."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form, read, wrong
from mmconnect.admin.pages.endpoints.views import ID, View, asked, at, looked, show
from mmconnect.admin.render import page
from mmconnect.admin.words import many
from mmconnect.desk import endpoints
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.store import backlog

ALL, NEWER, NONE = "all", "newer", "none"
HOUR, DAY = 3600, 86_400


async def _resume_page(request: web.Request) -> web.Response:
    return await _asking(request, Form())


async def _asking(request: web.Request, form: Form, told: Invalid | None = None) -> web.Response:
    seen, now = await looked(request), desk(request).clock.now()

    def count(db: sqlite3.Connection) -> tuple[int, int]:
        return backlog.waiting_since(db, seen.endpoint.id, now - DAY * 1000, now - HOUR * 1000)

    day, hour = await desk(request).database.read(count)
    return show(
        request,
        "resume.html",
        seen,
        "",
        status=200 if told is None else 400,
        form=form,
        wrong={} if told is None else wrong(told),
        of_hour=hour,
        of_day=day,
    )


async def _resume(request: web.Request) -> web.StreamResponse:
    form, at_work = await read(request), desk(request)
    which, newer_than = form.get("which", ALL), None
    try:
        if which not in (ALL, NEWER, NONE):
            raise Invalid(Issue(path="which", message="Choose one of these"))
        if which == NEWER:
            newer_than = at_work.clock.now() - _age(form.get("age")) * 1000
    except Invalid as error:
        return await _asking(request, form, error)
    done = await endpoints.resume(
        at_work.change,
        asked(request),
        newer_than=newer_than,
        none=which == NONE,
        clock=at_work.clock,
        by=entrance.actor(request),
    )
    if done.probed:
        sentence = f"{done.endpoint.name} is tried now, and everything goes out when it answers."
    elif done.waiting:
        sentence = f"{done.endpoint.name} goes on: {_texts(done.waiting)} now on the way."
    else:
        sentence = f"{done.endpoint.name} goes on. Nothing waits."
    if done.cancelled:
        gone = many(done.cancelled, "text was", "texts were")
        sentence += f" {gone} cancelled, and can be sent again from the deliveries."
    return say(request, see(request, at(done.endpoint.id)), sentence)


def _texts(count: int) -> str:
    return many(count, "text that waited is", "texts that waited are")


def _age(text: str) -> int:
    """Seconds. Raises Invalid."""
    try:
        return min(parse_duration(text), 100 * 365 * DAY)
    except OverflowError:
        return 100 * 365 * DAY
    except ValueError as error:
        message = "Write how old a text may be: 30m, 2h or 3d"
        raise Invalid(Issue(path="age", message=message)) from error


async def _remove_page(request: web.Request) -> web.Response:
    seen = await looked(request)
    return page(
        request,
        "confirm.html",
        area="endpoints",
        title=f"Remove {seen.endpoint.name}?",
        sentences=_lost(seen),
        action=at(seen.endpoint.id, "remove"),
        back=at(seen.endpoint.id),
        words="Remove it",
    )


def _lost(seen: View) -> list[str]:
    """What removing an endpoint means."""
    waits = seen.backlog.waiting
    lost = "Nothing waits for it."
    if waits:
        lost = (
            f"{many(waits, 'text waits', 'texts wait')} for it and will be cancelled. They stay"
            " visible, and can be sent to another endpoint."
        )
    return [
        lost,
        f"No text goes to {seen.url} any more, and its signing secret is deleted for good.",
        "What was delivered stays in the history.",
    ]


async def _remove(request: web.Request) -> web.StreamResponse:
    at_work, seen = desk(request), await looked(request)
    cancelled = await endpoints.remove(
        at_work.change,
        seen.endpoint.id,
        clock=at_work.clock,
        by=entrance.actor(request),
    )
    lost = many(cancelled, "waiting text was", "waiting texts were")
    sentence = f"{seen.endpoint.name} was removed" + (f"; {lost} cancelled." if cancelled else ".")
    return say(request, see(request, "/endpoints"), sentence)


ROUTES = (
    web.get(f"/endpoints/{ID}/resume", _resume_page),
    web.post(f"/endpoints/{ID}/resume", _resume),
    web.get(f"/endpoints/{ID}/remove", _remove_page),
    web.post(f"/endpoints/{ID}/remove", _remove),
)
