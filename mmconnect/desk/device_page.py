"""What is known of a phone, put together: for its page, for `device list|show` and for the API."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mmconnect.desk import device_link_page, device_notes, shown
from mmconnect.desk.around import Around
from mmconnect.desk.device_link_page import LinkPage
from mmconnect.desk.device_notes import Note
from mmconnect.desk.wording import midnight
from mmconnect.domain.clock import iso
from mmconnect.domain.models import Device
from mmconnect.phones import versions
from mmconnect.phones.facts import BATTERY, CHARGING, NETWORK
from mmconnect.phones.guides import loss_label
from mmconnect.phones.liveness import allowed
from mmconnect.phones.urls import push_url
from mmconnect.phones.whereabouts import Move, moved
from mmconnect.store import device_watch, devices
from mmconnect.store.device_watch import DeviceNote
from mmconnect.store.devices import Presence

EVENTS = 10
"""What a phone told of itself: so many of the last."""


class State(StrEnum):
    """How a phone is, in one word."""

    FINE = "fine"
    SILENT = "silent"
    """It has not been heard for longer than it may be."""
    AWAY = "away"
    """It cannot be fetched from."""
    REFUSED = "refused"
    """The last thing that it pushed was refused."""
    NOT_UNDERSTOOD = "not understood"
    """Pushes are kept that could not be read."""
    NEVER_HEARD = "never heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One phone, with what is to be said of it."""

    device: Device
    presence: Presence
    pulled: bool
    link: LinkPage | None
    """How it is fetched from."""
    move: Move | None
    """Where it still pushes to, and where it should."""
    base: str
    """Of its push URL: as it was last told, or where mmconnect is now."""
    silent_after: int | None
    """Seconds; None: never."""
    version: str | None
    unrecognised: int
    notes: tuple[Note, ...]
    """What should be done."""

    @property
    def loss(self) -> str | None:
        """What is lost while mmconnect is away."""
        return loss_label(self.device.app, pulled=self.pulled)

    @property
    def battery(self) -> int | None:
        """Percent, as it last told."""
        level = self.presence.facts.get(BATTERY)
        return level if isinstance(level, int) else None

    @property
    def charging(self) -> bool | None:
        """Whether it charges; None when it did not say."""
        told = self.presence.facts.get(CHARGING)
        return told if isinstance(told, bool) else None

    @property
    def network(self) -> str | None:
        """`Wi-Fi`, `mobile data`, `none`; None when it did not say."""
        told = self.presence.facts.get(NETWORK)
        return told if isinstance(told, str) else None

    @property
    def state(self) -> State:
        """How it is: the worst that is true of it."""
        seen = self.presence
        if seen.silent_at is not None:
            return State.SILENT
        if self.link is not None and self.link.state.trouble is not None:
            return State.AWAY
        if seen.rejected_at is not None and seen.rejected_at >= (seen.last_heard_at or 0):
            return State.REFUSED
        if self.unrecognised:
            return State.NOT_UNDERSTOOD
        return State.NEVER_HEARD if seen.last_heard_at is None else State.FINE

    def as_json(self) -> dict[str, Any]:
        """As the listing gives it."""
        seen = self.presence
        return shown.device(self.device, seen) | {
            "way": "pull" if self.pulled else "push",
            "pushBase": self.base,
            "appVersion": self.version,
            "battery": self.battery,
            "charging": self.charging,
            "network": self.network,
            "lastBeatAt": shown.moment(seen.beat_at),
            "silentAfter": self.silent_after,
            "silentSince": shown.moment(seen.silent_at),
            "unrecognised": self.unrecognised,
            "loss": self.loss,
            "notes": [note.whole for note in self.notes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything that is known of one phone."""

    page: Page
    today: int
    """Texts since midnight where this machine stands."""
    told: tuple[DeviceNote, ...]
    """What it told of itself, newest first."""

    def as_json(self, token: str | None = None) -> dict[str, Any]:
        """As `device show` gives it; with the push URL, when the token is to be shown."""
        page = self.page
        made = page.as_json() | {
            "mapping": page.device.mapping,
            "textsToday": self.today,
            "link": None if page.link is None else page.link.as_json(),
            "events": [
                {"name": e.name, "receivedAt": iso(e.received_at), "detail": e.detail}
                for e in self.told
            ],
        }
        if token is not None:
            made |= {"token": token, "pushUrl": push_url(page.base, token)}
        return made


def whole(db: sqlite3.Connection, around: Around, device: Device) -> Whole:
    """Everything that is known of one phone."""
    (page,) = pages(db, around, [device])
    return Whole(
        page=page,
        today=device_watch.taken_since(db, device.id, midnight(around.now)),
        told=tuple(device_watch.last_events(db, device.id, EVENTS)),
    )


def pages(db: sqlite3.Connection, around: Around, found: Iterable[Device]) -> list[Page]:
    """The pages of these devices."""
    written, pulled = devices.presences(db), device_watch.pulled(db)
    odd = device_watch.unrecognised(db)
    made = []
    for device in found:
        seen = written.get(device.id) or Presence(device_id=device.id)
        if around.presence is not None:
            seen = around.presence(device.id)
        is_pulled = device.id in pulled
        link = device_link_page.page(db, device.id)
        move = None if is_pulled else moved(device, around.own, around.real)
        count = odd.get(device.id, 0)
        made.append(
            Page(
                device=device,
                presence=seen,
                pulled=is_pulled,
                link=link,
                move=move,
                base=device.push_base or around.pages,
                silent_after=allowed(
                    device,
                    pulled=is_pulled,
                    beat_gap=seen.beat_gap,
                    every=pulled.get(device.id, 0),
                ),
                version=versions.told(seen.user_agent, seen.facts),
                unrecognised=count,
                notes=tuple(_notes(device, seen, link, move, count, around.now)),
            )
        )
    return made


def _notes(
    device: Device,
    seen: Presence,
    link: LinkPage | None,
    move: Move | None,
    unrecognised: int,
    now: int,
) -> list[Note]:
    notes = [] if move is None else [device_notes.moved(move)]
    if link is not None:
        notes += link.notes(now)
    advice = versions.advice(device.app, seen.user_agent, seen.facts)
    if advice is not None:
        notes.append(device_notes.version(advice))
    if seen.silent_at is not None:
        notes.append(device_notes.silent(seen.last_heard_at or device.created_at))
    if unrecognised:
        notes.append(device_notes.unrecognised(device.id, unrecognised))
    return notes
