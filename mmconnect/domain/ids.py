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

DEVICE, MESSAGE, EVENT, ENDPOINT, DELIVERY, ATTEMPT, KEY, TENANT, BOOT = (
    "dev_",
    "msg_",
    "evt_",
    "ep_",
    "dlv_",
    "att_",
    "key_",
    "ten_",
    "boot_",
)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


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
        return prefix + "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def made_at(made: str) -> int:
    """When an id of ours was made (UTC ms), as its ULID tells; 0 for what is no such id."""
    try:
        return int(made[-26:-16].translate(_VALUES), 32)
    except ValueError:
        return 0
