"""What only the running process can do for its owner: certificates, copies, a look at itself, a
new start.

The service hands in how; pages and API know what can be asked for, and what may come of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmconnect.desk.doctor import Report
from mmconnect.desk.kept_backups import Kept
from mmconnect.store.backups import Contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The facts of one certificate."""

    subject: str
    fingerprint: str
    """SHA-256, as people compare it: `AB:CD:…`."""
    not_before: int
    """UTC ms, as `not_after`."""
    not_after: int
    hosts: tuple[str, ...] = ()
    """Addresses and names that it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """HTTPS as it stands."""

    authority: Paper | None = None
    """The local CA; None when there is none of ours in use."""
    server: Paper | None = None
    brought: bool = False
    """Whether the certificate was brought along (--tls-cert)."""
    can_make: bool = True
    """Whether this installation has what making certificates takes."""


class Machine(Protocol):
    """The running service, as far as its owner may ask it for something."""

    def tls(self) -> Tls:
        """HTTPS as it stands."""
        ...

    async def create_authority(self) -> None:
        """Make the local CA and a certificate; HTTPS is served within a second.

        Raises Refused when there is one already, or what makes it is missing.
        """
        ...

    async def back_up(self, file: Path) -> Contents:
        """Copy everything into `file`, which must not be there. Raises Refused, StoreError."""
        ...

    async def back_up_now(self) -> Kept:
        """Make the next scheduled backup at once, where those are put.

        Raises Refused while one is being made, and StoreError with the reason.
        """
        ...

    async def look_into(self, file: Path) -> Contents:
        """What a backup holds. Raises Refused, NewerSchema, StoreError when it is of no use."""
        ...

    async def examine(self) -> Report:
        """Look at everything that keeps texts from getting through; takes some seconds.

        Those who ask at the same time, or shortly after, get the same report.
        """
        ...

    def examined(self) -> Report | None:
        """The last report; None: there was none since the start."""
        ...

    def restore(self, file: Path) -> None:
        """Stop, put this backup in the database's place, and start again.

        `file` is removed afterwards. What was there is kept beside it (backups/before-restore-…).
        """
        ...

    def unrestored(self) -> str | None:
        """Why the last restore that was asked for came to nothing, so that all is as it was; None:
        it did not, or the service was started anew since."""
        ...
