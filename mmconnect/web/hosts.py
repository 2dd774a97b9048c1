"""Whether a request was really meant for this machine, and came from a page of its own.

Against DNS rebinding: a page on the internet whose name is made to lead here has that name as its
Host, which no LAN machine has. Against forgery: a browser tells where a form was sent from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOME = (".local", ".lan", ".home.arpa", ".fritz.box")
_LOCAL = (*_HOME, ".localhost")


def is_local(host: str | None) -> bool:
    """Whether a `Host` header names a machine of this network: an address, or a local name."""
    name = (host or "").strip().lower()
    if name.startswith("["):
        name, bracket, port = name[1:].partition("]")
        return bool(bracket) and _is_port(port) and _is_address(name)
    name, colon, port = name.partition(":")
    if not _is_port(colon + port):
        return False
    name = name.removesuffix(".")
    if _is_address(name):
        return True
    labels = name.split(".")
    valid = all(label and label.replace("-", "a").replace("_", "a").isalnum() for label in labels)
    return valid and name.isascii() and (len(labels) == 1 or name.endswith(_LOCAL))


def is_own(host: str, name: str, more: Collection[str] = ()) -> bool:
    """Whether a `Host` is an address or one of our names: of this machine, `name`, bare or below
    what home routers and mDNS put it, or of those in `more`."""
    asked, _, port = host.strip().lower().rpartition(":")
    if not asked or not port.isascii() or not port.isdigit():  # without a port, or an IPv6 address
        asked = host.strip().lower()
    asked = asked.removesuffix(".")
    if is_local(asked) and _is_address(asked.strip("[]")):
        return True
    whole = name.strip(".").lower()
    bare = whole.partition(".")[0]
    return asked in {"localhost", whole, bare, *(f"{bare}{suffix}" for suffix in _HOME), *more}


def is_forged(headers: Mapping[str, str], host: str, *, known: bool) -> bool:
    """Whether a request that changes something may have been sent by another site's page.

    `host`: what the browser has asked for; `known`: it brings our cookie. A browser says where a
    form was on; who says nothing is no browser, but then has no cookie of ours either.
    """
    site = headers.get("Sec-Fetch-Site", "").lower()
    if site not in ("", "same-origin", "none"):
        return True
    for name in ("Origin", "Referer"):
        if (sent_from := headers.get(name)) is not None:
            return not _is_at(sent_from, host)
    return known and not site


def is_link(headers: Mapping[str, str], host: str) -> bool:
    """Whether a browser has come by a link on another site's page, as far as it says so.

    Then it keeps a cookie with `SameSite=Strict` to itself, though it has one.
    """
    site = headers.get("Sec-Fetch-Site", "").lower()
    if site:
        return site in ("cross-site", "same-site") and headers.get("Sec-Fetch-Mode") == "navigate"
    referer = headers.get("Referer")
    return referer is not None and not _is_at(referer, host)


def _is_at(url: str, host: str) -> bool:
    """Whether a URL is one of `host`, with the port that is usual where none stands."""
    try:
        parts = urlsplit(url)
    except ValueError:  # `http://[`: no URL at all
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc or not host:
        return False
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    at, ours = parts.netloc.lower(), host.strip().lower()
    return at.removesuffix(usual) == ours.removesuffix(usual)


def from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page has sent this request."""
    origin = headers.get("Origin")
    if origin is not None:
        scheme, separator, at = origin.partition("://")
        host = headers.get("Host", "")
        if scheme not in ("http", "https") or not separator or at.lower() != host.lower():
            return True
    return headers.get("Sec-Fetch-Site", "").lower() == "cross-site"


def _is_port(rest: str) -> bool:
    return rest == "" or (rest.startswith(":") and rest[1:].isascii() and rest[1:].isdigit())


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
