"""What is examined, by whom, and what has been found out that several looks want to know."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmconnect.config import Settings
from mmconnect.delivery.dial import Dialer
from mmconnect.desk.around import Around
from mmconnect.domain.clock import Clock
from mmconnect.service import lock
from mmconnect.service.addresses import bases, own_addresses
from mmconnect.service.clock_sync import Standing
from mmconnect.service.doctor import directory, firewall, ports, sockets
from mmconnect.service.doctor.stored import Stored
from mmconnect.service.lock import Running

QUICK = 10.0
"""Seconds for the look through the database, unless all of it is to be looked at."""
DISK_PATIENCE = 15.0
"""Seconds after which a disk counts as hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What has to be looked at before root becomes the owner of the data."""

    me: int
    """Who asks."""
    rules: firewall.Rules | None
    listening: tuple[sockets.Listening, ...] = ()
    owners: Mapping[int, str] = field(default_factory=dict)
    """Whose the sockets are, by inode."""

    @classmethod
    def look(cls) -> Before:
        """As whoever runs this."""
        found = sockets.listening()
        return cls(
            me=directory.me(),
            rules=firewall.read(),
            listening=tuple(found),
            owners=sockets.owners(one.inode for one in found),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined."""

    directory: Path
    source: str
    """How that was chosen, in words."""
    clock: Clock
    before: Before
    options: Settings | None = None
    """By which the service would run; None: not known here."""
    fault: str | None = None
    """Why the options cannot be used."""
    standing: Standing | None = None
    """What the running service knows of its clock, when this is in it."""
    command: str = "mmconnect"
    """What a person types to call this program."""
    seconds: float = QUICK
    """For the look through the database."""
    full: bool = False


class Scene:
    """One examination under way."""

    def __init__(self, subject: Subject) -> None:
        self.subject, self.directory = subject, subject.directory
        self.dialer = Dialer(asyncio.get_running_loop())
        self.running: Running | None = lock.running(self.directory)
        self.starting = self.running is None and lock.held(self.directory)
        self.sides = ports.sides(self.running, subject.options)
        """Where it listens, or would."""
        self.stored: Stored | None = None
        """What the database says; None while it was not read, or cannot be."""
        self.unread = "The database cannot be read."
        """Why it was not."""

    @property
    def now(self) -> int:
        """UTC ms."""
        return self.subject.clock.now()

    @property
    def there(self) -> bool:
        """Whether there is a data directory that this user may look into."""
        try:
            return self.directory.is_dir()
        except OSError:
            return False

    @property
    def blind(self) -> bool:
        """Whether there is one that this user may not look into, and so not see who runs on it."""
        return self.there and not os.access(self.directory, os.R_OK | os.X_OK)

    @property
    def brought(self) -> Path | None:
        """The certificate that was brought along (--tls-cert)."""
        if self.running is not None:
            return Path(self.running.certificate) if self.running.certificate else None
        return self.subject.options.tls_cert if self.subject.options is not None else None

    def around(self) -> Around:
        """Where phones reach this machine."""
        on, options = self.running, self.subject.options
        phone = on.phone if on else [str(options.phone_listen)] if options else []
        phone_tls = on.phone_tls if on else []
        return Around(
            bases=bases(phone, phone_tls),
            real=bases(phone, phone_tls, virtual=False),
            own=own_addresses(),
            now=self.now,
        )
