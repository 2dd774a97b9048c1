"""What a phone is told. One shape of JSON for all apps, never 204, never an empty 2xx.

Compact, as one app looks for `"ok":true` in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mmconnect.store.messages import Taken
from mmconnect.web.http import Answer, head

RETRY_AFTER = 10
"""Seconds after which a phone may try again while the database cannot commit."""

_JSON = "application/json; charset=utf-8"
_OK = head(200, _JSON)

_TAKEN = (
    b'{"ok":true,"id":"%s","duplicate":%s,"events":[],'
    b'"payload":{"success":true,"error":null,"messages":[]}}'
)
_NOTED = (
    b'{"ok":true,"id":null,"duplicate":false,"events":[],'
    b'"payload":{"success":true,"error":null,"messages":[]}}'
)


def taken(texts: Sequence[Taken]) -> Answer:
    """Committed. Of several texts in one push, the first speaks; duplicate when all of them are."""
    if not texts:
        return noted()
    duplicate = all(one.duplicate for one in texts)
    return Answer(
        head=_OK, body=_TAKEN % (texts[0].message_id.encode(), b"true" if duplicate else b"false")
    )


def kept(message_id: str) -> Answer:
    """Not understood, but kept as it came."""
    return Answer(head=_OK, body=_TAKEN % (message_id.encode(), b"false"))


def noted() -> Answer:
    """About the phone, not a text."""
    return Answer(head=_OK, body=_NOTED)


def mute(answer: Answer) -> Answer:
    """The same without a word, for a program that would send the words to somebody."""
    return Answer(head=answer.head, body=b"", close=answer.close)


def token_is_good(device: str) -> Answer:
    """For a person who opens the push URL in the phone's browser."""
    return text(200, f"The token is good: texts pushed here arrive as {device}.\n")


def text(status: int, sentence: str) -> Answer:
    """Plain text."""
    return Answer(head=head(status, "text/plain; charset=utf-8"), body=sentence.encode())


def error(
    status: int,
    code: str,
    message: str,
    *,
    close: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Refused, with the reason for programs and for people."""
    fields = {"ok": False, "error": code, "message": message}
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(head=head(status, _JSON, headers), body=body, close=close)


def method_not_allowed() -> Answer:
    """Neither a push nor a person's look."""
    allowed = {"Allow": "GET, HEAD, POST, PUT, PATCH"}
    return error(405, "method_not_allowed", "Push with POST, PUT or PATCH.", headers=allowed)


def unavailable() -> Answer:
    """The database cannot commit: nothing of the push was kept, the phone tries again."""
    again = {"Retry-After": str(RETRY_AFTER)}
    what = "The text could not be stored just now; try again."
    return error(503, "unavailable", what, headers=again)


def slow_down(seconds: float) -> Answer:
    """Too many wrong tokens from one address."""
    again = {"Retry-After": str(round(seconds))}
    return error(429, "unknown_token", "Too many pushes with unknown tokens.", headers=again)
