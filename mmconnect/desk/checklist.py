"""The first steps, and whether each is done: as the database tells, not as somebody has clicked.

From a fresh appliance to texts that are delivered and backed up. Once all of it was done, or a
person has put it away, it stays out of the way; it can be asked for at any time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.desk.figures import Unwritten
from mmconnect.domain.models import Device, Endpoint
from mmconnect.store import backups, device_watch, sends, settings
from mmconnect.store.configuration import Configuration
from mmconnect.store.devices import Presence

AWAY = "checklist_away_at"
"""The setting that says since when it is out of the way (UTC ms)."""


class Step(StrEnum):
    """What there is to do, in its order."""

    PHONE = "phone"
    TEXT = "text"
    ENDPOINT = "endpoint"
    DELIVERED = "delivered"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """How far it has come."""

    done: frozenset[Step]
    away: bool
    """It was finished once, or put away."""
    phone: Device | None
    """The newest phone: the one that is being connected."""
    endpoint: Endpoint | None
    """The newest endpoint."""
    last_text: str | None
    """The id of the last text, when it is not on its way to `endpoint` and could be."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return len(self.done) == len(Step)

    @property
    def next(self) -> Step | None:
        """What comes next."""
        return next((step for step in Step if step not in self.done), None)


def checklist(
    db: sqlite3.Connection,
    new: Unwritten,
    configuration: Configuration,
    presence: Callable[[str], Presence] | None,
) -> Checklist:
    """Look. `presence`: what is known of a device this very moment, where somebody knows."""

    def heard(device: Device) -> bool:
        return presence is not None and presence(device.id).last_heard_at is not None

    phones, ends = configuration.phones, configuration.receivers
    newest = max(ends, key=lambda one: one.id, default=None)
    last = device_watch.last_text(db)
    texts = last is not None or device_watch.ever_a_text(db)
    # Figures are written once a minute: a backup of the first one may know the text alone.
    done = {
        Step.PHONE: bool(phones) and (texts or any(heard(one) for one in phones)),
        Step.TEXT: texts,
        Step.ENDPOINT: bool(ends),
        Step.DELIVERED: any(
            new_one.delivered for (owner, _), new_one in new.attempts.items() if _is(owner, ends)
        )
        or any(sends.ever_delivered(db, one.id) for one in ends)
        or (bool(ends) and last is not None and sends.has_arrived(db, last)),
        Step.BACKUP: backups.last_made(db) is not None,
    }
    return Checklist(
        done=frozenset(step for step, is_done in done.items() if is_done),
        away=settings.value(db, AWAY) is not None,
        phone=max(phones, key=lambda one: one.id, default=None),
        endpoint=newest,
        last_text=last
        if last is not None and newest is not None and not sends.has_gone(db, last, newest.id)
        else None,
    )


def _is(endpoint_id: str, ends: list[Endpoint]) -> bool:
    return any(one.id == endpoint_id for one in ends)


def put_away(db: sqlite3.Connection, now: int) -> None:
    """Out of the way with it, from `now` (UTC ms) on."""
    if settings.value(db, AWAY) is None:
        settings.put(db, AWAY, str(now))


def bring_back(db: sqlite3.Connection) -> None:
    """Show it again, until it is finished."""
    settings.remove(db, AWAY)
