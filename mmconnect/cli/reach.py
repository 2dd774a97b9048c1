"""Whether texts can go to a URL at all, as far as it names an address: said when it is saved.

What counts is judged at every connection; names are only known then.
"""

from __future__ import annotations

import sys
from ipaddress import ip_network
from urllib.parse import urlsplit

from mmconnect.cli import open as opening
from mmconnect.service.addresses import own_addresses
from mmconnect.service.lock import running
from mmconnect.store import preferences
from mmconnect.webhook.addresses import AddressRule, listeners


def warn(store: opening.Store, url: str) -> None:
    """Say on standard error why nothing will be sent to this URL, where that is known already."""
    parts = urlsplit(url)
    address = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        refusal = _rule(store).refusal(address, port)
    except ValueError:  # a name
        return
    if refusal is not None:
        print(f"mmconnect: as it is, nothing will be sent there. {refusal}", file=sys.stderr)


def _rule(store: opening.Store) -> AddressRule:
    service, set_ = running(store.directory), preferences.load(store.db)
    return AddressRule(
        allow=tuple(ip_network(text) for text in set_.address_allow),
        deny=tuple(ip_network(text) for text in set_.address_deny),
        own=listeners(() if service is None else [*service.admin, *service.phone]),
        local=own_addresses,
    )
