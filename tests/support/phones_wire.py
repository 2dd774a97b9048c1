"""What all pushes of the tests are made of: the usual values, bodies, signatures, and a Push."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import quote_plus

from mmconnect.phones.push import Push

Wire = tuple[dict[str, str], bytes]

SENDER, OWN_NUMBER = "+15550100", "+15550199"
TEXT = "Your code is 482913"
SMSC_MS, PHONE_MS = 1767225599000, 1767225600123

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def as_push(
    headers: Mapping[str, str], body: bytes, query: Mapping[str, str] | None = None
) -> Push:
    """What the listener makes of a request, for tests of the parsers alone."""
    lower = {name.lower(): value for name, value in headers.items()}
    media, *parameters = lower.get("content-type", "").split(";")
    declared = [p.strip()[8:].strip('"') for p in parameters if p.strip().startswith("charset=")]
    return Push(
        headers=lower,
        body=body,
        content_type=media.strip().lower(),
        charset=(declared or ["utf-8"])[0].lower(),
        query=query or {},
    )


def hmac_hex(key: str, signed: bytes) -> str:
    return hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def form_body(fields: Mapping[str, str]) -> bytes:
    pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields.items()]
    return "&".join(pairs).encode()


def gson(value: object) -> str:
    """As Gson writes it: compact, nulls left out, `<>&='` escaped."""
    text = json.dumps(_without_nulls(value), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&='\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(v) for name, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
