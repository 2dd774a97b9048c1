"""An attempt's request, kept in a few bytes and put together again as it was sent.

Pure. Kept is what only the attempt knows: version, number, time, signatures, and where it went. The
rest is in the delivery and its message. Invariants: nothing of the text is kept, nor the value of a
header that may be secret; and the lines come out in the order in which `delivery.route` and
`delivery.signed` write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mmconnect.webhook import signing
from mmconnect.webhook.headers import MASKED

_LAYOUT = "1"
"""Which lines a note has; one of another layout was written by a newer version."""
_REPEATED = _LAYOUT + "r"
_STANDARD = "v1,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST, as it went over the wire."""

    url: str
    """Where it went, without name and password."""
    headers: tuple[tuple[str, str], ...]
    """All of them, in the order sent; MASKED stands for each value that is the owner's own."""
    body: bytes

    @property
    def line(self) -> str:
        """The request line."""
        return f"POST {_split(self.url)[1]} HTTP/1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one attempt has sent."""

    first: Request
    repeat: Request | None
    """Sent at once when the receiver did not accept the first: the same, but the plain headers are
    signed by the previous secret."""
    signed_at: int
    """Unix seconds, as `webhook-timestamp` told."""


def place(version: str, url: str, own: Iterable[str]) -> str:
    """The part of a note that is the same for an endpoint's every attempt.

    `url` as it is connected to, without name and password; `own` are the names of the owner's
    headers in the order sent, with `Authorization` at the end where the URL brings it.
    """
    return "\n".join((version, url, *own))


def note(headers: Mapping[str, str], place: str) -> str:
    """What is kept of an attempt: its `headers` as signed.sign() makes them, and its place()."""
    get = headers.get
    return "\n".join(
        (
            _LAYOUT,
            get(signing.ATTEMPT, ""),
            get("webhook-timestamp", ""),
            get("webhook-signature", "").replace(_STANDARD, ""),
            get(signing.SIGNATURE, ""),
            get(signing.PREVIOUS_SIGNATURE, ""),
            place,
        )
    )


def repeated(noted: str) -> str:
    """The same note for an attempt that was repeated with the previous secret."""
    return _REPEATED + noted[len(_LAYOUT) :]


def rebuild(noted: str, message_id: str, delivery_id: str, body: bytes) -> Sent | None:
    """What was sent, from a note; None for a note that this version cannot read."""
    kind, *lines = noted.split("\n")
    if kind not in (_LAYOUT, _REPEATED) or len(lines) < 7:
        return None
    number, timestamp, standard, plain, previous, version, url, *own = lines
    if not timestamp.isdigit():
        return None
    headers = {
        "Host": _split(url)[0],
        "User-Agent": f"mmconnect/{version}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
    }
    if standard:
        headers["webhook-signature"] = " ".join(_STANDARD + one for one in standard.split(" "))
    if plain:
        headers |= _plain(plain)
    if previous:
        headers[signing.PREVIOUS_SIGNATURE] = previous
    headers |= {signing.ATTEMPT: number, signing.DELIVERY: delivery_id}
    mine = tuple((name, MASKED) for name in own)
    first = Request(url=url, headers=(*headers.items(), *mine), body=body)
    repeat = None
    if kind == _REPEATED:
        repeat = replace(first, headers=(*(headers | _plain(previous)).items(), *mine))
    return Sent(first=first, repeat=repeat, signed_at=int(timestamp))


def _split(url: str) -> tuple[str, str]:
    """Host (with a port that is not the usual one), and path with query."""
    host, slash, rest = url.partition("://")[2].partition("/")
    return host, slash + rest


def _plain(digest: str) -> dict[str, str]:
    return {signing.SIGNATURE: digest, signing.HOSTED_SIGNATURE: "sha256=" + digest}
