"""Certificates for tests, made by openssl: a private authority and a server's signed by it."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Authority:
    """A private authority with one server certificate, for localhost and 127.0.0.1."""

    pem: str
    server: ssl.SSLContext
    leaf: str
    """The server's own certificate."""


def authority(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> Authority:
    """Make one in `folder`, for these names. Skips the test where there is no openssl."""
    (folder / "ext").write_text(
        f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    for words in (
        f"req -x509 {ec} -days 2 -subj /CN=Test-CA -keyout ca.key -out ca.pem"
        " -addext keyUsage=critical,keyCertSign",
        f"req {ec} -subj /CN=localhost -keyout key -out csr",
        "x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert -extfile ext",
    ):
        try:
            subprocess.run(["openssl", *words.split()], check=True, capture_output=True, cwd=folder)
        except FileNotFoundError:
            pytest.skip("there is no openssl here")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert", folder / "key")
    return Authority((folder / "ca.pem").read_text(), server, (folder / "cert").read_text())
