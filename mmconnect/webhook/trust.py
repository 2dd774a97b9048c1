"""The certificates of a private CA that an owner trusts for one endpoint: read, checked, described.

Only certificates are kept of what is given: never a private key, nor what stands around them.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 64 * 1024
"""Characters; a CA's certificate has about 2000."""

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """What a person recognises a CA by."""

    subject: str | None
    """`Home CA, Example Ltd`; None where the certificate is no CA's, but trusted all the same."""
    expires_at: int | None
    """UTC milliseconds."""


def certificates(text: str) -> str:
    """The certificates of a PEM file, and nothing else. Raises ValueError with a sentence."""
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters; {LONGEST} are the most")
    if "PRIVATE KEY-----" in text:
        raise ValueError(
            "it holds a private key, which belongs to the CA alone; give its certificate only"
        )
    kept = "\n".join(_BLOCK.findall(text)) + "\n"
    if not kept.strip():
        raise ValueError("there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)")
    if not kept.isascii():
        raise ValueError("its certificate cannot be read")
    try:
        found = _loaded(kept)
    except ssl.SSLError as error:
        raise ValueError(f"its certificate cannot be read ({error.reason or error})") from error
    if not found.cert_store_stats()["x509"]:
        raise ValueError("its certificate cannot be read")
    return kept


def authority(pem: str) -> Authority:
    """Describe what certificates() has kept: of several, the one that expires first."""
    try:
        known = _loaded(pem).get_ca_certs()
    except (ssl.SSLError, ValueError):
        known = []
    described = [
        Authority(
            subject=", ".join(_names(cert)) or None,
            expires_at=_milliseconds(str(cert["notAfter"])),
        )
        for cert in known
        if "notAfter" in cert
    ]
    return min(
        described,
        key=lambda one: one.expires_at or 0,
        default=Authority(subject=None, expires_at=None),
    )


def _loaded(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context


def _names(cert: Mapping[str, object]) -> list[str]:
    """The common name first, then the organisation."""
    parts = cert.get("subject", ())
    pairs = [pair for part in parts for pair in part] if isinstance(parts, tuple) else []
    wanted = ("commonName", "organizationName")
    return [value for name in wanted for key, value in pairs if key == name]


def _milliseconds(text: str) -> int:
    return round(ssl.cert_time_to_seconds(text) * 1000)
