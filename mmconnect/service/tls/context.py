"""What TLS connections are made with: versions, ciphers, and one certificate.

A context is made anew for every certificate and never changed, as loading one halfway would leave
a running server with a certificate whose key it does not have.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from mmconnect.domain.errors import ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. Those of 1.3 all are so."""


def make(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """For a certificate (with its chain) and its private key, which may be in the same file.

    Raises ConfigError that names the file and says what is wrong with it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= (
        ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, *([key] if key else [])):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _Locked as error:
        raise ConfigError(f"The private key in {key or certificate} has a password") from error
    except ssl.SSLError as error:
        raise ConfigError(_fault(error, certificate, key or certificate)) from error
    except OSError as error:
        raise ConfigError(f"{certificate} cannot be read: {error.strerror or error}") from error
    return context


class _Locked(Exception):
    """Raised where somebody would have to type the key's password."""


def _no_password() -> str:
    raise _Locked


def _fault(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"The private key in {key} is not that of the certificate in {certificate}"
    if _holds(certificate, b"-----BEGIN CERTIFICATE-----"):
        if _holds(key, b"PRIVATE KEY-----"):
            return f"The certificate in {certificate} is damaged, or too weak, or its key is"
        return f"{key} holds no private key (PEM, -----BEGIN PRIVATE KEY-----)"
    return f"{certificate} holds no certificate (PEM, -----BEGIN CERTIFICATE-----)"


def _holds(path: Path, mark: bytes) -> bool:
    try:
        return mark in path.read_bytes()
    except OSError:
        return False
