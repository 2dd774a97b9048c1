"""The addresses of this machine: those that a phone on the LAN can reach, and all of them.

What is shown to people is never 0.0.0.0, and bridges come last.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

import ifaddr

from mmconnect.phones.urls import Bases
from mmconnect.webhook.addresses import Address, parse

_VIRTUAL = re.compile(r"(docker|br-|veth|virbr|lxc|lxd|podman|cni|flannel|tun|tap|wg|vmnet)")


def lan_addresses() -> list[str]:
    """IPv4 addresses other machines can use, the best first; loopback when there is no other."""
    outgoing = _outgoing()
    ranked: list[tuple[int, str]] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if not isinstance(ip.ip, str):
                continue
            address = ipaddress.ip_address(ip.ip)
            if address.is_loopback or address.is_link_local:
                continue
            rank = 0 if ip.ip == outgoing else 2 if _VIRTUAL.match(adapter.name) else 1
            ranked.append((rank, ip.ip))
    return [ip for _, ip in sorted(ranked)] or ["127.0.0.1"]


def own_addresses() -> frozenset[Address]:
    """Every address of this machine, as it is now, for the address rule."""
    ips = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    return frozenset(parse(ip if isinstance(ip, str) else ip[0]) for ip in ips)


def own_networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks that this machine is in, as it is now: each address with its prefix length."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append(ipaddress.ip_network(f"{address}/{ip.network_prefix}", strict=False))
    return found


def hosts(host: str) -> list[str]:
    """What to bind to for a listen address: all of IPv6 means all of IPv4, too.

    Two sockets, as one for both would write every IPv4 address in IPv6.
    """
    return ["::", "0.0.0.0"] if host == "::" else [host]


def reachable(listening: Iterable[str]) -> list[str]:
    """`host:port` as a phone can use them, for what the listeners are bound to."""
    found: list[str] = []
    for bound in listening:
        host, _, port = bound.rpartition(":")
        at = lan_addresses() if host in ("0.0.0.0", "[::]", "::", "") else [host]
        found += [f"{h}:{port}" for h in at]
    return list(dict.fromkeys(found))


def bases(phone: Iterable[str], phone_tls: Iterable[str]) -> Bases:
    """Where phones reach what the listeners for plain HTTP and HTTPS are bound to."""
    return Bases(
        http=tuple(f"http://{at}" for at in reachable(phone)),
        https=tuple(f"https://{at}" for at in reachable(phone_tls)),
    )


def _outgoing() -> str | None:
    """The address this machine would use towards other networks. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: routed, never reached
            return str(probe.getsockname()[0])
        except OSError:
            return None
