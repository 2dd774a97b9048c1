"""What the pairing site answers with: pages, JSON, redirects, and in which words it says no.

Every answer carries the same headers: no frame, no foreign script or style, nothing kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mmconnect.web.http import Answer, head

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` browsers would send `Origin: null` with our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HTML = "text/html; charset=utf-8"

Told = tuple[str, tuple[str, ...]]
"""A title, and sentences."""

GONE: Told = (
    "This code is not good (any more)",
    (
        "Codes live for 30 minutes and work once. Look whether it was typed right.",
        "A new one: `mmconnect device pair ID` on the machine with mmconnect. `mmconnect device"
        " list` shows the ids.",
    ),
)
TAKEN: Told = (
    "Already opened in another browser",
    (
        "A code belongs to the browser in which Continue was pressed first. Go on there.",
        "If that was not you, or that browser is gone: `mmconnect device pair ID` makes a new code,"
        " and the old one ends.",
    ),
)
SLOW: Told = (
    "Too many wrong codes",
    ("Wait for a minute, then try again.",),
)
UNWRITTEN: Told = (
    "Not just now",
    ("mmconnect cannot write to its disk. Try again in a minute.",),
)


def page(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """A page."""
    return Answer(head=head(status, _HTML, {**HEADERS, **(headers or {})}), body=body)


def as_json(value: Mapping[str, Any], status: int = 200) -> Answer:
    """For the script."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(head=head(status, "application/json; charset=utf-8", HEADERS), body=body)


def see_other(to: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Look there, with GET; `to` is a path of ours."""
    there = {**HEADERS, "Location": to, **(headers or {})}
    return Answer(head=head(303, _HTML, there), body=b"")


def refused(sentence: str) -> Answer:
    """Not from there."""
    made = head(403, "text/plain; charset=utf-8", HEADERS)
    return Answer(head=made, body=f"{sentence}\n".encode(), close=True)


def not_allowed() -> Answer:
    """Another method."""
    made = head(405, "text/plain; charset=utf-8", {**HEADERS, "Allow": "GET, HEAD"})
    return Answer(head=made, body=b"That cannot be done here.\n")
