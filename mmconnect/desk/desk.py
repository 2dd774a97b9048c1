"""The desk: everything that the pages and the API work with, in one value.

Made by the service, which lends it what only a running process has. A change is on the disk, and in
everybody's view of the configuration, before change() returns: so an answer shows what it did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mmconnect.delivery.trials import Trials
from mmconnect.desk.actor import Actor as Actor
from mmconnect.desk.around import Around
from mmconnect.desk.entry import Entry
from mmconnect.desk.figures import Figures
from mmconnect.desk.keys import KeyRing
from mmconnect.desk.machine import Machine
from mmconnect.desk.status import Status
from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import Ids
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Where
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database, Write
from mmconnect.webhook.addresses import AddressRule

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Where the running service listens: `host:port` of each socket."""

    admin: tuple[str, ...] = ()
    admin_tls: tuple[str, ...] = ()
    """Empty while there is no certificate; so is `phone_tls`."""
    phone: tuple[str, ...] = ()
    phone_tls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an owner's sites are made of."""

    database: Database
    look: Look
    clock: Clock
    ids: Ids
    directory: Path
    status: Status
    trials: Trials
    """Sends test texts."""
    figures: Figures
    """Texts and attempts by hour; what they say is in desk/trends.py."""
    presences: Presences
    """What is known of the phones, to this second."""
    pairings: Pairings
    where: Where
    """How phones reach this machine."""
    around: Callable[[], Around]
    """The same and what else pages about phones have to know, as of now."""
    rule: Callable[[], AddressRule]
    """Which addresses webhooks may go to."""
    entry: Entry
    """Lets the administrator in."""
    keys: KeyRing
    """Tells good API keys from bad ones."""
    refresh: Callable[[], Awaitable[None]]
    """Reads the configuration anew."""
    wake: Callable[[], None]
    """Lets the dispatcher look for work."""
    machine: Machine
    """Certificates, copies, a new start."""
    listeners: Callable[[], Listeners] = field(default=Listeners)
    authority: Callable[[], bytes | None] = lambda: None
    """The certificate (PEM) of the local CA; None when there is none."""

    async def change(self, function: Write[T], *, heavy: bool = False) -> T:
        """Write to the store; everybody sees it when this returns. Raises what `function` does."""
        result = await self.database.write(function, heavy=heavy)
        await self.refresh()
        self.wake()
        return result
