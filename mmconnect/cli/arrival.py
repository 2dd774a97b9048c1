"""One webhook as `mmconnect receive` shows it: for a person, or as a line of JSON.

Whatever a text holds was written by a stranger: nothing of it reaches the terminal unescaped.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmconnect.cli.verify import as_json
from mmconnect.webhook.diagnosis import Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One POST, for the screen."""

    fields: dict[str, Any]
    body: bytes
    found: Diagnosis
    times: int
    status: int
    attempt: str | None
    delivery: str | None

    def as_json(self) -> str:
        attempt = self.attempt or ""
        known: dict[str, object] = {
            "duplicate": self.times > 1,
            "attempt": int(attempt) if attempt.isdecimal() else None,
            "delivery": self.delivery,
            "status": self.status,
            "message": self.fields or None,
        }
        return json.dumps(as_json(self.found) | known)

    def lines(self) -> Iterator[str]:
        """The text, then where it comes from and what the signatures say."""
        get, pad = self.fields.get, " " * 4
        title = f"{get('receivedAt') or 'no time'}  {get('from') or 'nobody'} → {get('to') or '?'}"
        if get("event") not in (None, "message.received"):
            title = f"{get('event')}"
        yield _printable(title) + ("  (a test)" if get("test") is True else "")
        text = (
            f"{get('text') or ''}" if "text" in self.fields else self.body.decode(errors="replace")
        )
        for line in text.splitlines():
            yield pad + _printable(line)
        parts = get("attachments")
        for part in parts if isinstance(parts, list) else ():
            yield f"{pad}[attachment: {_printable(json.dumps(part, ensure_ascii=False))}]"
        again = f", number {self.times} of the same text: store it once" if self.times > 1 else ""
        origin = f"{get('id') or 'no id'}, attempt {self.attempt or '?'}{again}"
        yield _printable(f"{pad}{origin}. Answered {self.status}")
        yield _printable(f"{pad}{'OK: ' if self.found.ok else 'WRONG: '}{self.found.verdict}.")
        if self.found.remedy:
            yield f"{pad}{self.found.remedy}."
        yield ""


def fields_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _printable(text: str) -> str:
    """`text` without what could steer a terminal: controls, and what turns its direction round."""
    risky = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in ("Cc", "Cs") or c in risky
        else c
        for c in text
    )
