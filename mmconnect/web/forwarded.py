"""Who really asks, and what for: the client behind the reverse proxies that are trusted.

Every proxy adds the address that it was asked from at the right, so the way is walked from there:
what a trusted proxy says is believed, up to the first address that is not one's. What stands left
of that was sent by the client and proves nothing. Nor does anything that others say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_BY_PROXY = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")
"""Besides everything that begins with `x-forwarded`."""
_TOLD = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
"""Headers that only a proxy which is trusted may set."""
MOST_HOPS = 20
"""Proxies that are walked through at the most."""
MOST_TEXT = 2000
"""Characters of a `Forwarded` that are read, from its right."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(:\d{1,5})?")
_PAIR = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*', re.ASCII)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks, as far as it can be believed."""

    address: str
    """Of the client; of the proxy, where that is not trusted or does not tell."""
    scheme: str
    """`http` or `https`, as the browser sees it."""
    host: str
    """What the browser has asked for, with the port if it is not the usual one."""
    proxied: bool = False
    """Whether a trusted proxy has passed the request on."""
    untrusted: str | None = None
    """The address of a proxy that says whom it asks for, but is not trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """What one proxy says of whoever asked it."""

    address: str
    scheme: str | None = None
    host: str | None = None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of trusted proxies, as they are set. Raises ValueError."""
    return tuple(ip_network(text, strict=False) for text in texts)


def client(
    remote: str | None,
    headers: Mapping[str, str],
    *,
    secure: bool,
    trusted: Sequence[Network] = (),
) -> Client:
    """Who asks. `remote` and `secure` are of the connection; several headers of one name count as
    one, joined by commas, as their order says."""
    here = plain(remote or "")
    direct = Client(
        address=here, scheme="https" if secure else "http", host=_joined(headers, "host")
    )
    told = any(_joined(headers, name) for name in _TOLD)
    if not told:
        return direct
    if not is_trusted(here, trusted):
        return Client(address=here, scheme=direct.scheme, host=direct.host, untrusted=here)
    hops = _hops(headers)
    if hops is None:  # two stories that do not agree: one of them was sent by the client
        return Client(address=here, scheme=direct.scheme, host=direct.host, proxied=True)
    address, hop = here, None
    for told_by in reversed(hops):
        hop = told_by
        seen = plain(told_by.address)
        if _parsed(seen) is None:  # `unknown`, or a name in disguise (RFC 7239, 6.2 and 6.3)
            break
        address = seen
        if not is_trusted(seen, trusted):
            break
    scheme = hop.scheme if hop is not None else None
    host = hop.host if hop is not None else None
    return Client(
        address=address,
        scheme=scheme if scheme in ("http", "https") else direct.scheme,
        host=host if host is not None and _HOST.fullmatch(host) else direct.host,
        proxied=True,
    )


def asked_from_here(remote: str | None, headers: Mapping[str, str]) -> bool:
    """Whether `remote` is a loopback address and no header says that somebody else is behind it."""
    return is_loopback(remote) and not by_proxy(headers)


def is_loopback(address: str | None) -> bool:
    """Whether an address is this machine's own, for itself alone."""
    parsed = _parsed(plain(address or ""))
    return parsed is not None and parsed.is_loopback


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether an address is that of a trusted proxy."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def by_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a header says that a proxy asks for somebody else."""
    names = [name.lower() for name in headers]
    return any(name in _BY_PROXY or name.startswith("x-forwarded") for name in names)


def plain(address: str) -> str:
    """An address without port, brackets and zone; IPv4 as such, though it was written in IPv6."""
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = _parsed(text)
    return text if parsed is None else str(parsed)


def _parsed(address: str) -> Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _joined(headers: Mapping[str, str], name: str) -> str:
    several = getattr(headers, "getall", None)
    if several is None:
        return next((value for key, value in headers.items() if key.lower() == name), "")
    return ", ".join(several(name, ()))


def _hops(headers: Mapping[str, str]) -> list[_Hop] | None:
    """What the proxies say, the nearest last; None when two kinds of headers do not agree.

    A proxy that sets one kind passes the other on as the client has sent it.
    """
    usual, standard = _usual(headers), _standard(headers)
    if not standard:
        return usual
    if not usual:
        return standard
    ways = [[plain(hop.address) for hop in way] for way in (usual, standard)]
    return usual if ways[0] == ways[1] else None


def _usual(headers: Mapping[str, str]) -> list[_Hop]:
    """`X-Forwarded-For`, `-Proto` and `-Host`; each list is read from its right end.

    A list that is shorter than the way was written by a proxy further in, for all before it.
    """
    addresses = _list(headers, "x-forwarded-for")[-MOST_HOPS:]
    schemes, hosts = _list(headers, "x-forwarded-proto"), _list(headers, "x-forwarded-host")
    if not addresses:
        if not schemes and not hosts:
            return []
        addresses = ["unknown"]

    def at(values: list[str], back: int) -> str | None:
        return values[max(0, len(values) - back)] if values else None

    return [
        _Hop(
            address=address,
            scheme=(at(schemes, len(addresses) - n) or "").lower() or None,
            host=at(hosts, len(addresses) - n),
        )
        for n, address in enumerate(addresses)
    ]


def _standard(headers: Mapping[str, str]) -> list[_Hop]:
    """`Forwarded` (RFC 7239, 4)."""
    found = []
    text = _joined(headers, "forwarded")[-MOST_TEXT:]
    for element in _split(text, ",")[-MOST_HOPS:]:
        pairs: dict[str, str] = {}
        for part in _split(element, ";"):
            if (pair := _PAIR.fullmatch(part)) is not None:
                value = pair[2]
                if value.startswith('"'):
                    value = re.sub(r"\\(.)", r"\1", value[1:-1])
                pairs.setdefault(pair[1].lower(), value)
        found.append(
            _Hop(
                address=pairs.get("for", "unknown"),
                scheme=pairs.get("proto", "").lower() or None,
                host=pairs.get("host"),
            )
        )
    return found


def _list(headers: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in _joined(headers, name).split(",") if part.strip()]


def _split(text: str, by: str) -> list[str]:
    """Parts of a header; what stands in quotes is not divided."""
    parts = re.findall(rf'(?:"(?:[^"\\]|\\.)*"|[^"{by}])+', text)
    return [part.strip() for part in parts if part.strip()]
