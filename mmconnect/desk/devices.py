"""What an owner does with phones: add, change, new token, pairing code, remove.

Each function is one write, to be called inside a transaction; the running service notices what has
changed. Knows neither who asks nor how it is shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mmconnect.desk import device_links
from mmconnect.desk.actor import Actor
from mmconnect.desk.around import Around
from mmconnect.domain.clock import iso
from mmconnect.domain.errors import NotFound
from mmconnect.domain.ids import DEVICE, Ids
from mmconnect.domain.models import Device
from mmconnect.phones import codes
from mmconnect.phones.tokens import new_token
from mmconnect.phones.urls import push_url
from mmconnect.store import devices, links, pairings, settings

if TYPE_CHECKING:  # only who asks a phone needs a web client
    from mmconnect.phones.pulling.signing_in import SignedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code that opens the pairing page of a device. Only its hash is kept: show it now."""

    code: str = field(repr=False)
    expires_at: int
    """UTC ms."""

    def as_json(self, around: Around) -> dict[str, Any]:
        """The code as the API and `--json` have it."""
        return {
            "pairUrl": self.url(around),
            "pairCode": codes.shown(self.code),
            "pairExpiresAt": iso(self.expires_at),
        }

    def url(self, around: Around) -> str:
        """The page that it opens."""
        return codes.pair_url(around.pages, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A device with what it is to be given: its token, and a code for the pairing page."""

    device: Device
    token: str = field(repr=False)
    invitation: Invitation

    @property
    def push_url(self) -> str:
        """What it pushes to."""
        return push_url(self.device.push_base or "", self.token)

    def as_json(self, around: Around) -> dict[str, Any]:
        """As `device add` and the API answer."""
        return {
            "id": self.device.id,
            "name": self.device.name,
            "app": self.device.app,
            "token": self.token,
            "pushUrl": self.push_url,
            **self.invitation.as_json(around),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a phone pushes to, with its token."""

    token: str = field(repr=False)
    base: str

    @property
    def push_url(self) -> str:
        """Where its texts go."""
        return push_url(self.base, self.token)

    @property
    def beat_url(self) -> str:
        """Where its heartbeat goes."""
        return f"{self.base}/beat/{self.token}"


def connection(db: sqlite3.Connection, around: Around, device: Device) -> Connection:
    """What a phone pushes to: by the address that this machine has now."""
    here = around.base_for(device.app)
    base = device.push_base if device.push_base in around.bases.every else here
    return Connection(token=devices.current_token(db, device.id), base=base or here)


def find(db: sqlite3.Connection, device_id: str) -> Device:
    """A device by its id. Raises NotFound."""
    device = devices.get(db, device_id)
    if device is None:
        raise NotFound(f"There is no device {device_id}", listed_by="device list")
    return device


def add(
    db: sqlite3.Connection,
    around: Around,
    ids: Ids,
    device: Device,
    phone: SignedIn | None = None,
    every: int | None = None,
) -> Given:
    """Add a device; its id, country (where none is set) and push URL are settled here.

    `phone`: that it is fetched from, and has let us in; `every`: ms between two looks at it. Raises
    Refused when another device is that phone.
    """
    token, country = new_token(), settings.value(db, settings.COUNTRY)
    app = "smsgate" if phone is not None and device.app == "auto" else device.app
    device = replace(
        device,
        id=ids.new(DEVICE),
        app=app,
        country=device.country or (country.upper() if country else None),
        push_base=around.base_for(app),
        created_at=around.now,
    )
    devices.add(db, device, token)
    if phone is not None:
        device_links.put(db, device, phone, every, around.now)
    return Given(device=device, token=token, invitation=invite(db, device.id, around.now))


def fresh(name: str, app: str = "auto") -> Device:
    """A device before it is added: only what nobody else settles."""
    return Device(id="", name=name, app=app, country=None, signing_key=None, created_at=0)


def with_values(device: Device, values: Mapping[str, Any]) -> Device:
    """A device with these values, as device_values.checked() gives them."""
    named = {FIELDS[name]: value for name, value in values.items()}
    return replace(device, **named)


FIELDS = {
    "name": "name",
    "app": "app",
    "country": "country",
    "signingKey": "signing_key",
    "mapping": "mapping",
    "dedupeWindow": "dedupe_window",
    "silentAfter": "silent_after",
}
"""What can be set, by its name in the API: the attribute of Device."""


def change(db: sqlite3.Connection, device_id: str, values: Mapping[str, Any]) -> Device:
    """Change what is named of a device, and nothing else. Raises NotFound."""
    device = with_values(find(db, device_id), values)
    devices.change(db, device)
    return device


def told(db: sqlite3.Connection, around: Around, device_id: str) -> Device:
    """The phone has been given the address that mmconnect has now. Raises NotFound."""
    device = replace(find(db, device_id), push_base=around.pages)
    devices.change(db, device)
    return device


def renew_token(db: sqlite3.Connection, around: Around, device_id: str) -> Given:
    """A new token; the old one ends when it is used, in 7 days at most. Raises NotFound."""
    device, token = find(db, device_id), new_token()
    device = replace(device, push_base=around.base_for(device.app))
    devices.replace_token(db, device.id, token, around.now)
    devices.change(db, device)
    return Given(device=device, token=token, invitation=invite(db, device.id, around.now))


def invite(db: sqlite3.Connection, device_id: str, now: int) -> Invitation:
    """A new code for a device at `now` (UTC ms); its older ones end."""
    made = Invitation(code=codes.new_code(), expires_at=now + codes.LIFE)
    pairings.add(db, codes.digest(made.code), device_id, now, made.expires_at)
    return made


def remove(db: sqlite3.Connection, device_id: str, now: int) -> Device:
    """Refuse its pushes from now (UTC ms) on, and forget what opens the phone. Raises NotFound."""
    device = find(db, device_id)
    devices.remove(db, device.id, now)
    links.remove(db, device.id)
    return device


def note(
    db: sqlite3.Connection, by: Actor, now: int, action: str, device: Device, detail: str = ""
) -> None:
    """Write down what was done to a device at `now` (UTC ms), in the write that does it."""
    by.note(db, now, action, device.id, f"{device.name}: {detail}" if detail else device.name)
