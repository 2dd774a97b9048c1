"""What is set of a phone: its name, app, country, signing key, windows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.phones import words
from mmconnect.desk import apps, device_values, devices
from mmconnect.domain.clock import short_duration
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Device

_NAMES = {
    "name": "name",
    "app": "app",
    "country": "country",
    "signingKey": "signing key",
    "dedupeWindow": "dedupe window",
    "silentAfter": "when silent",
}


async def _show(request: web.Request) -> web.Response:
    device = words.found(request)
    return _page(request, device, _filled(device))


def _filled(device: Device) -> Form:
    silent = device.silent_after
    return forms.filled(
        name=device.name,
        app=device.app,
        country=device.country,
        dedupeWindow=device.dedupe_window,
        silentAfter=None if silent is None else short_duration(silent) if silent else "off",
    )


def _page(
    request: web.Request, device: Device, form: Form, error: Invalid | None = None
) -> web.Response:
    return words.shown(
        request,
        "settings",
        device,
        "settings",
        status=200 if error is None else 400,
        form=form,
        wrong={} if error is None else forms.wrong(error),
        apps=apps.every(),
        countries=words.country_choices("None: they stay as the phone gives them"),
        repeats=apps.repeats(device.app),
    )


async def _save(request: web.Request) -> web.StreamResponse:
    device, at, form = words.found(request), desk(request), await forms.read(request)
    try:
        values = _read(form)
    except Invalid as error:
        return _page(request, device, form, error)
    made = devices.with_values(device, values)
    fields = devices.FIELDS
    changed = [n for n in values if getattr(made, fields[n]) != getattr(device, fields[n])]

    def write(db: sqlite3.Connection) -> None:
        devices.change(db, device.id, {name: values[name] for name in changed})
        what = ", ".join(_NAMES[name] for name in changed)
        words.note(request, db, "device.changed", device, what)

    there = see(request, words.path(device, "settings"))
    if not changed:
        return say(request, there, "Nothing was changed.")
    await at.change(write)
    return say(request, there, "Saved. It counts from the next push on.")


def _read(form: Form) -> dict[str, Any]:
    """Values as they are kept. Raises Invalid with all that is wrong."""
    given: dict[str, Any] = {
        "name": form.get("name"),
        "app": form.get("app"),
        "country": form.get("country") or None,
    }
    if form.on("noKey"):
        given["signingKey"] = None
    elif form.get("signingKey"):
        given["signingKey"] = form.get("signingKey")
    issues: list[Issue] = []
    _text(form, "dedupeWindow", "Write it ", device_values.window_of, given, issues)
    _text(form, "silentAfter", "", device_values.silence_of, given, issues)
    try:
        values = device_values.checked(given)
    except Invalid as error:
        raise Invalid(*error.issues, *issues) from error
    if issues:
        raise Invalid(*issues)
    return values


def _text(
    form: Form,
    name: str,
    before: str,
    read: Callable[[str], int | None],
    given: dict[str, Any],
    issues: list[Issue],
) -> None:
    try:
        given[name] = read(form.get(name) or "default")
    except ValueError as error:
        said = f"{before}{error}"
        issues.append(Issue(path=name, message=f"{said[:1].upper()}{said[1:]}"))


ROUTES = (
    web.get("/phones/{id}/settings", _show),
    web.post("/phones/{id}/settings", _save),
)
