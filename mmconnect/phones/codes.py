"""Codes that people read off one screen and type on another, and those for pairing.

A pairing code is eight letters that open the pairing page of one device, for half an hour: 40
random bits, so that guessing within their life is hopeless behind the throttle. Of a code only its
hash is kept.
"""

from __future__ import annotations

import secrets

from mmconnect.store.configuration import digest

__all__ = ["LENGTH", "LETTERS", "LIFE", "PATH", "digest", "new_code", "pair_url", "read", "shown"]

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


def pair_url(base: str, code: str) -> str:
    """The page that a code opens."""
    return f"{base}{PATH}/{shown(code)}"
