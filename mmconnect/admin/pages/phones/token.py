"""A phone's push URL: shown to whoever has just entered the password, and made anew."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin.confirm import confirmed
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.pages.phones import pairing, words
from mmconnect.desk import apps
from mmconnect.desk import devices as desk_devices


async def _show(request: web.Request) -> web.StreamResponse:
    await confirmed(request)
    device, at = words.found(request), desk(request)
    around = at.around()
    known = await at.database.read(lambda db: desk_devices.connection(db, around, device))
    return words.shown(
        request,
        "token",
        device,
        known=known,
        app=apps.label(device.app),
    )


async def _ask(request: web.Request) -> web.Response:
    return words.shown(request, "new_token", words.found(request))


async def _renew(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    around = at.around()

    def write(db: sqlite3.Connection) -> desk_devices.Given:
        given = desk_devices.renew_token(db, around, device.id)
        words.note(request, db, "device.token_renewed", given.device)
        return given

    given = await at.change(write)
    pairing.remember(request, given.device, given.invitation)
    told = "It has a new token. Set the phone up with it: the old one works until this one is used,"
    there = see(request, words.path(device, "pair"))
    return say(request, there, f"{told} 7 days at most.")


ROUTES = (
    web.get("/phones/{id}/token", _show),
    web.get("/phones/{id}/new-token", _ask),
    web.post("/phones/{id}/new-token", _renew),
)
