"""A machine's own network and, at the other end of its cable, all others': two namespaces.

For a process that runs in a namespace of its own (`unshare --net --mount`, as root). It is the
machine, whose addresses are on `lan0`; sockets that are made `with elsewhere:` are everybody
else's: phones, receivers, the name server. Each can only be reached over the cable.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.netns import ip

_NEWNET, _NEWNS = 0x40000000, 0x00020000
MACHINE, WIRE = "lan0", "wire0"
ROUTER = "192.168.7.1"
"""Where names are asked for, too."""
_LISTENING_IN = f"""
table inet heard {{
  set streams {{ type ipv4_addr . inet_service; flags dynamic; size 4096; }}
  set datagrams {{ type ipv4_addr . inet_service; flags dynamic; size 4096; }}
  set others {{ type ipv4_addr . inet_proto; flags dynamic; size 4096; }}
  set six {{ type ipv6_addr . inet_service; flags dynamic; size 4096; }}
  chain comes {{
    type filter hook prerouting priority -300;
    iifname != "{WIRE}" accept
    ip version 4 tcp flags & (syn | ack) == syn update @streams {{ ip daddr . tcp dport }}
    ip version 4 udp dport 0-65535 update @datagrams {{ ip daddr . udp dport }}
    ip version 4 meta l4proto != {{ tcp, udp }} update @others {{ ip daddr . ip protocol }}
    ip6 version 6 meta l4proto {{ tcp, udp }} update @six {{ ip6 daddr . th dport }}
  }}
}}
"""


class Elsewhere:
    """The other end. `with` it: what is made in the block is there."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)

        def switch(call: str, *words: int) -> None:
            if getattr(libc, call)(*words) != 0:
                raise OSError(ctypes.get_errno(), f"{call} failed: is this run as root?")

        self._switch = switch
        self._here = os.open("/proc/self/ns/net", os.O_RDONLY)
        switch("unshare", _NEWNET)
        self._there = os.open("/proc/self/ns/net", os.O_RDONLY)
        holder = subprocess.Popen(["sleep", "60"])  # a name for it, which `ip` understands
        switch("setns", self._here, _NEWNET)
        try:
            ip("link", "set", "lo", "up")
            ip(
                "link",
                "add",
                MACHINE,
                "type",
                "veth",
                "peer",
                "name",
                WIRE,
                "netns",
                f"{holder.pid}",
            )
            ip("link", "set", MACHINE, "up")
        finally:
            holder.kill()
            holder.wait()
        with self:
            ip("link", "set", "lo", "up")
            ip("link", "set", WIRE, "up")
            self.has(ROUTER)
            _answer_at_once(ROUTER, WIRE)

    def __enter__(self) -> None:
        self._switch("setns", self._there, _NEWNET)

    def __exit__(self, *_: object) -> None:
        self._switch("setns", self._here, _NEWNET)

    def has(self, address: str) -> None:
        """Somebody there has this address (call it in the block)."""
        ip("addr", "add", f"{address}/24", "dev", WIRE)

    def listen_in(self) -> None:
        """From now on the kernel keeps where to whatever comes over the cable goes (nftables)."""
        with self:
            subprocess.run(["nft", "-f", "-"], input=_LISTENING_IN, text=True, check=True)

    def heard(self) -> dict[str, set[tuple[str, int | str]]]:
        """Where to it went: TCP connections (`streams`) and `datagrams` with their ports, `six` of
        either over IPv6, and `others` with their protocol."""
        with self:
            words = ("nft", "-j", "list", "table", "inet", "heard")
            told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        sets = [one["set"] for one in json.loads(told)["nftables"] if "set" in one]
        return {
            one["name"]: {tuple(entry["concat"]) for entry in one.get("elem", [])} for one in sets
        }

    def listen(self, host: str, port: int) -> socket.socket:
        """A listening socket."""
        with self:
            return socket.create_server((host, port), backlog=100)

    async def connect(self, host: str, port: int, source: str) -> socket.socket:
        """A connection from there to the machine. Raises OSError."""
        with self:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made


def _answer_at_once(address: str, device: str) -> None:
    """What comes in there is acknowledged at once, not with the next answer or after 40 ms."""
    own = ("proto", "kernel", "scope", "link", "src", address)
    ip("route", "replace", "192.168.7.0/24", "dev", device, *own, "quickack", "1")


def machine_has(address: str) -> None:
    """The machine gets this address, and the way to everywhere through it."""
    ip("addr", "add", f"{address}/24", "dev", MACHINE)
    _answer_at_once(address, MACHINE)
    ip("route", "replace", "default", "via", ROUTER, "src", address)


def machine_loses(address: str) -> None:
    ip("addr", "del", f"{address}/24", "dev", MACHINE)


def ask_for_names_at(router: str, notes: Path) -> None:
    """This process's names come from there. Its mounts have to be its own."""
    notes.write_text(f"nameserver {router}\noptions timeout:1 attempts:1\n", encoding="utf-8")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    real = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", str(notes), str(real)], check=True)


class Names(asyncio.DatagramProtocol):
    """A name server that knows a few names, and keeps what it was asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self.asked: set[str] = set()

    @contextlib.contextmanager
    def serving(self, elsewhere: Elsewhere, host: str) -> Iterator[None]:
        """Answer at port 53 there, in the loop that runs."""
        loop = asyncio.get_running_loop()
        with elsewhere:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 53))

        def readable() -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    question, whence = sock.recvfrom(1500)
                    sock.sendto(self._answer(question), whence)

        loop.add_reader(sock, readable)
        try:
            yield
        finally:
            loop.remove_reader(sock)
            sock.close()

    def _answer(self, question: bytes) -> bytes:
        """By RFC 1035, 4: a header of 12 bytes, then the name, its type and class."""
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        name, end = ".".join(labels).lower(), at + 5
        self.asked.add(name)
        (kind,) = struct.unpack("!H", question[at + 1 : at + 3])
        address = self._known.get(name)
        found = address is not None and kind == 1
        flags = 0x8180 if address is not None else 0x8183  # NXDOMAIN
        head = question[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0)
        answer = b""
        if found:
            assert address is not None
            answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
        return head + question[12:end] + answer
