"""Who really asks: whether a request comes from this machine itself, not through a proxy on it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

_BY_PROXY = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")
"""Besides everything that begins with `x-forwarded`."""


def asked_from_here(remote: str | None, headers: Mapping[str, str]) -> bool:
    """Whether `remote` is a loopback address and no header says that somebody else is behind it."""
    try:
        address = ip_address((remote or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback and not by_proxy(headers)


def by_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a header says that a proxy asks for somebody else."""
    names = [name.lower() for name in headers]
    return any(name in _BY_PROXY or name.startswith("x-forwarded") for name in names)
