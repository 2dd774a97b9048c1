"""Signatures: which headers a webhook carries, and how each is computed.

Two schemes on every POST. `webhook-signature` is Standard Webhooks
(github.com/standard-webhooks/standard-webhooks, spec: HMAC-SHA256 of `id.timestamp.body`, key = the
base64-decoded part after `whsec_`). The plain headers are what the hosted service's guide checks:
hex HMAC-SHA256 of the raw body, key = the UTF-8 bytes of the whole secret. Expiry of a previous
secret is judged here, at signing, never by a job.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from mmconnect.domain.models import Secret

PREFIX = "whsec_"
MIN_SECRET_BYTES = 16

SIGNATURE = "X-MMConnect-Signature"
HOSTED_SIGNATURE = "X-MAC-Signature"
PREVIOUS_SIGNATURE = "X-MMConnect-Signature-Previous"
ATTEMPT = "X-MMConnect-Attempt"
DELIVERY = "X-MMConnect-Delivery"

MOST = 3
"""Secrets that sign at once: the current one and the two newest before it. A header stays short,
and three are as many as somebody who rotates twice in a day has handed out."""


def check_brought(secret: str, *, plain: bool = True) -> None:
    """Raise ValueError, with a sentence, for a secret that cannot sign.

    `plain` is whether the endpoint sends the plain headers, the only ones that any string signs.
    """
    size = len(secret.encode())
    if size < MIN_SECRET_BYTES:
        raise ValueError(f"The secret has {size} bytes; {MIN_SECRET_BYTES} are the least")
    if any(unicodedata.category(character) == "Cc" for character in secret):
        raise ValueError(
            "The secret has a line end or another control character in it. A file with a secret has"
            " one line"
        )
    if not plain and standard_key(secret) is None:
        raise ValueError(
            "The secret is not whsec_ + base64, so it makes no webhook-signature, and the plain"
            " headers are off: nothing would be signed. Leave it out to have one made"
        )


def new_secret() -> str:
    """A fresh `whsec_` secret: base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


@lru_cache(maxsize=256)
def standard_key(secret: str) -> bytes | None:
    """The key of `webhook-signature`, or None when the secret is not `whsec_` + base64.

    A secret that somebody brought along may be any string; it then signs the plain headers only.
    """
    if not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return key or None


def standard_signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One token of `webhook-signature`: `v1,` + base64. `timestamp` is Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def plain_signature(secret: str, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the raw body, keyed by the bytes of the whole secret."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def valid(known: Sequence[Secret], now: int, *, trusted: bool = True) -> list[Secret]:
    """Those that sign at `now` (UTC ms): the current one, then the newest in their overlap.

    While the clock is not `trusted` nothing has ended: better a signature too many than a receiver
    that is locked out by a clock that has jumped.
    """
    return [s for s in known if s.expires_at is None or s.expires_at > now or not trusted][:MOST]


def signing_secrets(known: Sequence[Secret], now: int, *, trusted: bool = True) -> list[str]:
    """The values of valid()."""
    if len(known) == 1:
        return [known[0].value]
    return [s.value for s in valid(known, now, trusted=trusted)]


def signature_headers(
    known: Sequence[str], message_id: str, timestamp: int, body: bytes, *, plain: bool = True
) -> dict[str, str]:
    """Every signature header of one attempt.

    `known` is signing_secrets(): the current secret first. `timestamp` is the attempt's, in Unix
    seconds. `plain` is the endpoint's switch for the headers that do not cover the timestamp.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    keys = [key for secret in known if (key := standard_key(secret)) is not None]
    if keys:
        headers["webhook-signature"] = " ".join(
            [standard_signature(key, message_id, timestamp, body) for key in keys]
        )
    if plain:
        digest = plain_signature(known[0], body)
        headers[SIGNATURE] = digest
        headers[HOSTED_SIGNATURE] = "sha256=" + digest
        if len(known) > 1:
            headers[PREVIOUS_SIGNATURE] = plain_signature(known[1], body)
    return headers
