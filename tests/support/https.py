"""HTTPS as a phone speaks it that trusts one CA and nothing else, and certificates to serve."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path

from mmconnect.domain.clock import SystemClock
from mmconnect.service.tls import context, files, names
from mmconnect.service.tls.names import Hosts
from tests.support.service import PATIENCE, Address

HERE = names.hosts("reception", ["192.168.1.20", "fd00::20"])


def made(directory: Path, hosts: Hosts = HERE, now: int | None = None) -> Path:
    """A directory with a CA and a server certificate."""
    directory.mkdir(exist_ok=True)
    at = SystemClock().now() if now is None else now
    files.create(directory, "mmconnect CA test", hosts, at, replace=True)
    return directory


def server(directory: Path) -> ssl.SSLContext:
    """What serves them."""
    return context.make(directory / files.SERVER)


def trusting(authority: bytes | str) -> ssl.SSLContext:
    """A client that trusts this CA (PEM) alone, and checks the name it asked for."""
    pem = authority.decode() if isinstance(authority, bytes) else authority
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=pem)
    return client


def get(
    at: Address,
    path: str,
    trust: ssl.SSLContext,
    host: str | None = None,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request over HTTPS to `host`, which is at this address; status, headers, body."""
    connection = http.client.HTTPSConnection(host or at[0], at[1], timeout=PATIENCE, context=trust)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()
