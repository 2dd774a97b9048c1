"""Ids: a prefix that says what it names, and a ULID that sorts by time.

ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford base 32. Ids made
in the same millisecond count upwards, and so do they after the clock was set back, so the order of
a process's ids is the order of making.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from mmconnect.domain.clock import Clock

DEVICE, MESSAGE, EVENT, ENDPOINT, DELIVERY, ATTEMPT, KEY, TENANT, BOOT, RULE = (
    "dev_",
    "msg_",
    "evt_",
    "ep_",
    "dlv_",
    "att_",
    "key_",
    "ten_",
    "boot_",
    "rule_",
)
REPLAY = "rpl_"
SESSION = "ses_"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NEAR = 86_400_000
"""Milliseconds; an id that lies further ahead was made by a clock that was wrong."""
_VALUES = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_TIME, _TAIL = range(40, -1, -10), range(70, -1, -10)
"""Where each pair of letters begins among the 48 (written as 50) and the 80 bits."""


def first_at(prefix: str, ms: int) -> str:
    """The smallest id that can be made at a time (UTC ms): older ones sort before it."""
    return prefix + _base32(min(max(ms, 0), 0xFFFF_FFFF_FFFF), _TIME) + _base32(0, _TAIL)


class Ids:
    """Makes ids; one per process, for all its threads."""

    def __init__(self, clock: Clock, randbits: Callable[[int], int] | None = None) -> None:
        # an id is no secret: asking the kernel for its bits every millisecond would be for nothing
        self._clock, self._randbits = clock, randbits or random.Random().getrandbits  # noqa: S311
        self._ms, self._tail = -1, 0
        self._begin = ""
        """The present id without its last two letters, while those count up."""
        self._lock = threading.Lock()

    def follow(self, newest: str | None) -> None:
        """Let new ids sort after `newest`, the last one made before this process, if it is near."""
        with self._lock:
            value = 0
            for letter in (newest or "")[-26:]:
                value = value << 5 | max(0, _ALPHABET.find(letter))
            ms, tail = value >> 80, value & ((1 << 80) - 1)
            if (self._ms, self._tail) < (ms, tail) and ms < self._clock.now() + _NEAR:
                self._ms, self._tail = ms, tail
                self._begin = ""

    def new(self, prefix: str) -> str:
        """A new id, for example `msg_01JD2Q0G3V…`."""
        with self._lock:
            ms = self._clock.now()
            if ms > self._ms:
                # 79 random bits leave room to count up within the millisecond
                self._ms, self._tail = ms, self._randbits(79)
                self._begin = ""
            else:
                self._tail += 1
            last = self._tail & 1023
            if not last or not self._begin:
                self._begin = (_base32(self._ms, _TIME) + _base32(self._tail, _TAIL))[:-2]
            return prefix + self._begin + _PAIRS[last]


def _base32(value: int, shifts: range) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in shifts])


def made_at(made: str) -> int:
    """When an id of ours was made (UTC ms), as its ULID tells; 0 for what is no such id."""
    try:
        return int(made[-26:-16].translate(_VALUES), 32)
    except ValueError:
        return 0
