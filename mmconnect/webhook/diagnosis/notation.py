"""Reading a signature header, also one that is not written as it should be.

Says which digests a header claims and what is odd about the way they are written; whether a digest
is right is not judged here.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

QUOTES = " \t\r\n\"'"
_SIZE = 32
_HEX = re.compile(r"(?<![0-9A-Za-z+/_-])[0-9a-fA-F]{64}(?![0-9A-Za-z+/_-])")
_TOKEN = re.compile(r"(?:\b(v\d+[a-z]?)(\s*[,=:]\s*))?([A-Za-z0-9+/_-]+=*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One signature that a header carries."""

    digest: bytes | None
    """None when it cannot be read."""
    fault: str | None
    """What is wrong with its notation, as what follows the header's name: `is empty`."""
    position: int = 0
    """Its place in the header, from 0: the current secret's comes first."""


def plain_claim(value: str, prefix: str) -> Claim:
    """The signature in a plain header: `prefix` (maybe none) and 64 lower-case hex digits."""
    text, faults = value, []
    if text.strip(QUOTES) != text:
        text = text.strip(QUOTES)
        faults.append("has spaces or quotation marks around it")
    if text[:7].lower() == "sha256=":
        text = text[7:]
        if not prefix:
            faults.append("starts with `sha256=`, as only X-MAC-Signature does")
    elif prefix:
        faults.append(f"lacks its `{prefix}`")
    digest, form = _decoded(text)
    if digest is None and (found := _HEX.findall(text)):
        digest, form = bytes.fromhex(found[0]), "hex"
        faults.append("holds more than one signature")
    if digest is None:
        return Claim(digest=None, fault=_unreadable(text))
    if form != "hex":
        faults.append(f"is in {form}, not in lower-case hex")
    return Claim(digest=digest, fault=" and ".join(faults) or None)


def standard_claims(value: str) -> list[Claim]:
    """The `v1` signatures of a `webhook-signature` list; other versions are not ours to judge."""
    claims: list[Claim] = []
    end = 0
    for position, found in enumerate(_TOKEN.finditer(value)):
        version, mark, text = found.groups()
        between, end = value[end : found.start()], found.end()
        if version not in (None, "v1"):
            continue
        digest, form = _decoded(text)
        faults = []
        if version is None:
            faults.append("has a signature without `v1,` in front")
        elif mark != ",":
            faults.append(f"has `v1{mark}` where `v1,` belongs")
        if position and between.strip():
            faults.append("separates its signatures with a comma, not with a space")
        elif between.strip():
            faults.append(f"has {between.strip()} in front")
        if digest is None:
            faults = [_unreadable(text)]
        elif form != "base64":
            faults.append(f"is in {form}, not in padded standard base64")
        claims.append(Claim(digest=digest, fault=" and ".join(faults) or None, position=position))
    if not claims:
        other = "has no `v1` signature" if value.strip() else "is empty"
        claims.append(Claim(digest=None, fault=other))
    return claims


def _decoded(text: str) -> tuple[bytes | None, str]:
    """The 32 bytes that `text` writes, and the notation it uses."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text), "hex" if text == text.lower() else "upper-case hex"
    standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        digest = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None, ""
    if len(digest) != _SIZE:
        return None, ""
    form = "base64" if standard == text.rstrip("=") else "url-safe base64"
    return digest, form if len(text) % 4 == 0 else f"{form} without its `=`"


def _unreadable(text: str) -> str:
    if not text:
        return "is empty"
    if re.fullmatch(r"[0-9a-fA-F]+", text):
        return f"has {len(text)} hex digits, not 64"
    return f"is no signature: {len(text)} characters that are neither hex nor base64 of 32 bytes"
