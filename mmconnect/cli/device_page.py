"""What is known of a phone, put together for `device list` and `device show`."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmconnect.cli import device_link_page, output, reached
from mmconnect.cli.device_link_page import LinkPage
from mmconnect.desk import shown
from mmconnect.domain.clock import SystemClock, iso
from mmconnect.domain.models import Device
from mmconnect.phones import versions
from mmconnect.phones.facts import BATTERY, CHARGING, NETWORK
from mmconnect.phones.guides import loss_label
from mmconnect.phones.liveness import allowed
from mmconnect.phones.urls import Bases
from mmconnect.phones.whereabouts import moved
from mmconnect.service.addresses import own_addresses
from mmconnect.store import device_watch, devices
from mmconnect.store.devices import Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One phone, with what is to be said of it."""

    device: Device
    presence: Presence
    pulled: bool
    link: LinkPage | None
    """How it is fetched from."""
    base: str
    """Of its push URL: as it was last told, or where mmconnect is now."""
    silent_after: int | None
    """Seconds; None: never."""
    version: str | None
    unrecognised: int
    notes: tuple[str, ...]
    """What should be done, in sentences."""

    @property
    def loss(self) -> str | None:
        """What is lost while mmconnect is away."""
        return loss_label(self.device.app, pulled=self.pulled)

    def as_json(self) -> dict[str, Any]:
        """As `device list` gives it."""
        seen = self.presence
        return shown.device(self.device, seen) | {
            "way": "pull" if self.pulled else "push",
            "pushBase": self.base,
            "appVersion": self.version,
            "battery": seen.facts.get(BATTERY),
            "charging": seen.facts.get(CHARGING),
            "network": seen.facts.get(NETWORK),
            "lastBeatAt": None if seen.beat_at is None else iso(seen.beat_at),
            "silentAfter": self.silent_after,
            "silentSince": None if seen.silent_at is None else iso(seen.silent_at),
            "unrecognised": self.unrecognised,
            "loss": self.loss,
            "notes": list(self.notes),
        }


def pages(
    db: sqlite3.Connection, args: argparse.Namespace, directory: Path, found: Iterable[Device]
) -> list[Page]:
    """The pages of these devices."""
    presences, pulled = devices.presences(db), device_watch.pulled(db)
    odd = device_watch.unrecognised(db)
    now = SystemClock().now()
    bases, own = reached.where(args, directory), own_addresses()
    real = reached.where(args, directory, virtual=False)
    made = []
    for device in found:
        seen = presences.get(device.id) or Presence(device_id=device.id)
        is_pulled = device.id in pulled
        move = None if is_pulled else moved(device, own, real)
        notes = [] if move is None else [move.sentence]
        if (link := device_link_page.page(db, device.id)) is not None:
            notes += link.notes(now)
        advice = versions.advice(device.app, seen.user_agent, seen.facts)
        if advice is not None:
            notes.append(f"{advice.sentence} {advice.remedy}")
        if seen.silent_at is not None:
            heard = output.local(seen.last_heard_at or device.created_at)
            notes.append(f"It has not been heard since {heard}. Is it charged, on, and in reach?")
        if count := odd.get(device.id, 0):
            what = output.many(count, "push was", "pushes were")
            notes.append(
                f"{what} not understood and kept: see `mmconnect message list`. When the app or the"
                f" mapping is mended, `mmconnect message reread --device {device.id}` reads"
                f" {'it' if count == 1 else 'them'} again."
            )
        made.append(
            Page(
                device=device,
                presence=seen,
                pulled=is_pulled,
                link=link,
                base=device.push_base or _first(bases),
                silent_after=allowed(
                    device,
                    pulled=is_pulled,
                    beat_gap=seen.beat_gap,
                    every=pulled.get(device.id, 0),
                ),
                version=versions.told(seen.user_agent, seen.facts),
                unrecognised=odd.get(device.id, 0),
                notes=tuple(notes),
            )
        )
    return made


def _first(bases: Bases) -> str:
    return next(iter(bases.every), "")
