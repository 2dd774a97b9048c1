"""What is known of an endpoint before anything is sent: where to connect, and the request's head.

Pure. Invariant: whatever URL or header it is given, a request has the lines it is meant to have and
no others, or there is none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

from mmconnect import __version__
from mmconnect.domain.values import value_type
from mmconnect.webhook.headers import FIXED
from mmconnect.webhook.outcome import Trouble

USER_AGENT = f"mmconnect/{__version__}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_HOST = re.compile(r"[^\x00-\x20\x7f-\uffff/?#@\\]+")


class Unsendable(Exception):
    """There is no request that could be sent."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble, self.detail = trouble, detail


@value_type(frozen=True, slots=True, kw_only=True)
class Way:
    """How to get to one endpoint."""

    url: str
    ca: str | None = None
    """PEM of a private authority: TLS is verified against the system's roots and this."""
    plain_http: bool = False
    """The owner's explicit consent to plain http beyond private addresses."""


Key = tuple[bool, str, int, str | None, bool]
"""What connections have in common that can take each other's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A Way, understood."""

    key: Key
    tls: bool
    host: str
    """To be resolved: a name in ASCII, or an address without brackets."""
    port: int
    ca: str | None
    plain_http: bool
    url: str
    """Where that is, in ASCII and without name and password."""
    start: str
    """The request up to the value of Content-Length."""
    authorization: str | None
    """A header line for the name and password in the URL."""

    def request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """The whole request. Raises Unsendable for a header that cannot be sent."""
        bad = _bad_name(tuple(headers))
        if bad is not None:
            raise Unsendable(Trouble.BAD_HEADER, f"{bad[:60]!r} is no name that can be used")
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if self.authorization is not None and "authorization" not in {n.lower() for n in headers}:
            lines.append(self.authorization)
        text = "\r\n".join([f"{self.start}{len(body)}", *lines, "\r\n"])
        # the last element brings one line break of its own, and has one before it
        breaks = self.start.count("\n") + len(lines) + 2
        if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
            raise Unsendable(Trouble.BAD_HEADER, _culprit(headers, "\r", "\n", "\0"))
        try:
            return text.encode("latin-1") + body
        except UnicodeEncodeError:
            raise Unsendable(Trouble.BAD_HEADER, _culprit(headers)) from None


def route(way: Way) -> Route:
    """Understand it. Raises Unsendable for a URL that cannot be used."""
    try:
        url = URL(way.url)
        host, port = url.raw_host, url.port
        shown, target = url.host_port_subcomponent, url.raw_path_qs
        user, password = url.user, url.password
    except (ValueError, UnicodeError) as error:
        raise Unsendable(Trouble.BAD_URL, str(error)) from None
    if url.scheme not in ("http", "https"):
        raise Unsendable(Trouble.BAD_URL, "it must begin with http:// or https://")
    if not host or not shown or not port or not _HOST.fullmatch(host) or host[0] == ".":
        raise Unsendable(Trouble.BAD_URL, "it has no host name or port that can be used")
    authorization = None
    if user or password:
        pair = base64.b64encode(f"{user or ''}:{password or ''}".encode()).decode()
        authorization = f"Authorization: Basic {pair}"
    tls = url.scheme == "https"
    host = host.replace("%25", "%")  # the zone of an address, RFC 6874
    return Route(
        key=(tls, host, port, way.ca, way.plain_http),
        tls=tls,
        host=host,
        port=port,
        ca=way.ca,
        plain_http=way.plain_http,
        url=f"{url.scheme}://{shown}{target}",
        start=f"POST {target} HTTP/1.1\r\nHost: {shown}\r\nUser-Agent: {USER_AGENT}\r\n"
        "Content-Type: application/json\r\nContent-Length: ",
        authorization=authorization,
    )


@lru_cache(maxsize=256)
def _bad_name(names: tuple[str, ...]) -> str | None:
    """The first that cannot be sent; endpoints send the same ones again and again."""
    for name in names:
        if _TOKEN.fullmatch(name) is None or name.lower() in FIXED:
            return name
    return None


def _culprit(headers: Mapping[str, str], *unwanted: str) -> str:
    for name, value in headers.items():
        if any(c in value for c in unwanted) or (not unwanted and _is_beyond_latin_1(value)):
            return f"{name} has a character that no header can have"
    return "a character that no header can have"


def _is_beyond_latin_1(text: str) -> bool:
    return any(ord(c) > 255 for c in text)
