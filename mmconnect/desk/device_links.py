"""Phones that are fetched from, as an owner links and unlinks them.

The password is used in signing_in.sign_in() and never comes here. Each function is one write, to be
called inside a transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from mmconnect.domain.errors import Refused
from mmconnect.domain.models import Device
from mmconnect.phones.pulling import PORTS
from mmconnect.store import devices, links
from mmconnect.store.links import Link

if TYPE_CHECKING:  # only who asks a phone needs a web client
    from mmconnect.phones.pulling.signing_in import SignedIn

SHORTEST, LONGEST = 1, 3600
"""Seconds between two looks at a phone."""
USER = "sms"
"""The user of SMS Gateway's local server, unless somebody changed it."""
_BEFORE = {"smsgate": "what its inbox holds already is kept, and not sent"}


def fetchable(app: str) -> str | None:
    """The app that is meant when a device of this app is to be fetched from; None: it cannot be."""
    meant = "smsgate" if app == "auto" else app
    return meant if meant in PORTS else None


def from_now_on(app: str) -> str:
    """What a person who has just linked a phone has to know: follows its URL."""
    before = _BEFORE.get(app, "what it received before stays there")
    return f": what comes from now on is sent; {before}."


def put(
    db: sqlite3.Connection, device: Device, phone: SignedIn, every: int | None, now: int
) -> None:
    """Write a link with its tokens; `every`: ms between two looks, None for what it was.

    Raises Refused when another device is that phone: each of its texts would go out twice.
    """
    before = links.known(db).get(device.id)
    same = before is not None and before.phone_id in (None, phone.phone_id)
    _only_once(db, device, phone)
    if before is not None and not same:
        links.remove(db, device.id)  # another phone: what its inbox holds is history
    links.put(
        db,
        Link(
            device_id=device.id,
            url=phone.url,
            interval=every if every is not None or before is None else before.interval,
            phone_id=phone.phone_id,
            secret=phone.secret,
            created_at=now,
        ),
    )
    tokens = phone.tokens
    links.update(
        db,
        device.id,
        access_token=tokens and tokens.access,
        refresh_token=tokens and tokens.refresh,
        token_made_at=tokens and now,
        token_ends_at=tokens and tokens.ends_at,
        trouble=None,
        trouble_at=None,
    )


def link(
    db: sqlite3.Connection, device: Device, app: str, phone: SignedIn, every: int | None, now: int
) -> None:
    """Fetch from a phone that has let us in, or sign in to it again; `app`: of fetchable()."""
    if device.app != app:
        devices.change(db, replace(device, app=app))
    put(db, device, phone, every, now)


def _only_once(db: sqlite3.Connection, device: Device, phone: SignedIn) -> None:
    for other in links.known(db).values():
        there = (
            other.url == phone.url if phone.phone_id is None else other.phone_id == phone.phone_id
        )
        if there and other.device_id != device.id:
            named = devices.get(db, other.device_id)
            name = named.name if named is not None else other.device_id
            raise Refused(
                f"That phone is fetched from already, as {name} ({other.device_id}): each of its"
                " texts would go out twice. Nothing was changed. To fetch from it by another name,"
                f" first `mmconnect device unlink {other.device_id}`"
            )


def unlink(db: sqlite3.Connection, device: Device) -> None:
    """Fetch from a phone no longer. Raises Refused when it is not fetched from."""
    if not links.remove(db, device.id):
        raise Refused(f"{device.name} is not fetched from")
