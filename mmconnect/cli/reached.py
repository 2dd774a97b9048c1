"""Where phones reach this machine: as the running service listens, or would by its options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmconnect import config
from mmconnect.cli import open as opening
from mmconnect.desk.around import Around
from mmconnect.phones.urls import Bases
from mmconnect.service.addresses import bases, own_addresses
from mmconnect.service.lock import running


def around(args: argparse.Namespace, store: opening.Store) -> Around:
    """What pages about phones have to know, as of now."""
    return Around(
        bases=_where(args, store.directory, virtual=True),
        real=_where(args, store.directory, virtual=False),
        own=own_addresses(),
        now=store.clock.now(),
    )


def _where(args: argparse.Namespace, directory: Path, *, virtual: bool) -> Bases:
    """The bases of push URLs, the best first; `virtual` as for bases()."""
    service = running(directory)
    if service is not None and service.phone:
        return bases(service.phone, service.phone_tls, virtual=virtual)
    file = config.read_file(opening.config_file(args))
    listening = str(config.settle({}, os.environ, file).phone_listen)
    return bases([listening], (), virtual=virtual)
