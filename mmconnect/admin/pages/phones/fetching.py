"""What mmconnect fetches from a phone: signing in, how far it is, and the texts that were kept."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.phones import words
from mmconnect.admin.words import many
from mmconnect.desk import apps, device_history, device_link_page, device_links
from mmconnect.desk.device_links import LONGEST, SHORTEST
from mmconnect.desk.device_notes import About
from mmconnect.desk.phone_access import accessed
from mmconnect.domain.clock import parse_duration, short_duration
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.domain.models import Device
from mmconnect.store import kept_back, links
from mmconnect.store.kept_back import Reason


async def _show(request: web.Request) -> web.Response:
    device = words.found(request)
    link = desk(request).look().links.get(device.id)
    form = forms.filled(
        phoneUrl=None if link is None else link.url,
        phoneUser=device_links.USER,
        poll=_written(None if link is None else link.interval),
    )
    return await _page(request, device, form)


def _written(interval: int | None) -> str | None:
    return None if interval is None else short_duration(round(interval / 1000))


async def _page(
    request: web.Request, device: Device, form: Form, error: Invalid | None = None
) -> web.Response:
    at = desk(request)
    known = await at.database.read(lambda db: device_link_page.page(db, device.id))
    notes = [] if known is None else known.notes(at.clock.now())
    return words.shown(
        request,
        "fetching",
        device,
        "fetching",
        status=200 if error is None else 400,
        form=form,
        wrong={} if error is None else forms.wrong(error),
        known=known,
        notes=[one for one in notes if one.about is not About.KEPT_BACK],  # there is a button
        kept=0 if known is None else sum(known.kept.values()),
        app=device_links.fetchable(device.app),
        app_label=apps.label(device.app),
    )


async def _sign_in(request: web.Request) -> web.StreamResponse:
    device, at, form = words.found(request), desk(request), await forms.read(request)
    before = at.look().links.get(device.id)
    try:
        every = _interval(form.get("poll"))
        if (
            before is not None
            and form.get("phoneUrl") == before.url
            and not form.get("phonePassword")
        ):
            return await _look_every(request, device, every)
        access = await accessed(
            device.app,
            form.get("phoneUrl"),
            form.get("phoneUser"),
            form.get("phonePassword"),
            at.clock,
            at.rule,
        )
        if access is None:
            raise Invalid(
                Issue(path="phoneUrl", message="Name the phone's address: http://192.168.1.31:8080")
            )
        now = at.clock.now()

        def write(db: sqlite3.Connection) -> None:
            device_links.link(db, device, access.app, access.phone, every, now)
            words.note(request, db, "device.linked", device, access.phone.url)

        await at.change(write)
    except Invalid as error:
        return await _page(request, device, form, error)
    except Refused as error:
        wrong = Invalid(Issue(path="phoneUrl", message=str(error)))
        return await _page(request, device, form, wrong)
    there = see(request, words.path(device, "fetching"))
    after = "." if before is not None else device_links.from_now_on(access.app)
    return say(request, there, f"{device.name} is fetched from {access.phone.url}{after}")


def _interval(text: str) -> int | None:
    """Milliseconds between two looks; None: as the app has it. Raises Invalid."""
    if not text:
        return None
    try:
        seconds = parse_duration(text)
    except (ValueError, OverflowError):
        seconds = 0
    if not SHORTEST <= seconds <= LONGEST:
        raise Invalid(Issue(path="poll", message="Choose 1s to 1h, or leave it empty"))
    return seconds * 1000


async def _look_every(
    request: web.Request, device: Device, every: int | None
) -> web.StreamResponse:
    def write(db: sqlite3.Connection) -> None:
        link = links.known(db)[device.id]
        links.put(db, replace(link, interval=every))
        words.note(request, db, "device.changed", device, "how often it is looked at")

    await desk(request).change(write)
    return say(request, see(request, words.path(device, "fetching")), "Saved.")


async def _ask_unlink(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    counts = await at.database.read(lambda db: kept_back.counts(db, device.id))
    return words.shown(request, "unlink", device, kept=sum(counts.values()))


async def _unlink(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)

    def write(db: sqlite3.Connection) -> None:
        device_links.unlink(db, device)
        words.note(request, db, "device.unlinked", device)

    await at.change(write)
    told = f"{device.name} is fetched from no longer. What it pushes is taken as before."
    return say(request, see(request, words.path(device)), told)


async def _history(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    counts = await at.database.read(lambda db: kept_back.counts(db, device.id))
    endpoints = at.look().receivers
    return words.shown(
        request,
        "history",
        device,
        counts=counts,
        total=sum(counts.values()),
        restored=counts.get(Reason.RESTORED, 0),
        why=device_history.WHY,
        endpoints=endpoints,
    )


async def _decide(request: web.Request) -> web.StreamResponse:
    device, at, form = words.found(request), desk(request), await forms.read(request)
    there = see(request, words.path(device))
    if form.get("what") == "leave":

        def leave(db: sqlite3.Connection) -> int:
            left = kept_back.leave(db, device.id)
            words.note(request, db, "device.history_left", device, many(left, "text", "texts"))
            return left

        left = await at.change(leave)
        return say(request, there, f"{many(left, 'text is', 'texts are')} left unsent.")
    wanted = bool(at.look().receivers)
    if form.get("what") != "send" or not wanted:  # sent to nobody, the question would be over
        return see(request, words.path(device, "history"))
    sent, made = await _send(request, device)
    total = f"{many(sent, 'text', 'texts')}, {many(made, 'delivery', 'deliveries')}"
    await at.change(lambda db: words.note(request, db, "device.history_sent", device, total))
    goes = many(made, "delivery", "deliveries")
    return say(request, there, f"{many(sent, 'text is', 'texts are')} sent: {goes}.")


async def _send(request: web.Request, device: Device) -> tuple[int, int]:
    """Give all of them their deliveries, some at a time: (texts, deliveries)."""
    at = desk(request)
    sent = made = 0
    while True:
        some, new = await at.database.write(
            partial(
                device_history.send_some,
                device_id=device.id,
                configuration=at.look(),
                ids=at.ids,
                now=at.clock.now(),
            ),
            heavy=True,
        )
        if not some:
            return sent, made
        sent, made = sent + some, made + new
        at.wake()


ROUTES = (
    web.get("/phones/{id}/fetching", _show),
    web.post("/phones/{id}/fetching", _sign_in),
    web.get("/phones/{id}/unlink", _ask_unlink),
    web.post("/phones/{id}/unlink", _unlink),
    web.get("/phones/{id}/history", _history),
    web.post("/phones/{id}/history", _decide),
)
