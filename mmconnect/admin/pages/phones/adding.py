"""Adding a phone: its name, its app, its country; one with a server of its own is tried at once.

The phone's password is used for one sign-in and goes nowhere else, not back into the page either.
"""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.phones import pairing, words
from mmconnect.admin.render import page
from mmconnect.desk import apps, device_links, device_values, devices
from mmconnect.desk.phone_access import Access, accessed
from mmconnect.domain import countries
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.store import settings


async def _form(request: web.Request) -> web.Response:
    app = request.query.get("app", "")
    begun = forms.filled(app=app if apps.guide(app) else apps.FIRST, phoneUser=device_links.USER)
    return await _page(request, begun)


async def _page(request: web.Request, form: Form, error: Invalid | None = None) -> web.Response:
    at = desk(request)
    country = await at.database.read(lambda db: settings.value(db, settings.COUNTRY))
    return page(
        request,
        "phones/new.html",
        area="phones",
        status=200 if error is None else 400,
        form=form,
        wrong={} if error is None else forms.wrong(error),
        groups=apps.choices(),
        countries=words.country_choices(_without(country)),
        first=not at.look().phones,
    )


def _without(country: str | None) -> str:
    """What a phone without a country of its own gets."""
    if not country:
        return "None: they stay as the phone gives them"
    return f"As set for all: {countries.NAMES.get(country, country)}"


async def _add(request: web.Request) -> web.StreamResponse:
    form = await forms.read(request)
    at = desk(request)
    try:
        values = device_values.checked(
            {
                "name": form.get("name"),
                "app": form.get("app"),
                "country": form.get("country") or None,
            }
        )
        access = await accessed(
            values["app"],
            form.get("phoneUrl"),
            form.get("phoneUser"),
            form.get("phonePassword"),
            at.clock,
            at.rule,
        )
    except Invalid as error:
        return await _page(request, form, error)
    around, ids = at.around(), at.ids
    device = devices.with_values(devices.fresh(values["name"]), values)

    def write(db: sqlite3.Connection) -> devices.Given:
        phone = None if access is None else access.phone
        given = devices.add(db, around, ids, device, phone)
        words.note(request, db, "device.added", given.device)
        return given

    try:
        given = await at.change(write)
    except Refused as error:
        return await _page(request, form, Invalid(Issue(path="phoneUrl", message=str(error))))
    pairing.remember(request, given.device, given.invitation)
    return _added(request, given, access)


def _added(request: web.Request, given: devices.Given, access: Access | None) -> web.Response:
    there = see(request, words.path(given.device, "pair"))
    if access is None:
        return there
    before = device_links.from_now_on(given.device.app)
    return say(
        request,
        there,
        f"{given.device.name} let mmconnect in, and is fetched from {access.phone.url}{before}",
    )


ROUTES = (web.get("/phones/new", _form), web.post("/phones/new", _add))
