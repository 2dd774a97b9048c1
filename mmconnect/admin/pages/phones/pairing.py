"""Setting a phone up: the code for its browser, and how far it has come.

A code is kept nowhere but as a hash, so what a page shows of it is remembered here while it lives;
after a restart one asks for a new one.
"""

from __future__ import annotations

import sqlite3

from aiohttp import web
from markupsafe import Markup

from mmconnect.admin.context import desk, see
from mmconnect.admin.pages.phones import words
from mmconnect.admin.pages.phones.certificate import certificate
from mmconnect.desk import apps, devices
from mmconnect.desk.devices import Invitation
from mmconnect.desk.pair_progress import code_of, code_page, progress, qr_svg, told
from mmconnect.domain.models import Device

_MOST = 64


class Invitations:
    """The codes that were made in this run, by device."""

    def __init__(self) -> None:
        self._made: dict[str, Invitation] = {}

    def remember(self, device_id: str, invitation: Invitation) -> None:
        """Keep the newest of a device, and not more than a few of all."""
        self._made.pop(device_id, None)
        self._made[device_id] = invitation
        while len(self._made) > _MOST:
            del self._made[next(iter(self._made))]

    def of(self, device_id: str) -> Invitation | None:
        """The newest of a device, if it was made in this run."""
        return self._made.get(device_id)


INVITATIONS = web.AppKey("invitations", Invitations)


def remember(request: web.Request, device: Device, invitation: Invitation) -> None:
    """A code was made, and is about to be shown."""
    request.app[INVITATIONS].remember(device.id, invitation)
    desk(request).pairings.expect(device.id)


async def _pair(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    around = at.around()
    known = await at.database.read(lambda db: progress(db, device.id, around.now))
    stage = known.stage(at.presences.of(device.id).last_heard_at, around.now)
    invitation = request.app[INVITATIONS].of(device.id)
    shown = invitation if known.is_of(invitation) else None
    link = None if shown is None else shown.url(around)
    return words.shown(
        request,
        "pair",
        device,
        stage=stage,
        code=None if shown is None else code_of(shown),
        ends_at=None if shown is None else shown.expires_at,
        link=link,
        code_page=code_page(around),
        qr=None if link is None else Markup(qr_svg(link)),  # noqa: S704 (segno's own markup)
        guide=apps.guide(device.app),
        app=apps.label(device.app),
        told=told(device, stage, at.pairings, around),
        certificate=certificate(request) if apps.needs_https(device.app) else None,
    )


async def _again(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    now = at.clock.now()

    def write(db: sqlite3.Connection) -> Invitation:
        words.note(request, db, "device.invited", device)
        return devices.invite(db, device.id, now)

    remember(request, device, await at.change(write))
    return see(request, words.path(device, "pair"))


ROUTES = (
    web.get("/phones/{id}/pair", _pair),
    web.post("/phones/{id}/pair", _again),
)
