"""The owner's own headers of an endpoint: what may be saved, because it can be sent.

Pure. Names are tokens and values printable Latin-1 (RFC 9110 5.1, 5.5); what mmconnect itself
sends, and what frames a message on the wire, is nobody's to set. What got into the database past
this is never written to a socket either: `delivery.route` asks FIXED, `delivery.signed` is_ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mmconnect.webhook import signing

MOST = 20
LONGEST_NAME = 128
LONGEST_VALUE = 4096
"""Bytes: common servers take 8 KiB of headers in all."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")

OURS = frozenset(
    name.lower()
    for name in (
        signing.SIGNATURE,
        signing.HOSTED_SIGNATURE,
        signing.PREVIOUS_SIGNATURE,
        signing.ATTEMPT,
        signing.DELIVERY,
    )
)
"""What signs and names an attempt, besides whatever begins with OUR_PREFIXES."""
OUR_PREFIXES = ("webhook-", "x-mmconnect-")

FIXED = frozenset(
    {
        *(
            "content-type",
            "user-agent",
            "host",
            "content-length",
            "transfer-encoding",
            "content-encoding",
            "connection",
        ),
        *("keep-alive", "proxy-connection", "http2-settings", "expect", "te", "trailer"),
        *("upgrade", "accept-encoding", "content-range", "range"),
    }
)
"""What every POST has, and what belongs to HTTP: framing, the connection, the answer's form."""

MASKED = "***"
"""What stands for the values of an endpoint's own headers, which may be secret."""

Headers = Sequence[tuple[str, str]]


def validate(headers: Headers) -> list[str]:
    """What is wrong with an endpoint's headers, in sentences that show no value; else nothing."""
    return list(_faults(headers))


def is_ours(name: str) -> bool:
    """Whether a header signs or names an attempt: an owner's own never set it, sent or not."""
    lowered = name.strip().lower()
    return lowered in OURS or lowered.startswith(OUR_PREFIXES)


def _faults(headers: Headers) -> Iterator[str]:
    if len(headers) > MOST:
        yield f"There are {len(headers)} headers; {MOST} are the most"
    seen: set[str] = set()
    for name, value in headers:
        lowered = name.lower()
        shown = repr(name[:60])
        if not _TOKEN.fullmatch(name) or len(name) > LONGEST_NAME:
            yield f"{shown} is not a header's name: letters, digits and hyphens, like X-Api-Key"
        elif lowered in FIXED:
            yield f"{shown} belongs to HTTP itself and cannot be set"
        elif is_ours(name):
            yield f"{shown} is set by mmconnect itself and cannot be changed"
        elif lowered in seen:
            yield f"{shown} is there twice"
        elif not _VALUE.fullmatch(value):
            yield (
                f"{shown}: its value has a line end, a control character or one that headers cannot"
                " carry (only Latin-1 can be sent)"
            )
        elif value != value.strip(" "):
            yield f"{shown}: its value begins or ends with a blank, which does not arrive"
        elif not value:
            yield f"{shown} has no value"
        elif len(value) > LONGEST_VALUE:
            yield f"{shown}: its value has {len(value)} bytes; {LONGEST_VALUE} are the most"
        seen.add(lowered)
