"""Pairing: which browser may see a device's push URL, and until when.

A code opens nothing by itself: the first browser that presses Continue has it, by a cookie, and
everybody else is told so. Guessing is slowed down, per address and in all, but never for a browser
that holds the cookie. It ends with the first push of the phone. Knows nothing of HTTP or pages.
Invariant: neither push URL nor token is for anybody but the browser that a code is bound to.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import sqlite3
from dataclasses import dataclass, replace
from enum import Enum, auto

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.phones.sightings import Sighting, Sightings
from mmconnect.store import devices, pairings
from mmconnect.store.configuration import digest
from mmconnect.store.database import Database
from mmconnect.store.pairings import Pairing
from mmconnect.web.throttle import Throttle

log = logging.getLogger(__name__)

WRONG_CODES = 10
"""Wrong codes that one address may try in a minute."""
WRONG_IN_ALL = 100
"""The same for all addresses together: 3000 guesses of 2**40 in the life of a code."""
_WINDOW = 60.0


class Standing(Enum):
    """How a code and a browser stand to each other."""

    UNKNOWN = auto()
    """No such code, or its time is over, or it is used up: nobody is told which."""
    SLOW = auto()
    """Too many wrong codes of late."""
    FRESH = auto()
    """Good, and nobody has pressed Continue yet."""
    TAKEN = auto()
    """Another browser has it."""
    OURS = auto()
    """This browser has it, and waits for the phone."""
    OVER = auto()
    """This browser has it, but its time is over."""
    PAIRED = auto()
    """This browser has paired the phone with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a browser may see of a code."""

    standing: Standing
    pairing: Pairing | None = None
    """None unless the code is good or this browser's."""
    wait: float = 0.0
    """Seconds, with Standing.SLOW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A device whose first push is waited for."""

    since: float
    """Monotonic seconds."""
    text: bool | None = None
    """Whether what came was a text; None until something did."""


class Pairings:
    """The pairings of the running service."""

    def __init__(self, database: Database, clock: Clock, sightings: Sightings) -> None:
        self._database, self._clock, self._sightings = database, clock, sightings
        self._one = Throttle(most=WRONG_CODES, window=_WINDOW)
        self._all = Throttle(most=WRONG_IN_ALL, window=_WINDOW)
        self._waiting: dict[str, _Waiting] = {}
        """By device: as many as there are devices at the most."""
        self._marking: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Go on waiting for what an earlier run waited for."""
        now = self._clock.now()
        for one in await self._database.read(lambda db: pairings.waiting(db, now)):
            self._waiting.setdefault(one.device_id, _Waiting(since=self._clock.monotonic()))

    async def view(self, code: str | None, cookie: str | None, address: str) -> View:
        """How `code` (as codes.read() gives it) and a browser with `cookie` stand."""
        wait = self._wait(address)
        if wait and not cookie:
            return View(standing=Standing.SLOW, wait=wait)
        code_hash = digest(code or "")
        pairing = await self._database.read(lambda db: pairings.find(db, code_hash))
        now = self._clock.now()
        if pairing is not None and _same(cookie, pairing.cookie_hash):
            if pairing.paired_at is not None:
                return View(standing=Standing.PAIRED, pairing=pairing)
            open_ = pairing.is_open(now)
            return View(standing=Standing.OURS if open_ else Standing.OVER, pairing=pairing)
        wait = self._wait(address)  # anew: others may have failed while the database was read
        if wait:
            return View(standing=Standing.SLOW, wait=wait)
        if pairing is None or not pairing.is_open(now):
            moment = self._clock.monotonic()
            self._one.fail(address, moment)
            self._all.fail("", moment)
            return View(standing=Standing.UNKNOWN)
        if pairing.cookie_hash is not None:
            return View(standing=Standing.TAKEN)
        return View(standing=Standing.FRESH, pairing=pairing)

    async def bind(self, pairing: Pairing) -> str | None:
        """Give a pairing to a browser: its cookie; None when another one was quicker.

        Raises StoreUnavailable.
        """
        cookie = secrets.token_urlsafe(32)
        now, hashed = self._clock.now(), digest(cookie)
        if not await self._database.write(
            lambda db: pairings.bind(db, pairing.code_hash, hashed, now)
        ):
            return None
        self._waiting[pairing.device_id] = _Waiting(since=self._clock.monotonic())
        return cookie

    def expect(self, device_id: str) -> None:
        """A code was made for a device: what is no good counts from now on."""
        self._waiting[device_id] = _Waiting(since=self._clock.monotonic())

    async def choose(self, device_id: str, *, app: str | None, push_base: str | None) -> None:
        """Write down a device's app, or the base of the push URL that was shown.

        Raises StoreUnavailable.
        """

        def write(db: sqlite3.Connection) -> None:
            device = devices.get(db, device_id)
            if device is not None:
                base = push_base or device.push_base
                devices.change(db, replace(device, app=app or device.app, push_base=base))

        await self._database.write(write)

    def heard(self, device_id: str, text: bool) -> None:
        """Something of a device was stored. Costs nothing unless it is waited for."""
        waiting = self._waiting.get(device_id)
        if waiting is not None and waiting.text is None:
            task = asyncio.get_running_loop().create_task(self._mark(device_id, waiting, text))
            self._marking.add(task)
            task.add_done_callback(self._marking.discard)

    def came_text(self, device_id: str) -> bool | None:
        """Whether what ended the waiting for a device was a text; None when that is forgotten."""
        waiting = self._waiting.get(device_id)
        return None if waiting is None else waiting.text

    def mistakes(self, device_id: str) -> list[Sighting]:
        """What has come in that was no good since a device is waited for."""
        waiting = self._waiting.get(device_id)
        return [] if waiting is None else self._sightings.since(waiting.since)

    def waited(self, device_id: str) -> float:
        """For how many seconds a device has been waited for."""
        waiting = self._waiting.get(device_id)
        return 0.0 if waiting is None else self._clock.monotonic() - waiting.since

    async def _mark(self, device_id: str, waiting: _Waiting, text: bool) -> None:
        now = self._clock.now()
        try:
            done = await self._database.write(lambda db: pairings.paired(db, device_id, now))
        except StoreUnavailable:
            return  # the next push does it
        if self._waiting.get(device_id) is not waiting:
            return
        if done:
            self._waiting[device_id] = replace(waiting, text=text)
            log.info("A phone was paired: %s", device_id)
        else:
            del self._waiting[device_id]  # its code is over

    def _wait(self, address: str) -> float:
        now = self._clock.monotonic()
        return max(self._one.wait(address, now), self._all.wait("", now))


def _same(cookie: str | None, cookie_hash: bytes | None) -> bool:
    return bool(cookie) and hmac.compare_digest(digest(cookie or ""), cookie_hash or b"")
