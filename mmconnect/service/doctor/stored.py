"""What the database says of the appliance, read at once and bounded, whoever else works with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from mmconnect.desk import device_page
from mmconnect.desk.around import Around
from mmconnect.desk.device_page import Page
from mmconnect.service.doctor.lan import Heard
from mmconnect.service.doctor.work import MOST, Waits
from mmconnect.store import (
    backlog,
    backups,
    configuration,
    device_watch,
    devices,
    health,
    inspection,
    jumps,
)
from mmconnect.store.configuration import Configuration
from mmconnect.store.devices import Presence
from mmconnect.webhook.addresses import Address, parse

COUNTED = 1000
"""Waiting deliveries that are counted for each endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All that checks want to know."""

    configuration: Configuration
    waits: tuple[Waits, ...]
    phones: tuple[Page, ...]
    """Those that were not heard for longest, MOST at the most."""
    heard: Heard
    backup_at: int | None
    """When the last backup was made that is elsewhere (UTC ms)."""
    texts: bool
    """Whether a text ever came."""
    last_ran: int | None
    """When mmconnect was last known to run (UTC ms)."""


def read(db: sqlite3.Connection, around: Around) -> Stored:
    """Read it. Raises sqlite3.Error."""
    known = configuration.load(db)
    ends = known.receivers
    waits = backlog.backlog(db, [one.id for one in ends], COUNTED)
    learnt, flying = health.load(db), inspection.in_flight(db)
    seen, pulled = devices.presences(db), device_watch.pulled(db)
    phones = sorted(known.phones, key=lambda one: _last(seen, one.id))
    return Stored(
        configuration=known,
        waits=tuple(
            Waits(
                endpoint=one,
                backlog=waits[one.id],
                learnt=learnt.get(one.id),
                flying_since=flying.get(one.id),
            )
            for one in ends
        ),
        phones=tuple(device_page.pages(db, around, phones[:MOST])),
        heard=_heard(seen, known, len(pulled.keys() & {one.id for one in phones}), around),
        backup_at=backups.last_made(db),
        texts=device_watch.last_text(db) is not None or device_watch.ever_a_text(db),
        last_ran=jumps.last_seen(db),
    )


def _heard(
    seen: Mapping[str, Presence], known: Configuration, pulled: int, around: Around
) -> Heard:
    """The last sign of life that came over the network."""
    others = [
        one
        for phone in known.phones
        if (one := seen.get(phone.id)) is not None
        and one.last_heard_at is not None
        and not _is_ours(one.last_address, around)
    ]
    last = max(others, key=lambda one: one.last_heard_at or 0, default=None)
    return Heard(
        phones=len(known.phones),
        last=None if last is None else last.last_heard_at,
        address=None if last is None else last.last_address,
        pulled=pulled,
    )


def _is_ours(text: str | None, around: Around) -> bool:
    if text is None:
        return False
    try:
        address: Address = parse(text)
    except ValueError:
        return False
    return address.is_loopback or address in around.own


def _last(seen: Mapping[str, Presence], device_id: str) -> int:
    known = seen.get(device_id)
    return 0 if known is None else known.last_heard_at or 0
