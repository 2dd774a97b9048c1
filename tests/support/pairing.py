"""The pairing pages inside the test's own loop: a fake clock, and addresses as a LAN has them."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
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
from mmconnect.web.http import Answer, Handler, Request
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.wire import Line, Told

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
    secure: bool = False
    """Whether browsers count as coming over TLS."""

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

        async def page(request: Request) -> Answer:
            request.secure = made.secure
            return await pages.handle(request)

        sites: dict[str, Handler] = {codes.PATH.strip("/"): page, pair_files.PATH: pair_files.serve}
        box.listener._sites.update(sites)
        yield made


class Client:
    """A browser without a screen: keeps its cookies, and comes from an address of its own."""

    def __init__(self, house: House, address: str = "127.0.0.1", **headers: str) -> None:
        self._house, self._address = house, address
        self.headers = {"User-Agent": "Mozilla/5.0 (Linux; Android 15) Mobile", **headers}
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> Told:
        return await self._ask(method, path, b"", headers)

    async def post(self, path: str, form: str = "", **headers: str) -> Told:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", path, form.encode(), kind | headers)

    async def follow(self, path: str) -> Told:
        """GET, and what that leads to."""
        told = await self.get(path)
        return await self.follow(told.headers["location"]) if told.status == 303 else told

    async def push(self, headers: Mapping[str, str], body: bytes, token: str = TOKEN) -> Told:
        """A push from this address."""
        return await self._ask("POST", f"/in/{token}", body, headers)

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Told:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Host": f"127.0.0.1:{self._house.port}", **self.headers, **named}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in given.items() if value]
        streams = await asyncio.open_connection(
            "127.0.0.1", self._house.port, local_addr=(self._address, 0)
        )
        line = Line(*streams)
        try:
            await line.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            told = await line.answer(head=method == "HEAD")
        finally:
            line.close()
        kept = re.match(r"(\w+)=([^;]*)", told.headers.get("set-cookie", ""))
        if kept is not None:
            self.cookies[kept[1]] = kept[2]
        return told


async def continued(house: House, client: Client, app: str | None = None) -> str:
    """A client that has pressed Continue, and chosen the app; where its pages are."""
    here = f"/pair/{house.invite()}"
    told = await client.post(f"{here}/continue")
    assert told.status == 303, told
    if app is not None:
        assert (await client.post(f"{here}/app", f"app={app}")).status == 303
    return here
