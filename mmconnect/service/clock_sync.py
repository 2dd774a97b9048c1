"""Whether this machine's clock is right, as far as that can be known, and how to mend it.

The kernel says whether something keeps it synchronised; in virtual machines and containers it often
cannot, so the `Date` of receivers' answers counts as well, and so does the owner's word. Judging is
pure. Invariant: what only looks like the time is never taken for it: no loopback, none of our own.
"""

from __future__ import annotations

import ctypes
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

import ifaddr

EARLIEST = 1_735_689_600_000
"""2025-01-01: no mmconnect ran before, so a clock that says less is wrong (UTC ms)."""
_DAY = 86_400.0
AGREES_WITHIN = 60_000
"""Milliseconds between our clock and a receiver's that count as the same time."""
DIFFERS_BY = 120_000
"""Milliseconds that cannot be explained by slow answers any more."""
SLOWEST = 5_000
"""Milliseconds; an answer that took longer says too little about the moment of its `Date`."""
SAMPLE_EVERY = 60.0
"""Seconds from one look at a receiver's `Date` to the next."""
_TIMES = 3
"""Looks that have to show the same difference when there is only one receiver."""
_REMEMBERED = 64
"""Receivers' addresses, at the most."""
_STA_UNSYNC, _TIME_ERROR = 0x40, 5


class ClockState(StrEnum):
    """What is known of the clock."""

    SYNCHRONISED = "synchronised"
    """The kernel says so."""
    AGREES = "agrees"
    """With the receivers' clocks."""
    TRUSTED = "trusted"
    """The owner says so."""
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the clock stands."""

    state: ClockState
    sentence: str | None = None
    """What is the matter and what to do, when it is not known to be right."""
    suspect: bool = False
    """Whether something speaks against it, and not only nothing for it."""

    @property
    def known(self) -> bool:
        """Whether the clock is known to be right."""
        return self.sentence is None


class _Timex(ctypes.Structure):
    """The first fields of `struct timex` (adjtimex(2)); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("numbers", ctypes.c_long * 4),  # offset, freq, maxerror, esterror
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _adjtimex() -> Callable[[object], int] | None:
    try:
        return ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None


_ask_kernel = _adjtimex()


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """What the kernel says of its clock."""

    synchronised: bool
    """Whether something keeps it right."""
    error: int | None
    """By how many µs it may be wrong at the most (`maxerror`); None when it does not say."""


def kernel_clock() -> KernelClock:
    """Ask the kernel. Asks only (modes 0), which all may."""
    if _ask_kernel is None:
        return KernelClock(synchronised=False, error=None)
    answer = _Timex()
    result = _ask_kernel(ctypes.byref(answer))
    return KernelClock(
        synchronised=result not in (-1, _TIME_ERROR) and not answer.status & _STA_UNSYNC,
        error=None if result == -1 else int(answer.numbers[2]),
    )


def kernel_synchronised() -> bool:
    """Whether the kernel knows its clock to be kept right."""
    return kernel_clock().synchronised


def own_addresses() -> frozenset[str]:
    """The addresses of this machine."""
    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return frozenset(ip if isinstance(ip, str) else ip[0] for ip in found)


@dataclass(slots=True)
class _Receiver:
    """What the answers of one address have shown."""

    next_look: float
    counts: bool = True
    """Whether it has a clock of its own."""
    seen_at: float = 0.0
    """When its `Date` was last understood (seconds lived)."""
    difference: int = 0
    """Its clock less ours, milliseconds."""
    agreed: int = 0
    differed: int = 0
    """How many looks in a row."""


