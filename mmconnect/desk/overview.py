"""Everything that the overview tells, read at once: how phones and endpoints are, and what waits.

Bounded whatever the history holds: figures by hour, what waits (up to a number), and the newest few
messages. Knows no words and no pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mmconnect.desk import checklist, device_page, endpoint_health, trends
from mmconnect.desk.around import Around
from mmconnect.desk.checklist import Checklist
from mmconnect.desk.desk import Desk
from mmconnect.desk.device_page import State
from mmconnect.desk.doctor import Report
from mmconnect.desk.endpoint_health import Health
from mmconnect.desk.figures import Unwritten
from mmconnect.desk.trends import EndpointTrend, TextTrend
from mmconnect.domain import days
from mmconnect.domain.models import Device, Endpoint, EndpointState
from mmconnect.store import backlog, backups, endpoint_uses, health, message_list, tallies
from mmconnect.store.backlog import Backlog
from mmconnect.store.configuration import Configuration
from mmconnect.store.message_list import Listed
from mmconnect.store.message_query import MessageQuery
from mmconnect.webhook.events import SystemWarning

LATEST = 5
"""Messages that are shown."""
CHARTED = 6
"""Endpoints whose days are told, too."""
PHONES = 200
"""Phones that are looked at in full: those that were heard last come last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneGlance:
    """One phone."""

    page: device_page.Page
    today: int

    @property
    def well(self) -> bool:
        """Whether there is nothing to do."""
        return self.page.state in (State.FINE, State.NEVER_HEARD) and not self.page.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGlance:
    """One endpoint."""

    endpoint: Endpoint
    trend: EndpointTrend
    waits: Backlog
    health: Health

    @property
    def active(self) -> bool:
        """Whether texts go out to it."""
        return self.endpoint.state is EndpointState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it, as of `now` (UTC ms)."""

    now: int
    problems: Sequence[str]
    """What is in the way of taking texts in, or of sending them at all."""
    offline: bool
    machine: Sequence[SystemWarning]
    texts: TextTrend
    phones: Sequence[PhoneGlance]
    """Those that need somebody first, then the one that was heard last."""
    phone_count: int
    last_heard_at: int | None
    """When any phone was last heard (UTC ms)."""
    endpoints: Sequence[EndpointGlance]
    """In their order."""
    latest: Sequence[Listed]
    checklist: Checklist
    backup_at: int | None
    """When the last backup was made (UTC ms)."""
    first_text_at: int | None
    """When the first text came that figures know of (UTC ms)."""
    examined: Report | None
    """What the doctor has found when it was last asked; None: it was not, since the start."""

    @property
    def waiting(self) -> int:
        """Deliveries that wait."""
        return sum(one.waits.waiting for one in self.endpoints)

    @property
    def at_least(self) -> bool:
        """Whether more wait than were counted."""
        return any(one.waits.more for one in self.endpoints)

    @property
    def oldest(self) -> EndpointGlance | None:
        """Where the one waits that came first."""
        waiting = [one for one in self.endpoints if one.waits.oldest is not None]
        return min(waiting, key=lambda one: one.waits.oldest or 0, default=None)

    @property
    def tried(self) -> int:
        """Attempts in the last 24 hours."""
        return sum(one.trend.tried for one in self.endpoints)

    @property
    def success(self) -> float | None:
        """Share of them that delivered; None of none."""
        tried = self.tried
        return sum(one.trend.delivered for one in self.endpoints) / tried if tried else None


async def overview(desk: Desk) -> Overview:
    """Look. Raises StoreUnavailable."""
    ready = await desk.status.ready()
    around, configuration = desk.around(), desk.look()
    return await desk.figures.read(
        lambda db, new: _read(
            db,
            new,
            configuration,
            around,
            list(ready.problems.values()),
            offline=desk.status.offline,
            machine=desk.status.machine,
            examined=desk.machine.examined(),
        )
    )


def _read(
    db: sqlite3.Connection,
    new: Unwritten,
    configuration: Configuration,
    around: Around,
    problems: Sequence[str],
    *,
    offline: bool,
    machine: Sequence[SystemWarning],
    examined: Report | None,
) -> Overview:
    phones, ends = configuration.phones, configuration.receivers
    most = max(1000, backlog.MOST // max(1, len(ends)))  # of all together as many as of one alone
    waits = backlog.backlog(db, [one.id for one in ends], most)
    learnt, tried = health.load(db), endpoint_uses.tried(db, [one.id for one in ends])
    trend = {
        one.id: trends.endpoint(db, new, one.id, bars=n < CHARTED) for n, one in enumerate(ends)
    }
    return Overview(
        now=new.now,
        problems=problems,
        offline=offline,
        machine=machine,
        texts=trends.texts(db, new),
        phones=_phones(db, new, around, phones),
        phone_count=len(phones),
        last_heard_at=max((_heard(around, one) for one in phones), default=0) or None,
        endpoints=[
            EndpointGlance(
                endpoint=one,
                trend=trend[one.id],
                waits=waits[one.id],
                health=endpoint_health.health(
                    one,
                    learnt.get(one.id),
                    tried=one.id in tried,
                    success=trend[one.id].success,
                ),
            )
            for one in ends
        ],
        latest=message_list.find(db, MessageQuery(), limit=LATEST).items,
        checklist=checklist.checklist(db, new, configuration, around.presence),
        backup_at=backups.last_made(db),
        first_text_at=tallies.first_hour(db, tallies.ALL),
        examined=examined,
    )


def _phones(
    db: sqlite3.Connection, new: Unwritten, around: Around, phones: list[Device]
) -> list[PhoneGlance]:
    def heard(device: Device) -> int:
        return _heard(around, device)

    chosen = sorted(phones, key=heard)[:PHONES]
    today = days.days(new.now, 1, new.zone)
    glances = [
        PhoneGlance(page=page, today=tallies.texts_between(db, page.device.id, today, new.texts)[0])
        for page in device_page.pages(db, around, chosen)
    ]
    return sorted(glances, key=lambda one: (one.well, -heard(one.page.device)))


def _heard(around: Around, device: Device) -> int:
    """When a phone was last heard (UTC ms); 0: never."""
    seen = None if around.presence is None else around.presence(device.id).last_heard_at
    return seen or 0
