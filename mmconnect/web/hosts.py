"""Whether a request was really meant for this machine, and came from a page of its own.

Against DNS rebinding: a page on the internet whose name is made to lead here has that name as its
Host, which no LAN machine has. Against forgery: a browser tells where a form was sent from.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

_LOCAL = (".local", ".lan", ".home.arpa", ".fritz.box", ".localhost")


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
