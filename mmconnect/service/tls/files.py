"""The certificate files in the data directory, readable by their owner only, replaced in one step.

`ca.key` holds the authority's private key and, beside it, its certificate; `ca.pem` is a copy of
the certificate alone, to be handed round; `server.pem` holds the server's key and certificate.
What belongs together is in one file, so that no crash leaves a key without its certificate.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from mmconnect.domain.errors import Refused
from mmconnect.service.tls import making
from mmconnect.service.tls.names import Hosts

AUTHORITY, AUTHORITY_KEY, SERVER = "ca.pem", "ca.key", "server.pem"
_BEGIN = b"-----BEGIN CERTIFICATE-----"

Stamp = tuple[tuple[int, int, int] | None, ...]
"""What the files are, for whoever wants to know whether they are still the same."""


def create(directory: Path, name: str, hosts: Hosts, now: int, *, replace: bool) -> None:
    """Make an authority and the first server certificate. `now` is UTC ms.

    Raises Refused when there is one already, unless it is to be replaced, and when the library is
    missing; OSError when the files cannot be written.
    """
    if exists(directory) and not replace:
        raise Refused(
            f"There is a CA already ({directory / AUTHORITY_KEY}), and `mmconnect tls show` shows"
            " it. With --replace a new one takes its place: then every phone has to install the new"
            " one before it can push over HTTPS again"
        )
    key, certificate = making.make_authority(name, now)
    server = making.make_server(key + certificate, hosts, now)
    write(directory / AUTHORITY_KEY, key + certificate)
    write(directory / AUTHORITY, certificate)
    write(directory / SERVER, server)


def renew(directory: Path, hosts: Hosts, now: int) -> None:
    """A new server certificate by the same authority. Raises Refused, ValueError and OSError."""
    write(
        directory / SERVER,
        making.make_server((directory / AUTHORITY_KEY).read_bytes(), hosts, now),
    )


def authority(directory: Path) -> bytes | None:
    """The authority's certificate, PEM, for everybody; None while there is none.

    It is copied to `ca.pem` where it is missing there. Raises OSError.
    """
    copy = _read(directory / AUTHORITY)
    both = _read(directory / AUTHORITY_KEY)
    if both is None or (at := both.find(_BEGIN)) < 0:
        return copy  # somebody keeps the key elsewhere
    if copy != both[at:]:
        write(directory / AUTHORITY, both[at:])
    return both[at:]


def server(directory: Path) -> bytes | None:
    """The server's key and certificate, PEM; None while there is none. Raises OSError."""
    return _read(directory / SERVER)


def exists(directory: Path) -> bool:
    """Whether there is an authority."""
    return any((directory / name).exists() for name in (AUTHORITY_KEY, AUTHORITY))


def stamp(directory: Path) -> Stamp:
    """Changes with the files."""
    return tuple(_stamp(directory / name) for name in (AUTHORITY_KEY, AUTHORITY, SERVER))


def write(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all, 0600. Raises OSError."""
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    new = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def authority_name(site: str) -> str:
    """What phones list it as: with the site's name, or that of this machine."""
    return f"mmconnect CA {site or socket.gethostname().partition('.')[0]}".strip()
