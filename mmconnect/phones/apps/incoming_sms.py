"""Incoming SMS to URL forwarder (`tech.bogomolov.incomingsmsgateway`), 2.3 to 2.4 and its forks.

A JSON template that people may extend or rewrite; `sentStamp` is the SMS centre's time in ms,
`receivedStamp` the phone's, both a number or in quotes; there is no id. The app does not escape
the sender, so a quotation mark or a backslash in an alphanumeric one breaks the JSON; a body of
the default template is then read by the template itself. It retries for hours with the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from mmconnect.phones.apps import generic
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.signatures import verify_body as verify
from mmconnect.phones.apps.wire import Decoded, Unreadable, clean, decoded_text
from mmconnect.phones.push import Push, Reading

__all__ = ["NAME", "parse", "recognises", "verify"]

NAME = "incoming_sms"
_MAX_RESCUED = 100_000

# The sender ends at the first `","text":"`, the text at the last `","sentStamp":…` before the end
# of the body: what a sender or text says in between forges nothing. Static entries may follow.
_TEMPLATE = re.compile(
    r'\s*\{\s*"from"\s*:\s*"(?P<from>[^\n]{0,200}?)"\s*,\s*"text"\s*:\s*"(?P<text>.*)"'
    r'\s*,\s*"sentStamp"\s*:\s*"?(?P<sentStamp>\d{1,20})"?'
    r'\s*,\s*"receivedStamp"\s*:\s*"?(?P<receivedStamp>\d{1,20})"?'
    r'\s*,\s*"sim"\s*:\s*"(?P<sim>[^"\\]{0,100})"'
    r'(?:\s*,\s*"[^"\\]{1,40}"\s*:\s*(?:"[^"\\]{0,200}"|[\w.+-]{1,30})){0,20}\s*\}\s*',
    re.DOTALL,
)
_FORGED = re.compile(r'",?\s*"(?:from|text|sentStamp|receivedStamp|sim)"\s*:')
_TO_ESCAPE = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|(["\\])', re.DOTALL)


def parse(push: Push, mapping: Mapping[str, str]) -> Reading:
    """Reads the default template and whatever somebody made of it. Raises Unreadable."""
    try:
        decoded = decode(push)
    except Unreadable as problem:
        rescued = None if problem.twice or mapping else _rescued(push)
        if rescued is None:
            raise
        decoded = rescued
    return generic.read(decoded, mapping, app=NAME, charset=push.charset)


def recognises(push: Push) -> bool:
    """By the names of the default template; those in a text would have escaped quotes."""
    body = push.body
    return (
        b'"sentStamp"' in body
        and b'"from"' in body
        and b'"text"' in body
        and body.lstrip()[:1] == b"{"
    )


def _rescued(push: Push) -> Decoded | None:
    """The fields of a default template whose JSON is broken; None when it is not one.

    A sender or text that seems to bring template fields of its own is left alone: that is either
    a name occurring twice or somebody trying.
    """
    if len(push.body) > _MAX_RESCUED:
        return None
    match = _TEMPLATE.fullmatch(decoded_text(push))
    if match is None or _FORGED.search(match["text"]) or _FORGED.search(match["from"]):
        return None
    return Decoded(value={**match.groupdict(), "text": _unescaped(match["text"])})


def _unescaped(text: str) -> str:
    """A JSON string's inside, bare quotation marks and odd backslashes taken as they stand."""
    escaped = _TO_ESCAPE.sub(lambda m: m[1] or "\\" + m[2], text)
    value = json.loads(f'"{escaped}"', strict=False)
    return clean(value) if isinstance(value, str) else text
