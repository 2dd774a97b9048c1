"""Where a URL leads, looked at before anything is sent there: scheme, name, addresses, consent.

Asks the system to resolve the name, and connects to nothing. What counts is judged once more at
every connection: a name may lead elsewhere by then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mmconnect.desk import endpoint_values as values
from mmconnect.desk.endpoint_changes import plain_words
from mmconnect.webhook import addresses
from mmconnect.webhook.addresses import AddressRule

PATIENCE = 4.0
"""Seconds for a name server to answer while somebody types."""
MOST = 4
"""Addresses that are named."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name. Raises OSError, also when it takes too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found out."""

    kind: str
    """`good`, `warn` or `bad`."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is known of a URL."""

    findings: tuple[Finding, ...]
    name: str = ""
    """What an endpoint there could be called."""
    consent: bool = False
    """It is plain http beyond the own network: the owner has to agree to that."""

    @property
    def usable(self) -> bool:
        """Whether texts can go there, as far as is known."""
        return all(finding.kind != "bad" for finding in self.findings)


async def resolved(host: str, port: int) -> list[str]:
    """Ask the system."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise OSError("no name server has answered") from error
    except UnicodeError as error:
        raise OSError("it is no name") from error
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


async def look(url: str, rule: AddressRule, *, resolve: Resolve = resolved) -> Place:
    """Find out what can be known of a URL without sending anything there."""
    try:
        values.url(url)
    except ValueError as error:
        return Place(findings=(Finding(kind="bad", sentence=str(error)),))
    parts = urlsplit(url)
    tls, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if tls else 80)
    try:
        found = await resolve(host, port)
    except OSError as error:
        return Place(
            findings=(Finding(kind="warn", sentence=_unknown(host, error)),),
            name=values.name_for(url),
        )
    refusals = {ip: rule.refusal(ip, port) for ip in found}
    good = [ip for ip, refusal in refusals.items() if refusal is None]
    if not good:
        why = next(iter(refusals.values()), None) or f"{host} has no address"
        return Place(findings=(Finding(kind="bad", sentence=why),), name=values.name_for(url))
    public = next((ip for ip in good if not addresses.is_private(ip)), None)
    findings = [Finding(kind="good", sentence=_where(host, good))]
    if tls:
        sentence = "Texts travel encrypted (TLS)."
        findings.append(Finding(kind="good", sentence=sentence))
    elif public is None:
        sentence = (
            "Plain http, and within your own network: every text is signed, and readable there."
        )
        findings.append(Finding(kind="good", sentence=sentence))
    else:
        findings.append(Finding(kind="warn", sentence=f"{plain_words(public)}."))
    return Place(
        findings=tuple(findings),
        name=values.name_for(url),
        consent=not tls and public is not None,
    )


def _where(host: str, found: list[str]) -> str:
    """What the addresses are, in a sentence."""
    shown = ", ".join(found[:MOST]) + (" …" if len(found) > MOST else "")
    leads = "is" if len(found) == 1 and found[0] == host else f"leads to {shown},"
    if all(addresses.parse(ip).is_loopback for ip in found):
        what = "this appliance itself: a receiver that runs on it"
    elif all(addresses.is_private(ip) for ip in found):
        what = "in your own network"
    else:
        what = "on the internet"
    return f"{host} {leads} {what}."


def _unknown(host: str, error: OSError) -> str:
    told = (error.strerror or str(error)).rstrip(".")
    hint = (
        "Names under .local are asked of the neighbours; an address such as 192.168.1.30 is surer"
        if host.endswith(".local")
        else "See that it is spelt right. Until it has an address, texts wait"
    )
    return f"{host} was not found ({told}). {hint}."
