"""What everybody who fetches from a phone works with, and what a look at a phone says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mmconnect.domain.clock import Clock
from mmconnect.domain.models import Device
from mmconnect.phones.clients.http import PhoneHttp
from mmconnect.phones.intake import Intake
from mmconnect.phones.keeping import Keeping
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Where
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.store.links import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The service, as far as fetching knows it."""

    database: Database
    intake: Intake
    keeping: Keeping
    presences: Presences
    look: Look
    refresh: Callable[[], Awaitable[None]]
    """Lets look() give what was just changed."""
    clock: Clock
    http: PhoneHttp
    where: Where
    """Where phones reach this machine."""
    trusted: Callable[[], bool] = lambda: True
    """Whether nothing speaks against the machine's clock."""

    def device(self, link: Link) -> Device:
        """The phone of a link."""
        return self.look().devices[link.device_id]


class Phone(Protocol):
    """One phone that is fetched from."""

    @property
    def away(self) -> bool:
        """Whether the last look was not answered as it should be."""
        ...

    async def turn(self) -> float:
        """Look once; after how many seconds to look again."""
        ...

    async def stop(self) -> None:
        """Write down how far it has come."""
        ...

    def pushed(self, event: str | None, *, own: bool, secure: bool) -> bool:
        """The phone has pushed something: an event of the app (None: a text). Whether to look now.

        `own`: by a webhook that mmconnect itself registered; `secure`: over HTTPS.
        """
        ...
