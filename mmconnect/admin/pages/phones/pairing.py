"""Setting a phone up: the code for its browser, and how far it has come.

A code is kept nowhere but as a hash, so what a page shows of it is remembered here while it lives;
after a restart one asks for a new one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web
from markupsafe import Markup

from mmconnect.admin import entrance
from mmconnect.admin.context import desk, see
from mmconnect.admin.pages.phones import words
from mmconnect.admin.pages.phones.certificate import Certificate, certificate
from mmconnect.admin.words import moment
from mmconnect.desk import devices
from mmconnect.desk.devices import Invitation
from mmconnect.domain.models import Device
from mmconnect.phones import codes, qr
from mmconnect.phones.diagnosis import UNSEEN_AFTER, Circumstances, findings, unseen
from mmconnect.phones.guides import GUIDES
from mmconnect.store import device_watch, pairings
from mmconnect.store.pairings import Pairing

_MOST = 64


class Stage(StrEnum):
    """How far it has come."""

    NOTHING = "nothing"
    """There is no code that could lead anywhere."""
    WAITING = "waiting"
    """For somebody to open the page on the phone."""
    CONTINUED = "continued"
    """A browser has it; the phone has said nothing yet."""
    REPORTED = "reported"
    """The phone has said something, but no text came."""
    ARRIVED = "arrived"
    """A text came."""


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

    def of(self, device_id: str, pairing: Pairing | None) -> Invitation | None:
        """What can be shown: the code of that very pairing."""
        known = self._made.get(device_id)
        if known is None or pairing is None or codes.digest(known.code) != pairing.code_hash:
            return None
        return known


INVITATIONS = web.AppKey("invitations", Invitations)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    pairing: Pairing | None
    texts: int
    """That came since the code was made."""


def remember(request: web.Request, device: Device, invitation: Invitation) -> None:
    """A code was made, and is about to be shown."""
    request.app[INVITATIONS].remember(device.id, invitation)
    desk(request).pairings.expect(device.id)


async def _pair(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)
    around = at.around()

    def look(db: sqlite3.Connection) -> _Known:
        pairing = pairings.of_device(db, device.id)
        since = 0 if pairing is None else pairing.created_at
        texts = 0 if pairing is None else device_watch.taken_since(db, device.id, since)
        return _Known(pairing=pairing, texts=texts)

    known = await at.database.read(look)
    pairing = known.pairing
    heard = at.presences.of(device.id).last_heard_at
    stage = _stage(known, heard, around.now)
    invitation = request.app[INVITATIONS].of(device.id, pairing)
    link = None if invitation is None else invitation.url(around)
    return words.shown(
        request,
        "pair",
        device,
        stage=stage,
        invitation=invitation,
        code=None if invitation is None else codes.shown(invitation.code),
        link=link,
        until=None if invitation is None else moment(invitation.expires_at)[11:16],
        code_page=around.pages + codes.PATH,
        qr=None if link is None else _qr(link),
        guide=GUIDES.get(device.app),
        app=words.app_of(device),
        told=_told(request, device, stage),
        certificate=_needed(request, device),
    )


def _qr(link: str) -> Markup:
    return Markup(qr.svg(link, "QR code of the pairing page"))  # noqa: S704 (segno's own markup)


def _stage(known: _Known, heard: int | None, now: int) -> Stage:
    pairing = known.pairing
    if known.texts:
        return Stage.ARRIVED
    if pairing is not None and (pairing.paired_at or (heard or 0) >= pairing.created_at):
        return Stage.REPORTED
    if pairing is None or not pairing.is_open(now):
        return Stage.NOTHING
    return Stage.WAITING if pairing.cookie_hash is None else Stage.CONTINUED


def _told(request: web.Request, device: Device, stage: Stage) -> dict[str, Any]:
    """What was seen that is no good, and after a while what cannot be seen."""
    at = desk(request)
    if stage not in (Stage.WAITING, Stage.CONTINUED):
        return {"findings": [], "hints": []}
    where = at.where()
    guide = GUIDES.get(device.app)
    around = Circumstances(
        address=entrance.actor(request).address or "",
        on_phone=False,
        networks=(),
        needs_https=False,  # said by a notice with a button
        has_https=bool(where.https),
        secure=bool(guide and guide.needs_https and where.https),
    )
    found = findings(at.pairings.mistakes(device.id), around)
    late = at.pairings.waited(device.id) >= UNSEEN_AFTER and stage is Stage.CONTINUED
    return {"findings": found, "hints": unseen(around) if late and not found else []}


def _needed(request: web.Request, device: Device) -> Certificate | None:
    """What HTTPS lacks that the app's pushes need; None when it lacks nothing."""
    guide = GUIDES.get(device.app)
    if guide is None or not guide.needs_https or desk(request).where().https:
        return None
    return certificate(request)


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
