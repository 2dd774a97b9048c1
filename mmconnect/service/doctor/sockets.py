"""Who listens on which port of this machine, as the kernel tells (proc(5))."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from mmconnect.webhook.addresses import Address, parse

PROC = Path("/proc")
_LISTEN = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One socket that waits for connections."""

    address: Address
    port: int
    inode: int

    def is_in_the_way(self, host: str, port: int) -> bool:
        """Whether another socket could not listen on `host` (an address) and `port`."""
        if port != self.port:
            return False
        wanted = parse(host)
        if wanted.version != self.address.version:  # [::] mostly is all of IPv4, too
            return self.address.version == 6 and self.address.is_unspecified
        return wanted == self.address or wanted.is_unspecified or self.address.is_unspecified


def listening(proc: Path = PROC) -> list[Listening]:
    """All of them; none where the kernel does not tell."""
    found: list[Listening] = []
    for name in ("tcp", "tcp6"):
        try:
            table = (proc / "self" / "net" / name).read_text(encoding="ascii")
        except OSError:
            continue
        found += parsed(table)
    return found


def parsed(table: str) -> list[Listening]:
    """Those in /proc/self/net/tcp or tcp6 (proc(5)); /proc/net is not there for the service."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [
        Listening(address=_address(host), port=int(port, 16), inode=int(row[9]))
        for row in rows
        if len(row) > 9 and row[3] == _LISTEN
        for host, _, port in [row[1].partition(":")]
    ]


def _address(text: str) -> Address:
    """An address as the kernel prints it: words of 32 bits in the machine's own order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _link(fd: Path) -> str:
    """What a file descriptor is; empty when it was closed meanwhile."""
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def owners(inodes: Iterable[int], proc: Path = PROC) -> dict[int, str]:
    """`name (pid 12)` of the processes that hold these sockets, as far as one may look."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, str] = {}
    if not wanted:
        return found
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            held = [_link(fd) for fd in (process / "fd").iterdir()]
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # somebody else's, or it has ended
            continue
        name = re.sub(r"[^\x20-\x7e]", "?", name)
        found |= {wanted[one]: f"{name} (pid {process.name})" for one in held if one in wanted}
    return found
