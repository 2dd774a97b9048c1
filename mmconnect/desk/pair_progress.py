"""How far setting a phone up has come, for the owner who waits: told by the database and by what
came in that was no good.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.desk import apps
from mmconnect.desk.around import Around
from mmconnect.desk.devices import Invitation
from mmconnect.domain.models import Device
from mmconnect.phones import codes, qr
from mmconnect.phones.diagnosis import UNSEEN_AFTER, Circumstances, Finding, findings, unseen
from mmconnect.phones.pairing import Pairings
from mmconnect.store import device_watch, pairings
from mmconnect.store.pairings import Pairing


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

    @property
    def over(self) -> bool:
        """Whether nobody waits any more."""
        return self not in (Stage.WAITING, Stage.CONTINUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the database knows of it."""

    pairing: Pairing | None
    """The newest; None when there was none."""
    text_came: bool
    """Since its code was made."""

    def stage(self, heard_at: int | None, now: int) -> Stage:
        """How far it is at `now`, with a phone that was heard then (UTC ms)."""
        pairing = self.pairing
        if self.text_came:
            return Stage.ARRIVED
        if pairing is None:
            return Stage.NOTHING
        if pairing.paired_at is not None or (heard_at or 0) >= pairing.created_at:
            return Stage.REPORTED
        if not pairing.is_open(now):
            return Stage.NOTHING
        return Stage.WAITING if pairing.cookie_hash is None else Stage.CONTINUED

    def is_of(self, invitation: Invitation | None) -> bool:
        """Whether that is the code of this very pairing."""
        return (
            invitation is not None
            and self.pairing is not None
            and codes.digest(invitation.code) == self.pairing.code_hash
        )


def progress(db: sqlite3.Connection, device_id: str, now: int) -> Progress:
    """How far a device has come at `now` (UTC ms) since its newest code.

    A code that ended more than a day ago is history, and asks for no walk through the messages.
    """
    pairing = pairings.of_device(db, device_id)
    if pairing is None or now >= pairing.expires_at + pairings.REMEMBERED:
        return Progress(pairing=None, text_came=False)
    came = device_watch.came_since(db, device_id, pairing.created_at)
    return Progress(pairing=pairing, text_came=came)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is wrong, and what may be."""

    findings: Sequence[Finding] = ()
    hints: Sequence[Finding] = ()
    """What cannot be seen from here; only after a while of nothing."""


def told(device: Device, stage: Stage, waiting: Pairings, around: Around) -> Told:
    """What the person who waits is told. That HTTPS is missing is said elsewhere."""
    if stage.over:
        return Told()
    https = bool(around.bases.https)
    circumstances = Circumstances(
        address="",
        on_phone=False,
        networks=(),
        has_https=https,
        secure=https and apps.needs_https(device.app),
    )
    found = findings(waiting.mistakes(device.id), circumstances)
    late = stage is Stage.CONTINUED and waiting.waited(device.id) >= UNSEEN_AFTER
    return Told(findings=found, hints=unseen(circumstances) if late and not found else ())


def code_of(invitation: Invitation) -> str:
    """As a person types it: `7K2M-9XQ4`."""
    return codes.shown(invitation.code)


def code_page(around: Around) -> str:
    """Where a code can be typed."""
    return around.pages + codes.PATH


def qr_svg(link: str) -> str:
    """The QR code of a pairing page, as markup that holds nothing else."""
    return qr.svg(link, "QR code of the pairing page")
