"""What the pages may ask of the process itself: certificates, copies, and a new start with one.

A restore needs the database closed, so it only asks for the end of this run; serve() does the rest
while it still holds the directory's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from mmconnect.desk.doctor import Once, Report
from mmconnect.desk.kept_backups import Kept
from mmconnect.desk.machine import Paper, Tls
from mmconnect.domain.clock import Clock, SystemClock
from mmconnect.domain.errors import MmconnectError, Refused, StoreError
from mmconnect.service.backup import back_up
from mmconnect.service.backup_schedule import BackupSchedule
from mmconnect.service.gentle import Gentle
from mmconnect.service.restoring import restore_held
from mmconnect.service.timekeeping import Timekeeper
from mmconnect.service.tls import files, names
from mmconnect.service.tls.keeper import Keeper
from mmconnect.service.tls.reading import Certificate, read
from mmconnect.store import backups, migrate
from mmconnect.store.backups import Contents
from mmconnect.store.configuration import Look
from mmconnect.store.connection import connect

log = logging.getLogger(__name__)

NEEDS_MORE = (
    "This installation cannot make certificates: the Python package `cryptography` is missing."
    " Install it (from a checkout: `make tls`), then try again"
)


@dataclass(slots=True)
class Ending:
    """Why a run of the service ends, and what comes after it."""

    stop: asyncio.Event
    over: bool = False
    """Whether there is no next run."""
    restore: Path | None = None
    """The backup that takes the database's place before the next run."""
    unrestored: str | None = None
    """Why the last one did not."""

    def stop_for_good(self) -> None:
        """End this run; there is none after it."""
        self.over = True
        self.stop.set()

    def settle(self, directory: Path) -> None:
        """Between two runs, with the database closed: put a backup in its place.

        When that fails, or the backup is of an older mmconnect and cannot be brought up to date
        (on a full disk, say), the service goes on with what was there.
        """
        file, self.restore = self.restore, None
        if file is None:
            self.over = True
            return
        try:
            restored = restore_held(directory, file, SystemClock(), then=_usable)
        except MmconnectError as error:
            self.unrestored = str(error).replace(str(file), "This file")
            log.error("The backup could not be restored, and all is as it was: %s", error)
        else:
            self.unrestored = None
            log.warning(
                "A backup was restored (schema %d, %d waiting); what was there before is in %s",
                restored.contents.schema,
                restored.contents.waiting,
                restored.before,
            )
        finally:
            file.unlink(missing_ok=True)
        if not self.over:
            self.stop.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningMachine:
    """desk.machine.Machine for the process that runs."""

    directory: Path
    keeper: Keeper
    look: Look
    clock: Clock
    ending: Ending
    backups: BackupSchedule
    poke: Callable[[], None]
    """Lets the HTTPS listeners look at the certificate's files now."""
    _examinations: Once = field(default_factory=Once)

    def tls(self) -> Tls:
        """HTTPS as it stands."""
        pem = self.keeper.authority
        return Tls(
            authority=None if pem is None else _paper(read(pem)),
            server=None if self.keeper.server is None else _paper(self.keeper.server),
            brought=self.keeper.brought,
            can_make=find_spec("cryptography") is not None,
        )

    async def create_authority(self) -> None:
        """Make the local CA and a certificate. Raises Refused, StoreError."""
        if not self.tls().can_make:
            raise Refused(NEEDS_MORE)
        name = files.authority_name(self.look().tenant.name)
        try:
            await asyncio.to_thread(
                files.create,
                self.directory,
                name,
                names.present(),
                self.clock.now(),
                replace=False,
            )
        except (OSError, ValueError) as error:
            raise StoreError(f"The certificates cannot be written: {error}") from error
        self.poke()

    async def back_up(self, file: Path) -> Contents:
        """Copy everything into `file`. Raises Refused, StoreError."""
        manner = Gentle(self.clock)
        return await asyncio.to_thread(back_up, self.directory, file, manner=manner)

    async def back_up_now(self) -> Kept:
        """Make the next scheduled backup at once. Raises Refused, StoreError."""
        return await self.backups.make()

    async def look_into(self, file: Path) -> Contents:
        """What a backup holds. Raises Refused, NewerSchema, StoreError."""
        return await asyncio.to_thread(backups.check, file)

    async def examine(self) -> Report:
        """Look at everything."""
        return await self._examinations.report(self._examine, self.clock)

    async def _examine(self) -> Report:
        from mmconnect.service.doctor.inside import examine  # seldom asked for, and not small

        standing = self.clock.standing if isinstance(self.clock, Timekeeper) else None
        return await examine(self.directory, self.clock, standing)

    def examined(self) -> Report | None:
        """The last report."""
        return self._examinations.last

    def unrestored(self) -> str | None:
        """Why the last restore came to nothing."""
        return self.ending.unrestored

    def restore(self, file: Path) -> None:
        """End this run, so that the next begins with this backup."""
        self.ending.restore = file
        self.ending.stop.set()


def _usable(database: Path) -> None:
    """See that the next run can begin with it. Raises StoreError."""
    with contextlib.closing(connect(database)) as db:
        migrate.migrate(db, database)


def _paper(certificate: Certificate) -> Paper:
    return Paper(
        subject=certificate.subject,
        fingerprint=certificate.fingerprint,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        hosts=(*certificate.addresses, *certificate.names),
    )
