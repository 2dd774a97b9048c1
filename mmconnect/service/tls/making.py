"""Making certificates: the authority that phones are to trust, and the server's, signed by it.

The only module that uses `cryptography`, which is optional and costs 10 MB of memory: it is loaded
when a certificate is made, never before. Asks for neither time nor files.
"""

from __future__ import annotations

import ipaddress
import shlex
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from mmconnect.domain.errors import Refused
from mmconnect.service.clock_sync import EARLIEST
from mmconnect.service.tls.names import Hosts

AUTHORITY_DAYS = 3652
"""Ten years: every phone has to install the next one."""
SERVER_DAYS = 397
"""The most that browsers take (CA/Browser Forum, Baseline Requirements 6.3.2)."""
BACKDATED_DAYS = 30
"""Valid from that long ago: a phone's clock may be behind, and this machine's may be ahead."""
DAY = 86_400_000

MISSING = (
    "Making certificates needs the Python package cryptography, which is not installed. Get it with"
    f" {shlex.quote(sys.executable)} -m pip install cryptography (in a checkout: make tls)"
)


def make_authority(name: str, now: int) -> tuple[bytes, bytes]:
    """A new authority: private key and certificate, PEM. `now` is UTC ms.

    Raises Refused when the library is missing.
    """
    lib = _library()
    key = lib.ec.generate_private_key(lib.ec.SECP256R1())
    subject = lib.x509.Name([lib.x509.NameAttribute(lib.oid.COMMON_NAME, _common(name))])
    begin, end = _validity(now, AUTHORITY_DAYS)
    certificate = (
        lib.x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(lib.x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(lib.x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(lib, sign_certificates=True), critical=True)
        .add_extension(
            lib.x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .sign(key, lib.hashes.SHA256())
    )
    return _private(lib, key), certificate.public_bytes(lib.serialization.Encoding.PEM)


def make_server(authority: bytes, hosts: Hosts, now: int) -> bytes:
    """A server certificate and its new private key in one PEM; `authority` is its key and
    certificate.

    Raises Refused when the library is missing, ValueError when the authority is no good.
    """
    lib = _library()
    signing = lib.serialization.load_pem_private_key(authority, password=None)
    issuer = lib.x509.load_pem_x509_certificate(authority)
    if signing.public_key() != issuer.public_key():
        raise ValueError("the key of the CA is not that of its certificate")
    key = lib.ec.generate_private_key(lib.ec.SECP256R1())
    begin, end = _validity(now, SERVER_DAYS)
    alternatives: list[Any] = [lib.x509.DNSName(name) for name in hosts.names]
    alternatives += [lib.x509.IPAddress(ipaddress.ip_address(ip)) for ip in hosts.addresses]
    common = next((name for name in hosts.names if name != "localhost"), "mmconnect")
    known = issuer.extensions.get_extension_for_class(lib.x509.SubjectKeyIdentifier).value
    certificate = (
        lib.x509.CertificateBuilder()
        .subject_name(lib.x509.Name([lib.x509.NameAttribute(lib.oid.COMMON_NAME, _common(common))]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(lib.x509.random_serial_number())
        .not_valid_before(max(begin, issuer.not_valid_before_utc))
        .not_valid_after(min(end, issuer.not_valid_after_utc))
        .add_extension(lib.x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(lib, sign_certificates=False), critical=True)
        .add_extension(lib.x509.ExtendedKeyUsage([lib.usages.SERVER_AUTH]), critical=False)
        .add_extension(lib.x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            lib.x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            lib.x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known),
            critical=False,
        )
        .sign(signing, lib.hashes.SHA256())
    )
    return _private(lib, key) + bytes(certificate.public_bytes(lib.serialization.Encoding.PEM))


def _validity(now: int, days: int) -> tuple[datetime, datetime]:
    """From when until when. Before EARLIEST it cannot be, whatever a clock without battery says."""
    begin = datetime.fromtimestamp(max(now, EARLIEST) // 1000, UTC) - timedelta(days=BACKDATED_DAYS)
    return begin, begin + timedelta(days=days)


def _common(name: str) -> str:
    """At most 64 bytes (RFC 5280, ub-common-name)."""
    return name.encode()[:64].decode(errors="ignore")


def _usage(lib: Any, *, sign_certificates: bool) -> Any:
    return lib.x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(lib: Any, key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        lib.serialization.Encoding.PEM,
        lib.serialization.PrivateFormat.PKCS8,
        lib.serialization.NoEncryption(),
    )
    return encoded


def _library() -> Any:
    """What of `cryptography` is needed here. Raises Refused with how to get it."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise Refused(MISSING) from error
    return SimpleNamespace(
        x509=x509,
        hashes=hashes,
        serialization=serialization,
        ec=ec,
        oid=NameOID,
        usages=ExtendedKeyUsageOID,
    )
