"""Ids: a prefix that says what it names, and a ULID that sorts by time.

ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford base 32. Ids made
in the same millisecond count upwards, and so do they after the clock was set back, so the order of
a process's ids is the order of making.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from mmconnect.domain.clock import Clock

DEVICE, MESSAGE, ENDPOINT, DELIVERY, ATTEMPT, KEY, TENANT, BOOT = (
    "dev_",
    "msg_",
    "ep_",
    "dlv_",
    "att_",
    "key_",
    "ten_",
    "boot_",
)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def first_at(prefix: str, ms: int) -> str:
    """The smallest id that can be made at a time (UTC ms): older ones sort before it."""
    value = min(max(ms, 0), 0xFFFF_FFFF_FFFF) << 80
    return prefix + _written(value)


def _written(value: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


class Ids:
    """Makes ids; one per process, for all its threads."""

    def __init__(self, clock: Clock, randbits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock, self._randbits = clock, randbits
        self._ms, self._tail = -1, 0
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """A new id, for example `msg_01JD2Q0G3V…`."""
        with self._lock:
            ms = self._clock.now()
            if ms <= self._ms:
                ms = self._ms
                self._tail += 1
            else:
                # 79 random bits leave room to count up within the millisecond
                self._ms, self._tail = ms, self._randbits(79)
            value = ((ms & 0xFFFF_FFFF_FFFF) << 80) | self._tail
        return prefix + _written(value)
