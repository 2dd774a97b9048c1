"""A phone's page: how it is, what should be done about it, and a text to try it with."""

from __future__ import annotations

import json
import sqlite3

from aiohttp import web

from mmconnect.admin import forms, marks
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.phones import words
from mmconnect.admin.pages.phones.certificate import certificate
from mmconnect.desk import apps, devices, simulating, trends
from mmconnect.desk.device_notes import About
from mmconnect.desk.device_page import State, whole
from mmconnect.domain.clock import short_duration
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.domain.models import Device
from mmconnect.store import kept_back

SENDER, TEXT = "+15550100", "Hello from mmconnect"
"""What a simulated text begins with: a number that belongs to nobody."""
_LONGEST_SENDER, _LONGEST_TEXT = 100, 5000


async def _show(request: web.Request) -> web.Response:
    form = forms.filled(sender=SENDER, text=TEXT)
    return await _page(request, words.found(request), form)


async def _page(
    request: web.Request, device: Device, form: Form, error: Invalid | None = None
) -> web.Response:
    at = desk(request)
    around = at.around()
    known = await at.database.read(lambda db: whole(db, around, device))
    trend = await at.figures.read(lambda db, new: trends.texts(db, new, device.id))
    found, seen = known.page, known.page.presence
    return words.shown(
        request,
        "one",
        device,
        "one",
        status=200 if error is None else 400,
        form=form,
        wrong={} if error is None else forms.wrong(error),
        known=known,
        found=found,
        seen=seen,
        sentence=words.sentence(found, known.today, around.now),
        state=marks.phone(found),
        app=apps.label(device.app),
        battery=words.battery(found),
        network=found.network,
        refused=_refused(found.state, seen.rejected_reason),
        last_refusal=_why_refused(seen.rejected_reason)[0],
        about=About,
        notes=sorted(found.notes, key=lambda note: note.about is not About.SILENT),
        trend=trend,
        told=[
            (one.name, one.received_at, json.dumps(one.detail, indent=2, ensure_ascii=False))
            for one in known.told
        ],
        silence=_silence(found.silent_after, own=device.silent_after is not None),
        certificate=certificate(request),
    )


def _refused(state: State, reason: str | None) -> tuple[str, str] | None:
    """Why the last push was refused, and what to do; None when it was not."""
    if state is not State.REFUSED:
        return None
    return _why_refused(reason)


def _why_refused(reason: str | None) -> tuple[str, str]:
    return words.REFUSED.get(reason or "", ((reason or "unknown").replace("_", " "), ""))


def _silence(after: int | None, *, own: bool) -> str:
    if after is None:
        return "never" if own else "never: it has no heartbeat"
    return f"after {short_duration(after)}{'' if own else ', as usual for it'}"


async def _simulate(request: web.Request) -> web.StreamResponse:
    device, at, form = words.found(request), desk(request), await forms.read(request)
    sender, text = form.get("sender"), form.get("text")
    issues = []
    if not 0 < len(sender) <= _LONGEST_SENDER:
        issues.append(Issue(path="sender", message="Say who it is from: a number, or a name"))
    if not 0 < len(text) <= _LONGEST_TEXT:
        issues.append(Issue(path="text", message=f"Write a text, of {_LONGEST_TEXT} characters"))
    if issues:
        return await _page(request, device, form, Invalid(*issues))
    try:
        now, listening = at.clock.now(), at.listeners().phone
        actor = await at.database.read(lambda db: simulating.choose(db, device.id, now))
        told = await simulating.play(actor, listening, sender, text, now)
        told = await at.database.read(lambda db: simulating.verdict(db, actor, told))
    except Refused as error:
        return await _page(request, device, form, Invalid(Issue(path="text", message=str(error))))
    if told.status != 200 or told.message_id is None:
        why = str(told.answer.get("message", f"the listener answered {told.status}"))
        return await _page(request, device, form, Invalid(Issue(path="text", message=why)))
    there = see(request, words.path(device))
    link = ("What became of it", f"/messages/{told.message_id}")
    what = "The text went through the phone listener, as the phone's own would."
    if told.answer.get("duplicate"):
        what = "The listener took it for one that came before, and sends nothing twice."
    return say(request, there, what, link=link)


async def _told(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    around = at.around()

    def write(db: sqlite3.Connection) -> None:
        devices.told(db, around, device.id)
        words.note(request, db, "device.changed", device, "it was told the new address")

    await at.change(write)
    return say(request, see(request, words.path(device)), "Good: it is taken to push there now.")


async def _ask_removal(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    counts = await at.database.read(lambda db: kept_back.counts(db, device.id))
    return words.shown(
        request,
        "remove",
        device,
        kept=sum(counts.values()),
        linked=device.id in at.look().links,
        days=round(at.look().preferences.retention_messages / 86_400),
    )


async def _remove(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    now = at.clock.now()

    def write(db: sqlite3.Connection) -> None:
        devices.remove(db, device.id, now)
        words.note(request, db, "device.removed", device)

    await at.change(write)
    told = f"{device.name} was removed: its pushes are refused from now on."
    return say(request, see(request, "/phones"), told)


ROUTES = (
    web.get("/phones/{id}", _show),
    web.post("/phones/{id}/simulate", _simulate),
    web.post("/phones/{id}/told", _told),
    web.get("/phones/{id}/remove", _ask_removal),
    web.post("/phones/{id}/remove", _remove),
)
