"""The desk of an appliance without its process, and the admin site on it, with real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from mmconnect.admin.secure import Secure
from mmconnect.admin.site import make_site
from mmconnect.delivery.trials import Trials
from mmconnect.desk.around import Around
from mmconnect.desk.desk import Desk
from mmconnect.desk.entry import Entry, Standing
from mmconnect.desk.keys import KeyRing
from mmconnect.desk.status import Status, Vitals
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.sightings import Sightings
from mmconnect.phones.urls import Bases
from mmconnect.service import warnings as service
from mmconnect.service.backup_schedule import BackupSchedule
from mmconnect.service.machine import Ending, RunningMachine
from mmconnect.service.tls.keeper import Keeper
from mmconnect.store.accounts import Session
from mmconnect.webhook.addresses import AddressRule
from tests.support.inprocess import Appliance
from tests.support.loops import on_loopback


async def scraped() -> bytes:
    """What a test says of the metrics."""
    return b"mmconnect_pending 0\n"


def machine_of(box: Appliance) -> RunningMachine:
    """What the process can do, where there is none: all but the new start, which nobody makes."""
    keeper = Keeper(box.directory, None, Warnings(), box.clock, lambda: True)
    return RunningMachine(
        directory=box.directory,
        keeper=keeper,
        look=box.watch.look,
        clock=box.clock,
        ending=Ending(asyncio.Event()),
        backups=backups_of(box),
        poke=keeper.reload,
    )


def backups_of(box: Appliance) -> BackupSchedule:
    """What makes backups, complaining to nobody."""
    warnings = service.Warnings(
        *(box.database, box.watch.look, box.ids, box.clock, box.directory, box.dispatcher.wake)
    )
    return BackupSchedule(
        *(box.database, box.watch.look, box.clock, box.directory, warnings),
        known=lambda: True,
        flush=box.figures.flush,
    )


class Warnings:
    """What the keeper of certificates complains to."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def begin(self, code: str, sentence: str, remedy: str) -> None:
        self.told[code] = sentence

    def end(self, code: str) -> None:
        self.told.pop(code, None)


class EverybodyIn(Entry):
    """Lets everybody in, for tests of what is behind the door."""

    async def look(self, cookie: str | None, address: str, *, visit: bool = True) -> Standing:
        now = self._clock.now()
        session = Session(
            id="ses_test",
            created_at=now,
            seen_at=now,
            confirmed_at=now,
            address=address,
            user_agent=None,
        )
        return Standing(is_set_up=True, session=session)


def desk_of(box: Appliance, *, vitals: Vitals | None = None, **more: Any) -> Desk:
    """The desk as the service makes it, but everybody is in; `more` takes the place of parts."""
    vitals = vitals or Vitals(last_turn=lambda: box.dispatcher.last_turn)
    bases = Bases(http=(f"http://127.0.0.1:{box.port}",))
    parts: dict[str, Any] = {
        "database": box.database,
        "look": box.watch.look,
        "clock": box.clock,
        "ids": box.ids,
        "directory": box.directory,
        "status": Status(box.database, vitals, box.watch.look, box.clock, box.directory),
        "trials": Trials(box.database.write, box.sender, box.clock, box.ids),
        "figures": box.figures,
        "presences": box.presences,
        "pairings": Pairings(box.database, box.clock, Sightings(box.clock)),
        "where": lambda: bases,
        "around": lambda: Around(
            bases=bases,
            real=bases,
            own={ip_address("127.0.0.1")},
            now=box.clock.now(),
            presence=box.presences.of,
        ),
        "rule": AddressRule,
        "entry": EverybodyIn(box.database, box.clock, box.ids),
        "keys": KeyRing(box.database, box.clock),
        "refresh": box.watch.refresh,
        "wake": box.dispatcher.wake,
        "machine": machine_of(box),
    }
    return Desk(**(parts | more))


@asynccontextmanager
async def admin_of(
    desk: Desk,
    secure: Secure | None = None,
    scrape: Callable[[], Awaitable[bytes]] = scraped,
) -> AsyncIterator[int]:
    """The admin site on a port of its own: that port."""
    runner = web.AppRunner(make_site(desk, scrape, secure), access_log=None, shutdown_timeout=0.5)
    async with on_loopback(runner) as port:
        yield port
