"""`mmconnect tls …`: the CA that phones are to trust, and the certificate of the HTTPS ports.

Works with or without the service: a running one serves what was made within a second.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmconnect import config
from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.domain.clock import iso
from mmconnect.domain.errors import DataDirError
from mmconnect.phones.urls import Bases
from mmconnect.service.addresses import bases, reachable
from mmconnect.service.lock import poke, running
from mmconnect.service.tls import files, names
from mmconnect.service.tls.reading import Certificate, read
from mmconnect.store import settings

PATIENCE = 2.0
"""Seconds that a running service is waited for; it opens the port within one."""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("tls", parents=parents, help="HTTPS: CA and certificate")
    verbs = family.add_subparsers(metavar="VERB", required=True)
    create = verbs.add_parser(
        "create-ca", parents=parents, help="make a CA and a certificate; HTTPS is served at once"
    )
    create.add_argument(
        "--replace",
        action="store_true",
        help="although there is a CA: every phone then has to install the new one",
    )
    create.set_defaults(run=_create)
    verbs.add_parser(
        "show", parents=parents, help="CA, certificate, addresses, where to download"
    ).set_defaults(run=_show)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What there is."""

    authority: Certificate | None
    """The CA that phones have to install; None when there is none of ours in use."""
    server: Certificate | None
    file: Path
    """Where the server's certificate is."""
    brought: bool
    bases: Bases
    admin: list[str]
    """`https://host:port` of the admin side."""

    @property
    def downloads(self) -> list[str]:
        """Where the CA can be fetched."""
        return [f"{base}/ca.crt" for base in self.bases.http] if self.authority else []


def _create(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        site = settings.tenant(store.db).name
        directory, now = store.directory, store.clock.now()
    try:
        files.create(
            directory, files.authority_name(site), names.present(), now, replace=args.replace
        )
    except (OSError, ValueError) as error:
        raise DataDirError(f"The certificates cannot be written to {directory}: {error}") from error
    poke(directory)
    _wait_for_the_port(args, directory)
    found = _look(args, directory)
    if args.json:
        output.document(_document(found))
        return 0
    print("A CA and a certificate for this machine were made.\n")
    _tell(args, found)
    if found.brought:
        print("\nThe service uses the certificate of --tls-cert, so the CA is of no use to phones.")
    elif running(directory) is not None and not found.bases.https:
        print("\nThe service does not serve HTTPS yet; its log says why.")
    return 0


def _show(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        directory = store.directory
    found = _look(args, directory)
    if args.json:
        output.document(_document(found))
    elif found.server is None and found.authority is None:
        print(f"There is no certificate yet. Make one: {output.command(args)} tls create-ca")
    else:
        _tell(args, found)
    return 0


def _wait_for_the_port(args: argparse.Namespace, directory: Path) -> None:
    """Until a running service listens, so that what is printed can be tried at once."""
    if _options(args).phone_tls_listen is None:
        return
    end = time.monotonic() + PATIENCE
    while (service := running(directory)) is not None and time.monotonic() < end:
        if service.phone_tls:
            return
        time.sleep(0.05)


def _look(args: argparse.Namespace, directory: Path) -> _Found:
    """Raises DataDirError when a certificate cannot be read."""
    options, service = _options(args), running(directory)
    if service is None:
        brought = options.tls_cert
        phone = [str(options.phone_listen)]
        phone_tls = [str(options.phone_tls_listen)] if options.phone_tls_listen else []
        admin_tls = [str(options.admin_tls_listen)] if options.admin_tls_listen else []
    else:
        brought = Path(service.certificate) if service.certificate else None
        phone, phone_tls, admin_tls = service.phone, service.phone_tls, service.admin_tls
    file = brought or directory / files.SERVER
    server = _read(file)
    authority = None if brought else _read(directory / files.AUTHORITY)
    if server is None:
        phone_tls = admin_tls = []
    return _Found(
        authority=authority,
        server=server,
        file=file,
        brought=brought is not None,
        bases=bases(phone, phone_tls),
        admin=[f"https://{at}" for at in reachable(admin_tls)],
    )


def _options(args: argparse.Namespace) -> config.Settings:
    return config.settle({}, os.environ, config.read_file(opening.config_file(args)))


def _read(path: Path) -> Certificate | None:
    try:
        return read(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataDirError(f"{path} cannot be used: {error}") from error


def _document(found: _Found) -> dict[str, Any]:
    authority, server = found.authority, found.server
    return {
        "ca": None if authority is None else _facts(authority),
        "server": None
        if server is None
        else {
            **_facts(server),
            "names": list(server.names),
            "addresses": list(server.addresses),
            "file": str(found.file),
            "brought": found.brought,
        },
        "phoneUrls": list(found.bases.https),
        "adminUrls": found.admin,
        "downloadUrls": found.downloads,
    }


def _facts(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "fingerprint": certificate.fingerprint,
        "notBefore": iso(certificate.not_before),
        "notAfter": iso(certificate.not_after),
    }


def _tell(args: argparse.Namespace, found: _Found) -> None:
    authority, server = found.authority, found.server
    if authority is not None:
        output.fields(
            [
                ("CA", authority.subject),
                ("SHA-256 fingerprint", authority.fingerprint),
                ("Valid until", output.local(authority.not_after)),
                ("Download", found.downloads[0] if found.downloads else None),
            ]
        )
        print()
    if server is not None:
        maker = f"of your own ({found.file})" if found.brought else "by the CA, renewed by itself"
        output.fields(
            [
                ("Certificate", maker),
                ("For", ", ".join([*server.addresses, *server.names]) or server.subject),
                ("Valid until", output.local(server.not_after)),
                ("Phones push to", _urls([f"{base}/in/TOKEN" for base in found.bases.https])),
                ("Admin side", _urls(found.admin)),
            ]
        )
    if not found.downloads:
        return
    if sys.stdout.isatty():
        import segno

        print()
        segno.make(found.downloads[0], error="m").terminal(compact=True)
    print("\nOpen the download address on the phone, then install the file: Settings > Security >")
    print(
        "Encryption & credentials > Install a certificate > CA certificate. Compare the fingerprint"
    )
    print("with the one above before you trust it.")


def _urls(urls: list[str]) -> str | None:
    return ", ".join(urls[:3]) or None
