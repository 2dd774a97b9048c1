"""Where this machine is: what pages about phones have to know, passed in by whoever can ask it.

The command line looks at the lock file, the service at its own listeners; neither is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from mmconnect.phones.guides import GUIDES
from mmconnect.phones.urls import Bases
from mmconnect.store.devices import Presence
from mmconnect.webhook.addresses import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """How phones reach this machine, as of now."""

    bases: Bases
    real: Bases
    """Without bridges and tunnels: what a phone that has to be told anew is told."""
    own: Set[Address]
    """Every address of this machine."""
    now: int
    """UTC ms."""
    presence: Callable[[str], Presence] | None = None
    """What the running service knows of a phone this very moment; without, what is written down."""

    @property
    def pages(self) -> str:
        """The base of the pairing page: plain HTTP, as it is there without a certificate."""
        return next(iter(self.bases.every), "")

    def base_for(self, app: str) -> str:
        """Where a phone with that app pushes to: the base of its push URL."""
        guide = GUIDES.get(app)
        if guide is not None and guide.needs_https and self.bases.https:
            return self.bases.https[0]
        return self.pages
