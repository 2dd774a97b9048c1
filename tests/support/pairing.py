"""The pairing pages inside the test's own loop: a fake clock, and addresses as a LAN has them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from mmconnect.phones import codes, pair_files
from mmconnect.phones.diagnosis import Network
from mmconnect.phones.pair_site import PairSite
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.urls import Bases
from mmconnect.store import pairings, settings
from tests.support.inprocess import Appliance, FakeClock, appliance

HTTP, HTTPS = "http://192.168.1.20:8481", "https://192.168.1.20:8482"
TOKEN = "Qm7Zt0aVbKx3LrP9sYd2HcWf"


@dataclass
class House:
    """An appliance with pairing pages, and what a test can change about it."""

    box: Appliance
    pairings: Pairings
    clock: FakeClock
    bases: Bases = field(default_factory=lambda: Bases(http=(HTTP,)))
    networks: list[Network] = field(default_factory=lambda: [ip_network("127.0.0.0/8")])
    ca: bool = False

    @property
    def port(self) -> int:
        return self.box.port

    @property
    def device_id(self) -> str:
        """Of the first device."""
        return next(iter(self.box.tokens))

    def invite(self, device_id: str | None = None) -> str:
        """A new code, as the command line makes it: `XXXX-XXXX`."""
        code, now = codes.new_code(), self.clock.now()
        device = device_id or self.device_id

        def write(db: sqlite3.Connection) -> None:
            pairings.add(db, codes.digest(code), device, now, now + codes.LIFE)

        self.box.change(write)
        return codes.shown(code)


@asynccontextmanager
async def pairing_house(
    directory: Path, *, name: str = "Reception", app: str = "auto", site: str = "Acme Dental"
) -> AsyncIterator[House]:
    """A phone that is to be paired."""
    clock = FakeClock()
    async with appliance(directory, clock=clock, tokens=()) as box:
        box.change(lambda db: settings.put(db, settings.SITE_NAME, site))
        await box.device(name=name, app=app, token=TOKEN)
        made = House(box, Pairings(box.database, clock, box.listener.sightings), clock)
        await made.pairings.load()
        box.intake.on_heard = made.pairings.heard
        pages = PairSite(
            made.pairings,
            box.watch.look,
            box.watch.refresh,
            lambda: made.bases,
            lambda: made.networks,
            lambda: made.ca,
        )
        sites = {codes.PATH.strip("/"): pages.handle, pair_files.PATH: pair_files.serve}
        box.listener._sites.update(sites)
        yield made
