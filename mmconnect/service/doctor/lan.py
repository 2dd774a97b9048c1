"""Can phones reach this machine: has it an address, does the phone port answer on each, is anybody
heard, and is there a firewall in the way?

From this machine alone nobody can see what a router lets through; so a phone that was heard lately
counts for more than any rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.wording import duration
from mmconnect.service.doctor.asking import Answer
from mmconnect.webhook.addresses import is_private, parse

LAN = Check("lan", "Reachable for phones")
LATELY = 86_400_000
"""Milliseconds for which a phone's being heard says that phones get through."""
_ARP = Path("/proc/self/net/arp")
_ROUTES = Path("/proc/self/net/route")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of the phones."""

    phones: int
    """How many there are."""
    last: int | None
    """When one was last heard from another machine (UTC ms)."""
    address: str | None = None
    """Where it was then."""
    pulled: int = 0
    """How many of them mmconnect fetches from."""


def addresses(found: Sequence[str]) -> Findings:
    """Judge the addresses that others can use."""
    if not found:
        yield LAN.problem(
            "This machine has no address in any network.",
            "Check its cable or Wi-Fi, and its router.",
        )
    elif not any(is_private(one) for one in found):
        yield LAN.note(
            f"All its addresses are public ({', '.join(found[:3])}): anybody on the internet may"
            " reach the phones' port and the admin side.",
            "Let a firewall admit only your own networks.",
        )


def cut(unplugged: Mapping[str, str], found: Sequence[str]) -> Findings:
    """Judge the addresses of `found` whose interface (the value) is connected to nothing."""
    away = {one: unplugged[one] for one in found if one in unplugged}
    if not away:
        return
    told = "; ".join(
        f"{name} ({', '.join(at for at, its in away.items() if its == name)})"
        for name in dict.fromkeys(away.values())
    )
    if len(away) == len(set(found)):
        yield LAN.problem(
            f"This machine is connected to no network: {told} has no link.",
            "Check its cable or Wi-Fi, and its router.",
        )
    else:
        yield LAN.note(
            f"{told} has no link: what is pushed there does not come in.",
            "Plug its cable in, or let the phones push to another address of this machine.",
        )


def answered(urls: Sequence[str], answers: Mapping[str, Answer], *, alone: bool) -> Findings:
    """Judge what the phones' port said on each address of this machine; `alone`: it is bound to
    loopback, so nobody else can get there."""
    mute = [url for url in urls if answers[url].status != 200]
    for url in mute:
        answer = answers[url]
        why = answer.trouble or f"it answers {answer.status}"
        yield LAN.problem(
            f"{url.removesuffix('/healthz')} does not answer, not even to this machine ({why}).",
            "Look at the service's log, and start it anew."
            if answer.taken
            else "See that the service listens on all addresses (--phone-listen 0.0.0.0:8481), and"
            " that no firewall rule is about this port.",
        )
    if alone:
        yield LAN.note(
            f"Phones are listened to on this machine alone ({host_of(urls[0])}): none on the"
            " network can push.",
            "If they are to: --phone-listen 0.0.0.0:8481. Behind a proxy on this machine this is"
            " right.",
        )
    elif urls and not mute and not is_alone(urls):
        bases = [url.removesuffix("/healthz") for url in urls]
        more = f" and {len(bases) - 4} more" if len(bases) > 4 else ""
        yield LAN.ok(f"The phones' port answers at {', '.join(bases[:4])}{more}.")


def is_alone(places: Sequence[str]) -> bool:
    """Whether only this machine itself can get there; URLs, or `host:port`."""
    return bool(places) and all(parse(host_of(one)).is_loopback for one in places)


def heard(known: Heard, now: int, neighbours: int | None, page: str | None) -> Findings:
    """Judge whether phones get through. `neighbours`: machines that this one has seen on its
    network besides the router; `page`: what a phone's browser can open to try."""
    if not known.phones:
        return
    if known.last is not None and abs(now - known.last) < LATELY:
        at = f" from {known.address}" if known.address else ""
        yield LAN.ok(f"A phone was heard {duration(max(0, now - known.last) / 1000)} ago{at}.")
        return
    if known.pulled == known.phones:
        return  # whether those answer is another finding
    if known.last is None:
        since = "No phone was ever heard"
    elif known.last > now:
        since = "No phone was heard since this machine's clock was set back"
    else:
        since = f"No phone was heard for {duration((now - known.last) / 1000)}"
    alone = ", and no other machine is seen on its network" if neighbours == 0 else ""
    tried = f"Open {page} in the phone's browser" if page else "Open the push URL on the phone"
    yield LAN.note(
        f"{since}{alone}.",
        f"{tried}. If that fails, the phone is in another network, or its Wi-Fi keeps machines"
        " apart: a guest network does, and so do access points with “client isolation” or “AP"
        " isolation” on.",
    )


def neighbours(arp: str, routes: str) -> int:
    """Machines in /proc/net/arp that have answered, less the routers of /proc/net/route."""
    routers = {
        str(parse(".".join(str(b) for b in bytes.fromhex(row[2])[::-1])))
        for row in (line.split() for line in routes.splitlines()[1:])
        if len(row) > 2 and row[2] != "00000000"
    }
    seen = {
        row[0]
        for row in (line.split() for line in arp.splitlines()[1:])
        if len(row) > 3 and row[2] != "0x0" and row[3] != "00:00:00:00:00:00"
    }
    return len(seen - routers)


def count_neighbours() -> int | None:
    """The same of this machine; None where the kernel does not tell."""
    try:
        return neighbours(_ARP.read_text(encoding="ascii"), _ROUTES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def host_of(url: str) -> str:
    """Of a URL, or of `host:port`."""
    return url.rpartition("://")[2].partition("/")[0].rpartition(":")[0].strip("[]")
