"""Where phones reach this machine: scheme, host and port, and the push URL made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.phones.tokens import PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """The bases of push URLs, as they are now; of each kind the best first."""

    http: tuple[str, ...]
    """`http://192.168.1.20:8481`, …"""
    https: tuple[str, ...] = ()
    """`https://192.168.1.20:8482`, …; none while there is no certificate."""

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return self.http + self.https


Where = Callable[[], Bases]
"""Gives the bases as they are now."""


def push_url(base: str, token: str) -> str:
    """What a phone pushes to."""
    return f"{base}{PATH}/{token}"
