"""Bringing a database up to date for a command: never under an older service that is at work on it.

Whoever upgrades by pip has the new commands at once, while the service is the old one until it is
started anew. So a command takes the service's lock for as long as it migrates.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from mmconnect import __version__
from mmconnect.domain.errors import AlreadyRunning
from mmconnect.service.lock import Lock, Running, running
from mmconnect.store import migrate
from mmconnect.store.connection import FILE

PATIENCE = 10.0
"""Seconds that a command waits for a service that has only just been started."""
_TURN = 0.1


def bring_up_to_date(db: sqlite3.Connection, directory: Path) -> None:
    """Migrate what is of an older mmconnect, or new.

    Raises NewerSchema, StoreError, and AlreadyRunning while a service has such data.
    """
    end = time.monotonic() + PATIENCE
    while migrate.outdated(db):
        try:
            lock = Lock(directory)
        except AlreadyRunning as error:
            service = running(directory)
            if not migrate.outdated(db):
                break  # it was starting, and is through
            if service is not None:
                raise AlreadyRunning(_older(service, directory)) from error
            if time.monotonic() > end:
                raise AlreadyRunning(
                    f"mmconnect is starting on {directory}, and brings its data up to date. Try"
                    " again when it is through; nothing has been changed"
                ) from error
            time.sleep(_TURN)
            continue
        try:
            migrate.migrate(db, directory / FILE)
        finally:
            lock.release()
    migrate.migrate(db, directory / FILE)


def _older(service: Running, directory: Path) -> str:
    return (
        f"An older mmconnect ({service.version}, pid {service.pid}) is at work on {directory}, and"
        f" this one ({__version__}) keeps its data in another way. Start the service anew first"
        " (sudo systemctl restart mmconnect), which brings the data up to date; nothing has been"
        " changed"
    )
