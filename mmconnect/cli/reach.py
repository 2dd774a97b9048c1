"""Where a command's texts may go, and whether they can go to a URL at all: said when it is saved.

What counts is judged at every connection; only then is it known where a name leads.
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from mmconnect.cli import open as opening
from mmconnect.delivery.egress import Egress
from mmconnect.service.addresses import own_addresses
from mmconnect.service.lock import running
from mmconnect.store import configuration


def egress(store: opening.Store) -> Egress:
    """The address rule as it stands, also for a service that runs."""
    known = configuration.load(store.db)
    found = Egress(lambda: known, own_addresses)
    if (service := running(store.directory)) is not None:
        bound = (service.admin, service.phone, service.admin_tls, service.phone_tls)
        found.listening([at for side in bound for at in side])
    return found


def warn(store: opening.Store, url: str) -> None:
    """Say on standard error why nothing will be sent to this URL, where that is known already."""
    parts = urlsplit(url)
    address = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        refusal = egress(store).rule().refusal(address, port)
    except ValueError:  # a name
        return
    if refusal is not None:
        print(f"mmconnect: as it is, nothing will be sent there. {refusal}", file=sys.stderr)
