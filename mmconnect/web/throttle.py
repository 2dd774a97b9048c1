"""Bounds on how often one address may fail, and all together. Remembers few addresses.

Whoever has one IPv6 address has the whole /64 that it lies in (RFC 4291, 2.5.1), so that counts as
one; an IPv4 address counts as the same however it is written.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

_ADDRESSES = 1024


class Throttle:
    """Counts failures per address; more than `most` within `window` seconds is too many."""

    def __init__(self, *, most: int, window: float) -> None:
        self._most, self._window = most, window
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def fail(self, address: str, now: float) -> float:
        """Count a failure at `now` (monotonic seconds).

        Returns how many seconds the address has to wait; 0 while it has not failed too often.
        """
        who = counted_as(address)
        begun, count = self._failures.pop(who, (now, 0))
        if now - begun >= self._window:
            begun, count = now, 0
        self._failures[who] = (begun, count + 1)
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
        return max(1.0, begun + self._window - now) if count >= self._most else 0.0

    def wait(self, address: str, now: float) -> float:
        """How many seconds the address still has to wait; counts nothing."""
        begun, count = self._failures.get(counted_as(address), (now, 0))
        left = begun + self._window - now
        return max(1.0, left) if count >= self._most and left > 0 else 0.0

    def forgive(self, address: str) -> None:
        """Forget the failures of an address: it has shown that it may."""
        self._failures.pop(counted_as(address), None)


class Bucket:
    """A bound on what everybody may do together: `most` at once, then one every `every` seconds."""

    def __init__(self, *, most: int, every: float) -> None:
        self._most, self._every = most, every
        self._left, self._at = float(most), 0.0

    def take(self, now: float) -> float:
        """Take one at `now` (monotonic seconds); seconds to wait when there is none, else 0."""
        self._left = min(self._most, self._left + max(0.0, now - self._at) / self._every)
        self._at = now
        if self._left < 1:
            return max(1.0, (1 - self._left) * self._every)
        self._left -= 1
        return 0.0


def counted_as(address: str) -> str:
    """What stands for an address; anything that is none stands for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed) if parsed.version == 4 else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
