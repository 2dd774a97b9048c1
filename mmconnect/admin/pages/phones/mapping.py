"""Where a phone's fields are: a sample is pasted, what mmconnect makes of it is shown, then saved.

Looking at a sample stores nothing. A push that was not understood can be the sample.
"""

from __future__ import annotations

import json
import sqlite3

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.phones import words
from mmconnect.desk import apps, device_values, devices
from mmconnect.desk.mapping_preview import (
    LARGEST,
    PATHS,
    Preview,
    Push,
    own_paths,
    preview,
    push_of,
    sample,
)
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Device, Kind
from mmconnect.store import device_watch, messages
from mmconnect.store.messages import StoredMessage

LABELS = {
    "from": "Sender",
    "text": "Text",
    "time": "When it was sent",
    "id": "The app's own id",
    "sim": "SIM",
    "to": "Recipient",
    "subject": "Subject",
}

_RARE = ("id", "sim", "to", "subject")
"""Fields that few have to say a path of."""


async def _show(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    form, push, stored = _filled(device), None, None
    if (message_id := request.query.get("message")) is not None:
        stored = await at.database.read(lambda db: messages.get(db, message_id))
        if stored is not None and stored.message.device_id == device.id:
            push = push_of(stored)
        else:
            stored = None
    found = None if push is None else _preview(request, device, push)
    return _page(request, device, form, found, stored)


def _filled(device: Device) -> Form:
    return forms.filled(**{f"path-{field}": path for field, path in own_paths(device).items()})


def _preview(request: web.Request, device: Device, push: Push) -> Preview:
    at = desk(request)
    return preview(device, push, at.look().tenant, at.clock.now())


def _page(
    request: web.Request,
    device: Device,
    form: Form,
    found: Preview | None = None,
    stored: StoredMessage | None = None,
    error: Invalid | None = None,
) -> web.Response:
    bad = {} if error is None else forms.wrong(error)
    payload = None
    if found is not None and found.payload is not None:
        payload = json.dumps(json.loads(found.payload), indent=2, ensure_ascii=False)
    raw = None if stored is None or stored.raw is None else stored.raw.decode("utf-8", "replace")
    return words.shown(
        request,
        "mapping",
        device,
        "mapping",
        status=200 if error is None else 400,
        form=form,
        wrong=bad,
        found=found,
        looks_like=None if found is None else apps.label(found.app),
        payload=payload,
        labels=LABELS,
        fixed=apps.fixed(device.app),
        app=apps.label(device.app),
        usual={field: ", ".join(names[:4]) for field, names in PATHS.items()},
        suggested={} if found is None else found.suggested,
        message=None if stored is None else stored.message.id,
        unread=stored is not None and stored.message.kind is Kind.UNRECOGNISED,
        raw=raw,
        more_open=any(form.get(f"path-{field}") or f"path-{field}" in bad for field in _RARE),
    )


async def _try(request: web.Request) -> web.StreamResponse:
    device, at, form = words.found(request), desk(request), await forms.read(request)
    message_id = form.get("message")
    stored = None
    if message_id:
        stored = await at.database.read(lambda db: messages.get(db, message_id))
        if stored is not None and stored.message.device_id != device.id:
            stored = None
    try:
        paths = _paths(form)
        if form.on("save"):
            return await _save(request, device, paths, unread=stored is not None)
        made = devices.with_values(device, {"mapping": paths})
        push = None if stored is None else push_of(stored)
        if push is None:
            push = _pasted(form)
    except Invalid as error:
        return _page(request, device, form, stored=stored, error=error)
    found = _preview(request, made, push)
    if form.on("take") and found.suggested:
        paths = {**found.suggested, **paths}
        made = devices.with_values(device, {"mapping": paths})
        typed = {name: form.get(name) for name in ("sample", "headers", "message")}
        form = forms.filled(**typed, **{f"path-{field}": path for field, path in paths.items()})
        found = _preview(request, made, push)
    return _page(request, device, form, found, stored)


def _pasted(form: Form) -> Push:
    body, headers = form.get("sample"), form.get("headers")
    if not body and not headers:
        raise Invalid(Issue(path="sample", message="Paste what the app sends"))
    if len(body.encode("utf-8", "replace")) > LARGEST:
        raise Invalid(Issue(path="sample", message="Paste one push, of 64 kB at most"))
    return sample(body, headers)


def _paths(form: Form) -> dict[str, str]:
    """Own paths by field. Raises Invalid by the names of the form."""
    given = {field: form.get(f"path-{field}") for field in PATHS}
    issues = []
    good: dict[str, str] = {}
    for field, path in given.items():
        if not path:
            continue
        try:
            good |= device_values.checked({"mapping": {field: path}})["mapping"]
        except Invalid as error:
            issues.append(Issue(path=f"path-{field}", message=error.issues[0].message))
    if issues:
        raise Invalid(*issues)
    return good


async def _save(
    request: web.Request, device: Device, paths: dict[str, str], *, unread: bool
) -> web.StreamResponse:
    def write(db: sqlite3.Connection) -> None:
        devices.change(db, device.id, {"mapping": paths})
        words.note(request, db, "device.changed", device, "mapping")

    await desk(request).change(write)
    kept = await desk(request).database.read(device_watch.unrecognised)
    if unread:
        told = "Saved. Now read again what was not understood."
        return say(request, see(request, words.path(device, "unread")), told)
    return say(
        request,
        see(request, words.path(device, "mapping")),
        "Saved. It counts from the next push on.",
        link=("Read again what was not understood", words.path(device, "unread"))
        if device.id in kept
        else None,
    )


ROUTES = (
    web.get("/phones/{id}/mapping", _show),
    web.post("/phones/{id}/mapping", _try),
)