class Dates:
    """What receivers' clocks say of ours. Forgets everything when the clock is set."""

    def __init__(self, own: Callable[[], frozenset[str]] = own_addresses) -> None:
        self._own = own
        self._receivers: dict[str, _Receiver] = {}

    def forget(self) -> None:
        """Our clock was set."""
        self._receivers.clear()

    def wants(self, address: str, lived: float) -> bool:
        """Whether it is time to look at the `Date` of that receiver's answers again."""
        known = self._receivers.get(address)
        return known is None or lived >= known.next_look

    def saw(self, address: str, date: str | None, now: int, took: int, lived: float) -> None:
        """An answer came from `address` (`ip:port`) at `now`, after `took` ms."""
        known = self._receivers.get(address)
        if known is not None and lived < known.next_look:
            return
        if known is None:
            if len(self._receivers) >= _REMEMBERED:
                del self._receivers[next(iter(self._receivers))]
            known = self._receivers[address] = _Receiver(0.0, self._is_another(address))
        known.next_look = lived + SAMPLE_EVERY
        if not known.counts or date is None or took > SLOWEST:
            return
        try:
            when = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        known.difference = round(when.timestamp() * 1000) - (now - took // 2)
        known.seen_at = lived
        agreed, differed = abs(known.difference) <= AGREES_WITHIN, self._differs(known)
        known.agreed = known.agreed + 1 if agreed else 0
        known.differed = known.differed + 1 if differed else 0

    def verdict(self, lived: float) -> int | bool | None:
        """True: they agree. A number: by how many ms they differ. None: they say too little."""
        recent = [r for r in self._receivers.values() if r.seen_at and lived - r.seen_at < _DAY]
        agreed = [r for r in recent if r.agreed]
        differed = sorted((r for r in recent if r.differed), key=lambda r: -r.differed)
        if not differed:
            return True if sum(r.agreed for r in agreed) >= 2 else None
        same_way = {r.difference > 0 for r in differed}
        enough = len(differed) >= 2 or differed[0].differed >= _TIMES
        return differed[0].difference if enough and not agreed and len(same_way) == 1 else None

    @staticmethod
    def _differs(receiver: _Receiver) -> bool:
        return abs(receiver.difference) > DIFFERS_BY

    def _is_another(self, address: str) -> bool:
        host = address.rpartition(":")[0].strip("[]").partition("%")[0]
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return not ip.is_loopback and str(ip) not in self._own()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of the clock at one moment."""

    now: int
    behind: bool
    """Whether it showed less at the start than when mmconnect last ran."""
    kernel: bool
    dates: int | bool | None
    """Of Dates.verdict()."""
    trusted: bool
    jumped: int | None
    """Milliseconds by which it was set by more than a day, in the last day of this run."""


MEND = "See what `timedatectl` says; `sudo timedatectl set-ntp true` lets the network set the clock"
WAITS = "Until then nothing that may be too old expires, and nothing is deleted for its age"


def judge(seen: Evidence) -> Standing:
    """How the clock stands."""
    wrong = _wrong(seen)
    if wrong is not None:
        sentence = f"{wrong}. {MEND}. {WAITS}."
        return Standing(state=ClockState.WRONG, sentence=sentence, suspect=True)
    if seen.kernel:
        return Standing(state=ClockState.SYNCHRONISED)
    if seen.dates is True:
        return Standing(state=ClockState.AGREES)
    if seen.trusted and seen.jumped is None:
        return Standing(state=ClockState.TRUSTED)
    if seen.jumped is not None:
        way = "forward" if seen.jumped > 0 else "back"
        told = f"This machine's clock was set {way} by {apart(seen.jumped)}, and may be wrong"
        sentence = f"{told}. {MEND}. {WAITS}."
        return Standing(state=ClockState.UNKNOWN, sentence=sentence, suspect=True)
    return Standing(
        state=ClockState.UNKNOWN,
        sentence="It is not known whether this machine's clock is right. Receivers refuse texts"
        f" that are signed at a wrong time. {MEND}. If something else keeps it right (a virtual"
        " machine's host, say), say so in the settings (under Network, or by command:"
        f" `clock_trusted`). {WAITS}.",
    )


def _wrong(seen: Evidence) -> str | None:
    if seen.now < EARLIEST:
        return "This machine's clock says that it is before 2025, which cannot be"
    if isinstance(seen.dates, int) and not isinstance(seen.dates, bool):
        way = "behind" if seen.dates > 0 else "ahead of"
        return (
            f"This machine's clock is {apart(seen.dates)} {way} those of the receivers, which"
            " refuse texts that are signed at a wrong time"
        )
    if seen.behind and not seen.kernel and seen.dates is not True:
        return (
            "This machine's clock was behind the time at which mmconnect last ran when it was"
            " started (if it is right now, restart mmconnect)"
        )
    return None


def apart(ms: int) -> str:
    """A difference of time for a person: `3 minutes`, `20 hours`, `7305 days`."""
    seconds = abs(ms) / 1000
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"
