"""The appliance of the year, and everybody whom it deals with: how they are made and looked into.

mmconnect runs in this very process, wired, started and stopped as `serve` does it; whatever else is
done to it is done by its command line.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import ssl
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.year.book import Book, Day
from bench.year.people import ANY_TIME, Phone, Place, trusting
from bench.year.receivers import Receiver
from mmconnect import config
from mmconnect.desk import kept_backups
from mmconnect.service import daemon
from mmconnect.service.systemd import Systemd
from tests.support.flowing import FlowingLoop
from tests.support.lan import Names
from tests.support.service import DB, ROOT
from tests.support.smsgate_phone import SmsgatePhone
from tests.support.tls import authority

ADDRESSES = ("192.168.7.2", "192.168.7.77", "192.168.7.150")
"""Of the machine, one after the other."""
PUSHED, SECURE, FETCHED = "Reception", "Workshop", "Warehouse"
SHARE = {PUSHED: 0.7, SECURE: 0.15, FETCHED: 0.15}
"""The phones, and how much of all texts each gets."""
NAME, NAMED = "hooks.example.test", "192.168.7.12"
"""The receiver that is known by its name."""
SECRET = "whsec_bW1jb25uZWN0LWR1cmFiaWxpdHktc2VjcmV0LTMyYnk="
LISTENS_IN = shutil.which("nft") is not None
"""Whether what goes over the cable can be overheard (nftables)."""
ALERTS = (
    "endpoint.held,endpoint.recovered,device.silent,device.recovered,device.rejected,"
    "device.unrecognised,delivery.failed,system.warning"
)


@dataclass(kw_only=True)
class Year:
    """Everything that there is."""

    place: Place
    folder: Path
    names: Names
    seed: str
    machine: str = ADDRESSES[0]
    receivers: dict[str, Receiver] = field(default_factory=dict)
    phones: dict[str, Phone] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    days: int
    texts_a_day: int
    stride: float
    trust: ssl.SSLContext = field(init=False)
    """Trusts the machine's own CA."""
    moved: list[int] = field(default_factory=list)
    """On which days the machine's address has changed."""
    held: list[tuple[str, str]] = field(default_factory=list)
    """The outages: of which receiver, and how it failed."""
    _stopped: asyncio.Task[None] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def loop(self) -> FlowingLoop:
        return self.place.loop

    @property
    def book(self) -> Book:
        return self.place.book

    def chance(self, of: str) -> random.Random:
        """Chance, the same in each year of the same seed, whoever else has drawn."""
        return random.Random(f"{self.seed} {of}")

    # -- mmconnect ----------------------------------------------------------------------------

    async def cli(self, *words: str) -> Any:
        """A command, which sees the time of this moment, and takes none of it."""
        with self.loop.standing():
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.as_of", str(self.loop.now), *words),
                *("--json", "--data-dir", str(self.data)),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
        assert process.returncode == 0, f"{words}: {out.decode()}{err.decode()}"
        return json.loads(out)

    async def start(self) -> None:
        up = asyncio.Event()
        settings = config.settle({}, {}, {})
        serving = daemon.serve(settings, self.data, lambda _: up.set(), Systemd.of({}))
        self._stopped = asyncio.create_task(serving)
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait([waiting, self._stopped], return_when=asyncio.FIRST_COMPLETED)
        if not up.is_set():
            await self._stopped
        self.starts += 1

    async def stop(self) -> None:
        assert self._stopped is not None
        os.kill(os.getpid(), signal.SIGTERM)
        await self._stopped
        self._forget()

    @staticmethod
    def _forget() -> None:
        """A process that ends forgets everything, also what aiohttp remembers of its application,
        and gives all its memory back; this one has to do so by hand."""
        gc.unfreeze()
        for one in gc.get_objects():
            if isinstance(one, functools._lru_cache_wrapper):
                one.cache_clear()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)

    # -- people -------------------------------------------------------------------------------

    async def furnish(self) -> SmsgatePhone:
        """Receivers, phones and what is set, as somebody does it in the first hour."""
        place, cli = self.place, self.cli
        if LISTENS_IN:
            place.elsewhere.listen_in()
        with place.elsewhere:
            for last in (10, 11, 12, 13, 40, 41, 50, 51, 60):
                place.elsewhere.has(f"192.168.7.{last}")
        tls = authority(self.folder, "IP:192.168.7.11")
        every = frozenset(SHARE)
        for name, last, port, wants, context in (
            ("crm", 10, 8080, every, None),
            ("archive", 11, 8443, frozenset({SECURE}), tls.server),
            ("by-name", 12, 8082, frozenset({FETCHED}), None),
            ("alerts", 13, 8083, frozenset[str](), None),
        ):
            one = Receiver(
                place=place,
                name=name,
                host=f"192.168.7.{last}",
                port=port,
                secret=SECRET,
                wants=wants,
                strict=name == "archive",
                tls=context,
            )
            await one.open()
            self.receivers[name] = one
        await cli("tls", "create-ca")
        for name, host in ((PUSHED, "192.168.7.40"), (SECURE, "192.168.7.41")):
            made = await cli("device", "add", "--name", name, "--app", "incoming_sms")
            self.devices[name] = made["id"]
            self.phones[name] = Phone(
                place=place, name=name, host=host, token=made["token"], machine=self.machine
            )
        self.trust = trusting((self.data / "ca.pem").read_text(encoding="ascii"))
        self.phones[SECURE].trust = self.trust
        fetched = await self._fetched()
        await self._endpoints(tls.pem)
        return fetched

    async def _fetched(self) -> SmsgatePhone:
        place, loop = self.place, self.loop
        phone = SmsgatePhone(host="192.168.7.50", port=8080, time_scale=1.0, zone="+02:00")
        line = phone.app.line
        line.clock = phone.app.access.clock = lambda: loop.now / 1000
        line.monotonic, line.verify = loop.time, ANY_TIME

        async def dial(host: str, port: int) -> Any:
            return await place.elsewhere.connect(host, port, phone.host)

        line.dial, phone.listen = dial, place.elsewhere.listen
        phone.trust((self.data / "ca.pem").read_text(encoding="ascii"))
        await phone._come_up()
        made = await self.cli(
            *("device", "add", "--name", FETCHED, "--app", "smsgate"),
            *("--phone-url", phone.url, "--phone-user", "sms", "--phone-password", "pass1234"),
            *("--poll", "30m"),
        )
        self.devices[FETCHED] = made["id"]
        return phone

    async def _endpoints(self, pem: str) -> None:
        (self.folder / "receivers.pem").write_text(pem, encoding="ascii")
        more = {
            "crm": (),
            "archive": (
                *("--ca", str(self.folder / "receivers.pem")),
                *("--device", self.devices[SECURE], "--strict-order", "on"),
            ),
            "by-name": ("--device", self.devices[FETCHED]),
            "alerts": ("--events", ALERTS),
        }
        for name, one in self.receivers.items():
            url = one.url.replace(one.host, NAME) if name == "by-name" else one.url
            made = await self.cli(
                *("endpoint", "add", url, "--name", name, "--secret", SECRET, *more[name])
            )
            self.endpoints[name] = made["id"]

    def cookie(self) -> str:
        """Of somebody who has just logged in."""
        now, cookie = self.loop.now, "cookie-of-the-year"
        values = ("ses_year", hashlib.sha256(cookie.encode()).digest(), now, now, now)
        with closing(sqlite3.connect(self.data / DB, timeout=60)) as db, db:
            db.execute("INSERT OR IGNORE INTO account VALUES (1, 'none', 0, 0)")
            db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, NULL, NULL)", values)
        return cookie

    # -- how it stands -------------------------------------------------------------------------

    def rows(self) -> dict[str, int]:
        """How many there are in each table."""
        with closing(sqlite3.connect(f"file:{self.data / DB}?mode=ro", uri=True)) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            return {
                name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for (name,) in tables
            }

    def day(self, day: int) -> Day:
        """How everything stands."""
        kept = kept_backups.scheduled(self.data / kept_backups.FOLDER)
        for one in kept:
            self.book.backups.setdefault(one.name, day)
        with closing(sqlite3.connect(f"file:{self.data / DB}?mode=ro", uri=True)) as db:
            messages, attempts = (
                db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("messages", "attempts")
            )
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        log = self.data / f"{DB}-wal"
        return Day(
            day=day,
            texts=len(self.book.phones),
            rss=pages * os.sysconf("SC_PAGESIZE") / 2**20,
            files=len(list(Path("/proc/self/fd").iterdir())),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            database=(self.data / DB).stat().st_size / 2**20,
            log=log.stat().st_size / 2**20 if log.exists() else 0.0,
            messages=messages,
            attempts=attempts,
            backups=len(kept),
            backup_size=kept[0].size / 2**20 if kept else 0.0,
        )
