"""Phones that push to an address which this machine no longer has.

A phone that pushes by a name finds its way, and one that comes through a forwarded port uses an
address that never was ours: of neither is anything said. Pure; who knows the machine's addresses
passes them in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Set
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from mmconnect.domain.models import Device
from mmconnect.phones.urls import Bases
from mmconnect.webhook.addresses import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A device that has to be told where mmconnect is now."""

    device: Device
    old: str
    """The base of the push URL as the phone knows it."""
    new: str

    @property
    def sentence(self) -> str:
        """What is wrong."""
        return (
            f"{self.device.name} still pushes to {self.old}, which is no address of this machine"
            f" any more: that is {self.new} now."
        )


def moved(device: Device, own: Set[Address], bases: Bases) -> Move | None:
    """What a device has to be told, or None: it can reach us, or we cannot be reached at all."""
    old = device.push_base
    address = None if old is None else _address(urlsplit(old).hostname)
    if old is None or address is None or address.is_loopback or address in own:
        return None
    same = [base for base in bases.every if base.partition(":")[0] == old.partition(":")[0]]
    for new in (*same, *bases.every):
        there = _address(urlsplit(new).hostname)
        if there is not None and there in own and not there.is_loopback:
            return Move(device=device, old=old, new=new)
    return None  # without a network nobody has moved


def learned(device: Device, host: str, own: Set[Address], *, secure: bool) -> Device:
    """The device with what the `Host` of its push tells of the base that it uses.

    An address of ours, or a name, is what it pushes to. Any other address is that of something in
    between that hands pushes on: what that has to be is not ours to say. `own`: also those that
    were ours when the push came. `secure`: whether it came over HTTPS.
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port  # which raises, too
    except ValueError:
        return device
    if not name or not host.isascii() or any(c in host for c in "/?#@ \t"):
        return device
    address = _address(name)
    if name == "localhost" or (address is not None and address.is_loopback):
        return device
    if address is not None and address not in own:
        base = None if _is_address(device.push_base) else device.push_base
    else:
        base = f"{'https' if secure else 'http'}://{host.lower()}"
    return device if base == device.push_base else replace(device, push_base=base)


def _is_address(base: str | None) -> bool:
    return base is not None and _address(urlsplit(base).hostname) is not None


def _address(host: str | None) -> Address | None:
    try:
        return ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
