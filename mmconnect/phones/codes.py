"""Codes that people read off one screen and type on another, and those for pairing.

A pairing code is eight letters that open the pairing page of one device, for half an hour: 40
random bits, so that guessing within their life is hopeless behind the throttle. Of a code only its
hash is kept.
"""

from __future__ import annotations

import hashlib
import secrets

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, which look like others or spell words."""
LENGTH = 8
LIFE = 30 * 60_000
"""Milliseconds that a code is good for."""
PATH = "/pair"

_MEANT = str.maketrans("OIL", "011", " -–_.")


def new_code(length: int = LENGTH) -> str:
    """A code, as it is kept nowhere: `7K2M9XQ4`. Each letter is 5 random bits."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def shown(code: str) -> str:
    """As a person reads it: `7K2M-9XQ4`."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def read(typed: str, length: int = LENGTH) -> str | None:
    """The code that somebody means, whatever its case, blanks and dashes; None for what is none."""
    code = typed.strip().upper().translate(_MEANT)
    return code if len(code) == length and set(code) <= set(LETTERS) else None


def digest(secret: str) -> bytes:
    """What a code, or the secret in a browser's cookie, is kept and looked up by."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def pair_url(base: str, code: str) -> str:
    """The page that a code opens."""
    return f"{base}{PATH}/{shown(code)}"
