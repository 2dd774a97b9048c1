"""The administrator's password: what one may be, and how it is kept and compared.

scrypt (RFC 7914) with the parameters beside each hash, written as a PHC string, so that they can be
raised: a hash with others is made anew at the next login. A comparison takes the same time whether
or not there is a password to compare with. Knows neither accounts nor sessions.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata

from mmconnect.domain.errors import Invalid, Issue

SHORTEST, LONGEST = 10, 1024
"""Characters of a password."""

LOG_N, R, P = 14, 8, 5
"""N = 2^14, r = 8, p = 5: of the choices that OWASP's Password Storage Cheat Sheet calls equal, the
one that takes 16 MiB."""
_SALT, _KEY = 16, 32
_MEMORY = 64 * 2**20
"""Bytes that one hash may take; a stored one with wilder parameters is refused."""
_STORED = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/]+)\$([\w+/]+)", re.A)


def check_new(password: str, path: str = "password") -> str:
    """A password that somebody chooses, as it is to be kept. Raises Invalid for `path`."""
    if len(password) < SHORTEST:
        raise Invalid(
            Issue(path=path, message=f"Choose a password of at least {SHORTEST} characters")
        )
    if len(password) > LONGEST:
        raise Invalid(
            Issue(path=path, message=f"Choose a password of at most {LONGEST} characters")
        )
    return password


def made(password: str) -> str:
    """What is kept of a password: `$scrypt$ln=14,r=8,p=5$SALT$HASH`. Takes a third of a second."""
    salt = secrets.token_bytes(_SALT)
    key = _scrypt(password, salt, LOG_N, R, P)
    return f"$scrypt$ln={LOG_N},r={R},p={P}${_base64(salt)}${_base64(key)}"


def is_right(password: str, stored: str | None) -> bool:
    """Whether it is the password of which `stored` was made; without one, as slowly, no."""
    found = _STORED.fullmatch(stored or "")
    try:
        if found is None or len(password) > LONGEST:
            _scrypt(password[:LONGEST], bytes(_SALT), LOG_N, R, P)
            return False
        log_n, r, p = (int(number) for number in found.groups()[:3])
        key = _scrypt(password, _bytes(found[4]), log_n, r, p)
        return hmac.compare_digest(key, _bytes(found[5]))
    except (ValueError, binascii.Error, MemoryError):  # a hash that was not made here
        return False


def is_outdated(stored: str) -> bool:
    """Whether it was made with other parameters than a new one would be."""
    return not stored.startswith(f"$scrypt$ln={LOG_N},r={R},p={P}$")


class Passwords:
    """The same for the service: in a thread, and one at a time, as each takes 16 MiB."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)

    async def made(self, password: str) -> str:
        """made()."""
        async with self._one:
            return await asyncio.to_thread(made, password)

    async def is_right(self, password: str, stored: str | None) -> bool:
        """is_right()."""
        async with self._one:
            return await asyncio.to_thread(is_right, password, stored)


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # the same letters, whichever keyboard has written them (RFC 8265, 4.2 says NFC; NIST, NFKC)
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(normal, salt=salt, n=1 << log_n, r=r, p=p, maxmem=_MEMORY, dklen=_KEY)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
