"""The addresses of this machine: those that a phone on the LAN can reach, and all of them.

What is shown to people is never 0.0.0.0; bridges of containers and tunnels come last.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

import ifaddr

from mmconnect.phones.urls import Bases
from mmconnect.webhook.addresses import Address, parse

_VIRTUAL = re.compile(
    r"docker\d|br-[0-9a-f]{12}$|veth|virbr|lxc|lxd|incus|podman|cni|flannel|cali|kube|nerdctl"
    r"|tun|tap|utun|wg|ppp|tailscale|zt|vmnet|vboxnet|dummy"
)
"""Names of interfaces behind which there are containers or tunnels, and no phones."""
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40
_TEMPORARY = 0x01
"""IFA_F_TEMPORARY of Linux: an IPv6 address that is given up after a day."""


def lan_addresses(family: int = 4, *, virtual: bool = True) -> list[str]:
    """Addresses of one IP version that other machines can use, the best first; maybe none.

    Before all the one that leads to other networks, as the LAN mostly does; then those of other
    real interfaces, private ones first; in the end those of bridges and tunnels, even when the
    machine's own way out is a tunnel. Without `virtual`, not those of bridges and tunnels.
    """
    outgoing = _outgoing(family)
    passing = _temporary() if family == 6 else frozenset()
    ranked: list[tuple[bool, bool, bool, bool, int, str]] = []
    for number, adapter in enumerate(ifaddr.get_adapters()):
        no_lan = _VIRTUAL.match(adapter.name) is not None
        if no_lan and not virtual:
            continue
        for ip in adapter.ips:
            address = parse(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if address.version != family or address.is_loopback or address.is_link_local:
                continue
            if address.is_multicast or address.is_unspecified:
                continue
            ranked.append(
                (
                    *(no_lan, address != outgoing, address in passing, not address.is_private),
                    number,
                    str(address),
                )
            )
    return [address for *_, address in sorted(ranked)]


def unplugged() -> dict[str, str]:
    """Addresses for other machines whose interface is connected to nothing (no cable, no Wi-Fi,
    switched off), and that interface: an address often stays there."""
    found = {}
    for adapter in ifaddr.get_adapters():
        if _VIRTUAL.match(adapter.name) is None and not _is_connected(adapter.name):
            for ip in adapter.ips:
                address = parse(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
                if not address.is_loopback and not address.is_link_local:
                    found[str(address)] = adapter.name
    return found


def _is_connected(interface: str) -> bool:
    """Whether the kernel has a link there, or does not tell (netdevice(7))."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            asked = struct.pack("16s16x", interface.encode()[:15])
            told = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked)
            (flags,) = struct.unpack("16xH14x", told)
            return bool(flags & _IFF_RUNNING)
    except OSError:
        return True


def own_addresses() -> frozenset[Address]:
    """Every address of this machine, as it is now, for the address rule."""
    ips = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    return frozenset(parse(ip if isinstance(ip, str) else ip[0]) for ip in ips)


def own_networks() -> list[IPv4Network | IPv6Network]:
    """The networks that this machine is in, as it is now: each address with its prefix length."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append(ip_network(f"{address}/{ip.network_prefix}", strict=False))
    return found


def hosts(host: str) -> list[str]:
    """What to bind to for a listen address: all of IPv6 means all of IPv4, too.

    Two sockets, as one for both would write every IPv4 address in IPv6.
    """
    return ["::", "0.0.0.0"] if host == "::" else [host]


def reachable(listening: Iterable[str], *, virtual: bool = True) -> list[str]:
    """`host:port` as a phone can use them, for what the listeners are bound to.

    IPv4 first, as apps and people know it better; loopback when there is no network. `virtual` as
    for lan_addresses().
    """
    found: list[str] = []
    alone: list[str] = []
    for bound in sorted(listening, key=lambda one: one.startswith("[")):
        host, _, port = bound.rpartition(":")
        if host in ("0.0.0.0", ""):
            at, here = lan_addresses(virtual=virtual), "127.0.0.1"
        elif host in ("[::]", "::"):
            six = lan_addresses(6, virtual=virtual)
            at, here = [f"[{address}]" for address in six], "[::1]"
        else:
            at, here = [host], host
        found += [f"{h}:{port}" for h in at]
        alone.append(f"{here}:{port}")
    return list(dict.fromkeys(found or alone))


def bases(phone: Iterable[str], phone_tls: Iterable[str], *, virtual: bool = True) -> Bases:
    """Where phones reach what the listeners for plain HTTP and HTTPS are bound to.

    Without `virtual`: where no bridge or tunnel stands in for a network that is away just now.
    """
    return Bases(
        http=tuple(f"http://{at}" for at in reachable(phone, virtual=virtual)),
        https=tuple(f"https://{at}" for at in reachable(phone_tls, virtual=virtual)),
    )


def _outgoing(family: int) -> Address | None:
    """The address this machine would use towards other networks. Sends nothing."""
    # documentation addresses: routed, never reached
    kind, there = (socket.AF_INET, "192.0.2.1") if family == 4 else (socket.AF_INET6, "2001:db8::1")
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((there, 9))
            return parse(probe.getsockname()[0])
    except OSError:
        return None


def _temporary() -> frozenset[Address]:
    """The IPv6 addresses that will be given up soon, as far as Linux tells (proc(5))."""
    try:
        lines = Path("/proc/self/net/if_inet6").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return frozenset()
    fields = [line.split() for line in lines]
    return frozenset(
        IPv6Address(int(field[0], 16))
        for field in fields
        if len(field) == 6 and int(field[4], 16) & _TEMPORARY
    )
