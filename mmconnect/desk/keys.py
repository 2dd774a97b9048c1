"""API keys: what they look like, what they may do, and whether one that somebody shows is good.

A key is `sk_live_` and 40 random letters and digits (238 bits), shown once and kept as its SHA-256.
It is looked up by that, so how long it takes tells nothing of another. A good key is never kept
waiting for what others do; bad ones are throttled per address.
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import KEY, Ids
from mmconnect.store import api_keys
from mmconnect.store.api_keys import ApiKey
from mmconnect.store.configuration import digest
from mmconnect.store.database import Database, unwatched
from mmconnect.web.throttle import Throttle

PREFIX = "sk_live_"
LENGTH = 40
_LETTERS = string.ascii_letters + string.digits
_HINT = 4
"""Letters at its end that are shown later on."""

WRONG_KEYS, WINDOW = 20, 60.0
"""So many bad keys of one address within so many seconds; more are told to wait."""
NOTED_EVERY = 60.0
"""Seconds between two notes of a key's use: a poller is not to wear the disk out."""


class Scope(StrEnum):
    """What a key may do. None includes another."""

    READ = "read"
    """See everything that the API shows: texts, too, but no secret, which nothing shows again."""
    WRITE = "write"
    """Change things: add, change, remove, send again."""
    BACKUP = "backup"
    """Make backups, take them away and remove them, and take secrets along with the configuration:
    whoever may has everything."""
    METRICS = "metrics"
    """`/metrics`, and nothing else; a key that may read may that, too."""


DEFAULT = frozenset({Scope.READ, Scope.WRITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came of a key that somebody has shown."""

    key: ApiKey | None
    """The key; None for a bad one."""
    wait: float = 0.0
    """Seconds that whoever shows bad ones has to wait; 0 while that are not too many."""


def fresh(
    ids: Ids,
    *,
    name: str,
    now: int,
    scopes: Iterable[Scope] = DEFAULT,
    expires_at: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key for the store, and what is shown of it this once. Times are UTC ms."""
    secret = PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
    key = ApiKey(
        id=ids.new(KEY),
        name=name,
        hint=secret[-_HINT:],
        scopes=frozenset(str(scope) for scope in scopes),
        created_at=now,
        expires_at=expires_at,
        digest=digest(secret),
    )
    return key, secret


def bearer(authorization: str | None) -> str | None:
    """The key in an `Authorization` header; None when it brings none."""
    scheme, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


class KeyRing:
    """Tells good keys from bad ones, and notes their use."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._wrong = Throttle(most=WRONG_KEYS, window=WINDOW)
        self._noted: dict[str, float] = {}
        """When the use of a key was last written down (monotonic seconds), of keys that exist."""

    async def show(self, secret: str, address: str) -> Shown:
        """Whether a key is good: it may be used from now on by whoever asks from `address`.

        What it may do is the caller's to compare: `Scope.READ in shown.key.scopes`.
        Raises StoreUnavailable.
        """
        wanted = digest(secret)
        key = await self._database.read(lambda db: api_keys.find(db, wanted))
        same = hmac.compare_digest(b"\0" * len(wanted) if key is None else key.digest, wanted)
        if key is None or not same or not key.is_good(self._clock.now()):
            return Shown(key=None, wait=self._wrong.fail(address, self._clock.monotonic()))
        self._note(key, address)
        return Shown(key=key)

    def _note(self, key: ApiKey, address: str) -> None:
        at, now = self._clock.monotonic(), self._clock.now()
        last = self._noted.get(key.id)
        if last is not None and at - last < NOTED_EVERY:
            return
        self._noted[key.id] = at
        # nobody waits for it, and a disk that is full does not shut the key out
        self._database.submit(lambda db: api_keys.used(db, key.id, now, address)).add_done_callback(
            unwatched
        )
