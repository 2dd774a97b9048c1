"""What is to be said of phones: which are silent, which push to where we no longer are, and which
have an app that loses texts.

Looks every few seconds at what is known already; asks no phone. What anybody may read (the status
page) has no names in it; events and the command line have.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Device
from mmconnect.phones import versions
from mmconnect.phones.counts import Counts
from mmconnect.phones.liveness import Liveness
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Where
from mmconnect.phones.whereabouts import Move, learned, moved
from mmconnect.service.warnings import Warnings
from mmconnect.store import device_watch
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.addresses import Address

log = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds between two looks at addresses and versions."""
LATELY = 86_400.0
"""Seconds for which refused pushes, and those not understood, are told."""
_SAMPLE = 300.0
_NAMED = 5
"""Phones that one warning names at the most."""
ADDRESS, VERSION = "address", "phone_version"
"""Codes of warnings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    at: float
    refused: int
    unrecognised: int


class PhoneWatch:
    """Looks at all phones."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: Clock,
        presences: Presences,
        counts: Counts,
        liveness: Liveness,
        warnings: Warnings,
        *,
        own: Callable[[], Set[Address]],
        where: Where,
    ) -> None:
        """`own`: every address of this machine, `where`: where phones reach it; both as of now."""
        self._database, self._look, self._clock = database, look, clock
        self._presences, self._counts, self._warnings = presences, counts, warnings
        self._own, self._where = own, where
        self.liveness = liveness
        self._before: Set[Address] = frozenset()
        self._samples = deque([self._sample()])
        self._warned: dict[str, frozenset[str]] = {}
        """Of each warning, the phones that it was about."""

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self.liveness.run())
            both.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except StoreUnavailable as error:
                log.debug("Looking at phones waits for the database: %s", error)
            except Exception:
                log.exception("Looking at phones failed; it is tried again")
            await asyncio.sleep(INTERVAL)

    async def turn(self) -> None:
        """Look once. Raises StoreUnavailable."""
        self._keep_sample()
        self._look_at_versions()
        await self._look_at_addresses()

    # -- for `/v1/status` and monitoring: no names ------------------------------------------------

    @property
    def sentences(self) -> list[str]:
        """What anybody may know of the phones."""
        told = []
        if silent := len(self.liveness.silent()):
            told.append(
                f"{_phones(silent, 'has', 'have')} fallen silent: are they charged, switched on and"
                " in reach? On this machine, `mmconnect device list` says which."
            )
        now, then = self._sample(), self._samples[0]
        if refused := now.refused - then.refused:
            told.append(
                f"{_pushes(refused)} refused in the last 24 hours, as a token or a signature is"
                " wrong or the phone was removed. On this machine, `mmconnect device list` counts"
                " those of each phone, and the log has their addresses."
            )
        if odd := now.unrecognised - then.unrecognised:
            told.append(
                f"{_pushes(odd)} not understood in the last 24 hours, and kept. On this machine,"
                " `mmconnect message list` shows them."
            )
        return told

    def _sample(self) -> _Sample:
        return _Sample(
            at=self._clock.monotonic(),
            refused=sum(self._counts.rejected.values()),
            unrecognised=self._counts.unrecognised,
        )

    def _keep_sample(self) -> None:
        now = self._sample()
        if now.at - self._samples[-1].at >= _SAMPLE:
            self._samples.append(now)
        while now.at - self._samples[0].at > LATELY:
            self._samples.popleft()

    # -- warnings ---------------------------------------------------------------------------------

    def _look_at_versions(self) -> None:
        bad: dict[str, str] = {}
        for device in self._devices():
            seen = self._presences.of(device.id)
            found = versions.advice(device.app, seen.user_agent, seen.facts)
            if found is not None and found.harmful:
                bad[device.id] = f"{device.name}: {found.sentence}"
        shown = (
            f"{_phones(len(bad), 'has', 'have')} an app that loses or doubles texts. On this"
            " machine, `mmconnect device list` says which, and `mmconnect device show ID` what to"
            " do."
        )
        self._warn(VERSION, bad, versions.REMEDY, shown)

    async def _look_at_addresses(self) -> None:
        own, before = self._own(), self._before
        self._before = own
        bases = self._where()
        present = {device.id: device for device in self._devices()}
        for device_id, (host, secure) in self._presences.hosts().items():
            if (device := present.get(device_id)) is not None:
                known = learned(device, host, own | before, secure=secure)
                if known is not device:
                    await self._keep(known)
                    present[device_id] = known
        found: dict[str, Move] = {}
        for device in present.values():
            move = moved(device, own, bases)
            if move is not None and device.id not in self.liveness.pulled:
                found[device.id] = move
        olds = sorted({move.old for move in found.values()})
        some = ", ".join(olds[:_NAMED])
        shown = (
            f"{_phones(len(found), 'still pushes', 'still push')} to {some}, where this machine is"
            " not any more. On this machine, `mmconnect device list` says which."
        )
        remedy = (
            "Change the URL in the app on the phone, or let this machine have its old address again"
            " (in the router, reserve it). `mmconnect device set ID --told` when that is done."
        )
        self._warn(ADDRESS, {key: move.sentence for key, move in found.items()}, remedy, shown)

    async def _keep(self, known: Device) -> None:
        await self._database.write(
            lambda db: device_watch.set_push_base(db, known.id, known.push_base)
        )

    def _warn(self, code: str, about: dict[str, str], remedy: str, shown: str) -> None:
        """Begin, change or end a warning about phones (id to sentence)."""
        if not about:
            self._warned.pop(code, None)
            self._warnings.end(code)
            return
        told: Sequence[str] = list(about.values())
        more = f" And {len(told) - _NAMED} more." if len(told) > _NAMED else ""
        anew = bool(about.keys() - self._warned.get(code, frozenset()))
        self._warned[code] = frozenset(about)
        self._warnings.begin(code, " ".join(told[:_NAMED]) + more, remedy, shown=shown, anew=anew)

    def _devices(self) -> list[Device]:
        return self._look().phones


def _phones(count: int, one: str, several: str) -> str:
    return f"{count:,} phone{'' if count == 1 else 's'} {one if count == 1 else several}"


def _pushes(count: int) -> str:
    return f"{count:,} {'push was' if count == 1 else 'pushes were'}"
