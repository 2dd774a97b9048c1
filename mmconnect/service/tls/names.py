"""Under which names and addresses phones reach this machine: what its certificate is made for.

Every address but the link-local ones, which no app takes, and the temporary IPv6 ones, which are
new each day and typed by nobody.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ifaddr

MOST = 100
"""Names and addresses of each kind in one certificate; a machine with more is a host of containers,
and a certificate grows with each."""
SUFFIXES = ("local", "lan", "home.arpa", "fritz.box")
"""Where home routers and mDNS put a machine's name."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_TEMPORARY = 0x01
"""IFA_F_TEMPORARY in the flags of /proc/self/net/if_inet6."""
_IPV6_TABLE = Path("/proc/self/net/if_inet6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What a server certificate is for."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]


def present() -> Hosts:
    """Those of this machine at this moment. Asks nobody else."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        found += [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips]
    passing = _temporary()
    return hosts(socket.gethostname(), (ip for ip in found if _plain(ip) not in passing))


def hosts(host_name: str, addresses: Iterable[str]) -> Hosts:
    """The names that go with a machine's name, and the addresses of use to others.

    Loopback first, then IPv4 before IPv6; the same ones give the same answer in whatever order.
    """
    whole = host_name.strip(".").lower()
    bare = whole.partition(".")[0]
    names = ["localhost", whole, bare, *(f"{bare}.{suffix}" for suffix in SUFFIXES)]
    known = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    for text in addresses:
        address = ipaddress.ip_address(_plain(text))
        if not (address.is_link_local or address.is_unspecified or address.is_multicast):
            known.add(address)
    ranked = sorted(known, key=lambda a: (not a.is_loopback, a.version, int(a)))
    return Hosts(
        names=tuple(dict.fromkeys(name for name in names if _usable(name)))[:MOST],
        addresses=tuple(str(address) for address in ranked)[:MOST],
    )


def _usable(name: str) -> bool:
    return len(name) <= 253 and _NAME.fullmatch(name) is not None


def _plain(address: str) -> str:
    """Without the interface: `fe80::1%eth0`."""
    return str(ipaddress.ip_address(address.partition("%")[0]))


def _temporary() -> frozenset[str]:
    """The IPv6 addresses that privacy extensions made up for a while (Linux)."""
    try:
        lines = _IPV6_TABLE.read_text(encoding="ascii").splitlines()
    except OSError:
        return frozenset()
    rows = [line.split() for line in lines]
    return frozenset(
        str(ipaddress.IPv6Address(int(row[0], 16))) for row in rows if int(row[4], 16) & _TEMPORARY
    )
