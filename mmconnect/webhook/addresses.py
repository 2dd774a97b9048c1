"""The address rule: which addresses texts may be sent to, judged when one is about to be dialled.

Pure: it is given one concrete address and port, as the system resolved them, and says why not.
Every private address is a good one, as receivers live at home; what no receiver can have, what
hands out a machine's credentials, and mmconnect itself are not. Invariant: an address that is
refused is refused in every notation that carries it, mapped or tunnelled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

ALLOWED = "address_allow"
DENIED = "address_deny"
"""What the two settings are called, for the sentences."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


_NEVER: tuple[tuple[str, tuple[Network, ...]], ...] = (
    ("an unspecified address", _networks("0.0.0.0/8", "::/128")),
    ("a multicast address", _networks("224.0.0.0/4", "ff00::/8")),
    ("the broadcast address", _networks("255.255.255.255/32")),
)
"""No receiver has one of these (RFC 6890): nothing allows them."""

_REFUSED: tuple[tuple[str, tuple[Network, ...]], ...] = (
    (
        "where clouds hand out a machine's credentials",
        _networks(  # Amazon and most others, Alibaba, Oracle; Amazon and Google over IPv6
            "169.254.169.254/32",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
        ),
    ),
    ("a link-local address", _networks("169.254.0.0/16", "fe80::/10")),
    ("a reserved address", _networks("240.0.0.0/4")),
)

_PRIVATE = _networks(
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")

_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215


def _nothing() -> Collection[Address]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """Where texts may go. Two rules that compare equal allow the same."""

    allow: tuple[Network, ...] = ()
    """Allowed although denied or refused otherwise."""
    deny: tuple[Network, ...] = ()
    own: frozenset[tuple[Address | None, int]] = frozenset()
    """mmconnect's listeners: address and port; None for all addresses of this machine."""
    local: Callable[[], Collection[Address]] = _nothing
    """This machine's addresses as they are now; loopback need not be among them."""

    def refusal(self, ip: str, port: int) -> str | None:
        """Why no connection may be made to this address, in a sentence; None when one may."""
        address = parse(ip)
        forms = [address, *_carried(address)]
        for form in forms:
            if (what := _first(form, _NEVER)) is not None:
                return f"{_shown(address, form)} is {what}. Change the endpoint's URL"
            if self._is_own(form, port):
                return (
                    f"{_shown(address, form)} with port {port} is mmconnect itself. Change the"
                    " endpoint's URL to the receiver's"
                )
        if _within(address, self.allow):
            return None
        remedy = f"If it is meant, add {address} to the setting “{ALLOWED}”"
        for form in forms:
            if (network := _within(form, self.deny)) is not None:
                return (
                    f"{_shown(address, form)} is in {network}, one of the setting “{DENIED}”."
                    f" {remedy}, or take the other out"
                )
            if (what := _first(form, _REFUSED)) is not None:
                return f"{_shown(address, form)} is {what}; texts are not sent there. {remedy}"
        return None

    def _is_own(self, address: Address, port: int) -> bool:
        if (address, port) in self.own:
            return True
        if (None, port) not in self.own:
            return False
        return _within(address, _LOOPBACK) is not None or address in self.local()


def is_private(ip: str) -> bool:
    """Whether it belongs to this machine or its own network, so that plain http stays at home."""
    address = parse(ip)
    forms: list[Address] = [address]
    if isinstance(address, IPv6Address) and (address in _NAT64 or address in _LOCAL_NAT64):
        forms = list(_carried(address)) or forms  # the translator is on the own network
    return all(_within(form, _PRIVATE) is not None for form in forms)


def listeners(bound: Iterable[str]) -> frozenset[tuple[Address | None, int]]:
    """`AddressRule.own` of what the listeners are bound to: `0.0.0.0:8480`, `[::]:8480`."""
    own: set[tuple[Address | None, int]] = set()
    for one in bound:
        host, _, port = one.rpartition(":")
        address = parse(host.strip("[]") or "0.0.0.0")
        own.add((None if address.is_unspecified else address, int(port)))
    return frozenset(own)


def parse(ip: str) -> Address:
    """The address that is really connected to: no zone, and IPv4 where it is only mapped."""
    address = ip_address(ip.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _carried(address: Address) -> Iterator[Address]:
    """The IPv4 addresses to which an IPv6 address leads through a translator or a tunnel."""
    if not isinstance(address, IPv6Address):
        return
    number = int(address)
    if address in _COMPATIBLE and number > 1:
        yield IPv4Address(number)
    if address in _TRANSLATED or address in _NAT64:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:
        # RFC 6052 2.2: where the 32 bits lie depends on the operator's prefix length (/48 … /96)
        # and skips bits 64 to 71. A reading that begins with 0 is none.
        joined = (number >> 64 << 56) | (number & (1 << 56) - 1)
        readings = (joined >> 40, joined >> 32, joined >> 24, number)
        for reading in readings:
            if reading & 0xFF000000:
                yield IPv4Address(reading & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def _shown(address: Address, form: Address) -> str:
    return str(address) if form == address else f"{address} leads to {form}, which"


def _first(address: Address, kinds: Iterable[tuple[str, tuple[Network, ...]]]) -> str | None:
    return next((what for what, networks in kinds if _within(address, networks)), None)


def _within(address: Address, networks: Iterable[Network]) -> Network | None:
    return next((n for n in networks if n.version == address.version and address in n), None)
