"""The configuration as of one look at the database: who may push, and who wants texts.

A frozen snapshot that the hot path reads without touching the disk. The service takes a new one
when `revision` has moved, whoever moved it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from mmconnect.domain.models import Device, Endpoint
from mmconnect.store import devices, endpoints, links, preferences, settings
from mmconnect.store.links import Link
from mmconnect.store.preferences import Preferences
from mmconnect.webhook.payload import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a token stands for."""

    device: Device
    token: str = field(repr=False)
    expires_at: int | None
    """When a replaced token ends (UTC ms); None for the current one."""
    replaces: bool
    """Whether older tokens of the device are still valid, and go when this one is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Devices, endpoints, tenant and preferences at one revision."""

    revision: int
    tenant: Tenant
    preferences: Preferences
    devices: dict[str, Device]
    tokens: dict[bytes, Entry] = field(repr=False)
    """By SHA-256 of the token: looking one up tells nothing about another by its timing."""
    endpoints: dict[str, Endpoint]
    links: dict[str, Link] = field(default_factory=dict)
    """The phones that are fetched from, by device id."""

    @property
    def phones(self) -> list[Device]:
        """The devices that have not been removed."""
        return [one for one in self.devices.values() if one.removed_at is None]

    @property
    def receivers(self) -> list[Endpoint]:
        """The endpoints that texts are for: all but the alert URL."""
        return [one for one in self.endpoints.values() if not one.alert]


Look = Callable[[], Configuration]
"""Gives the configuration as it stands now."""


def digest(secret: str) -> bytes:
    """What a token, a code, an API key, or the secret in a cookie is looked up by."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def revision(db: sqlite3.Connection) -> int:
    """The number that moves with every change of the configuration."""
    (number,) = db.execute("SELECT number FROM revision").fetchone()
    return int(number)


def load(db: sqlite3.Connection) -> Configuration:
    """Take a snapshot."""
    found = {d.id: d for d in devices.known(db, removed=True)}
    tokens = devices.tokens(db)
    replaced = {t.device_id for t in tokens if t.expires_at is not None}
    return Configuration(
        revision=revision(db),
        tenant=settings.tenant(db),
        preferences=preferences.load(db),
        devices=found,
        tokens={
            digest(t.token): Entry(
                device=found[t.device_id],
                token=t.token,
                expires_at=t.expires_at,
                replaces=t.expires_at is None and t.device_id in replaced,
            )
            for t in tokens
        },
        endpoints={e.id: e for e in endpoints.known(db)},
        links=links.known(db),
    )
