"""`mmconnect message delete|purge`: texts that have to be gone, and the proof that they are.

The rows go in short transactions beside a running service; then the log is emptied and what the
file still holds of them between rows is zeroed. What cannot be shown to be gone is said so.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.domain.errors import NotFound, Refused, StoreUnavailable, UsageError
from mmconnect.service.lock import FILE as LOCK
from mmconnect.service.lock import held, poke
from mmconnect.store import erasure, messages, remains, segments
from mmconnect.store.connection import FILE, transaction, wait_at_most
from mmconnect.store.erasure import Deleted

CHUNK = 20
"""Messages of one transaction, so that no push waits long."""
POSTINGS = 1000
"""Rows of the search index that one transaction removes."""
BATCH = 64
"""Pages that are cleared under one lock, at first."""
HELD = 0.05
"""Seconds that a running service may have to wait for that lock; fewer pages when it is more."""
LOCKED = 0.1
"""Seconds that emptying the log waits for readers; nobody can write meanwhile."""
PATIENCE = 15.0
"""Seconds to wait for whoever reads the database, before saying that it is not proven yet."""


def add_verbs(verbs: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add the verbs to the family `message`."""
    delete = verbs.add_parser("delete", parents=parents, help="delete texts for good")
    delete.add_argument("ids", metavar="ID", nargs="+")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_delete)

    purge = verbs.add_parser(
        "purge", parents=parents, help="delete every text that came from a number"
    )
    purge.add_argument("--from", dest="sender", required=True, metavar="NUMBER", help="the sender")
    purge.add_argument("--yes", action="store_true", help="do not ask")
    purge.set_defaults(run=_purge)


def _delete(args: argparse.Namespace) -> int:
    ids = list(dict.fromkeys(args.ids))
    with opening.opened(args) as store:
        for message_id in ids:
            if messages.get(store.db, message_id) is None:
                raise NotFound(
                    f"There is no message {message_id}. `mmconnect message list` shows them"
                )
        _ask(store.db, ids, yes=args.yes)
        return _erase(args, store, ids, set())


def _purge(args: argparse.Namespace) -> int:
    if not args.sender.strip():
        raise UsageError("--from is empty: name the sender whose texts are to be deleted")
    with opening.opened(args) as store:
        names = erasure.written(store.db, args.sender)
        ids = erasure.from_number(store.db, names)
        _ask(store.db, ids, yes=args.yes)
        return _erase(args, store, ids, names)


def _ask(db: sqlite3.Connection, ids: Sequence[str], *, yes: bool) -> None:
    waiting = erasure.waiting(db, ids)
    told = f"{_messages(len(ids))} would be deleted for good"
    if waiting:
        told += f", and {_deliveries(waiting)} still waiting would never be sent"
    if ids and not opening.confirm(f"{told}. Delete?", yes=yes):
        raise Refused(f"{told}. Nothing was changed; add --yes to do it")


def _erase(
    args: argparse.Namespace, store: opening.Store, ids: Sequence[str], names: set[str]
) -> int:
    db, path = store.db, store.directory / FILE
    with transaction(db):
        number = erasure.begin(db, store.clock.now())
    done = Deleted()
    for at in range(0, len(ids), CHUNK):
        with transaction(db):  # in which no service can begin to send
            interrupted = not held(store.directory)
            done += erasure.delete(db, ids[at : at + CHUNK], interrupted=interrupted)
    if names:
        with transaction(db):
            erasure.forget_number(db, names)
    cleared = 1
    while cleared:  # what they were found by goes as well
        with transaction(db):
            cleared = segments.clear(db, POSTINGS)
            number = erasure.erasures(db).begun
    poke(store.directory)
    proven = _prove(db, path, number)
    copies = [str(copy) for copy in _copies(store.directory)]
    if args.json:
        output.document(
            {
                "deleted": done.deleted,
                "cancelled": done.cancelled,
                "inFlight": list(done.in_flight),
                "proven": proven,
                "copies": copies,
            }
        )
    else:
        _tell(done, store.directory, proven=proven, copies=copies)
    return _complain(done, proven=proven)


def _tell(done: Deleted, directory: Path, *, proven: bool, copies: list[str]) -> None:
    print(f"{_messages(done.deleted)} deleted; {_deliveries(done.cancelled)} will not be sent.")
    if proven and done.deleted:
        print(
            f"{directory / FILE} holds nothing of it any more: log emptied, pages looked through."
        )
    if copies:
        print("These copies still hold what they held when they were made; delete them as well if")
        print("it has to be gone from there:")
        for copy in copies:
            print(f"  {copy}")


def _complain(done: Deleted, *, proven: bool) -> int:
    """What was not done goes to standard error; the exit code."""
    if done.in_flight:
        print(
            f"mmconnect: {_messages(len(done.in_flight))} stay, as they are being sent at this"
            f" moment. Run this again in a few seconds: {' '.join(done.in_flight[:20])}",
            file=sys.stderr,
        )
    if not proven:
        print(
            "mmconnect: The rows are deleted, but another program was reading the database all the"
            " time, so bytes may still be in the write-ahead log. The service removes them as soon"
            " as it can. To see whether it has, run this again with `message purge`",
            file=sys.stderr,
        )
    return 1 if done.in_flight or not proven else 0


def _prove(db: sqlite3.Connection, path: Path, number: int) -> bool:
    """Empty the log, zero what is left in the file; False when others were in the way for long."""
    wait_at_most(db, LOCKED)
    end = time.monotonic() + PATIENCE
    if not _until(end, lambda: remains.truncate_log(db)):
        return False
    found, size = list(remains.middles(path)), BATCH
    while found:
        batch, found = found[:size], found[size:]
        begun = time.monotonic()
        if not _until(begun + PATIENCE, partial(_clear, db, path, batch)):
            return False
        size = min(2 * size, 4096) if time.monotonic() - begun < HELD else max(BATCH, size // 2)
    with transaction(db):
        erasure.prove(db, number)
    remains.truncate_log(db)
    return True


def _clear(db: sqlite3.Connection, path: Path, batch: list[remains.Middle]) -> bool:
    return remains.truncate_log(db) and remains.clear(path, batch)


def _until(end: float, done: Callable[[], bool]) -> bool:
    """Try until it is done or the time (monotonic seconds) has come."""
    while True:
        try:
            if done():
                return True
        except StoreUnavailable:
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            return False
        time.sleep(0.2)


def _copies(directory: Path) -> list[Path]:
    """Other databases below the data directory: backups, mostly."""
    ours = {directory / name for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK)}
    found = []
    for path in sorted(directory.rglob("*")):
        if path in ours or not path.is_file() or path.is_symlink():
            continue
        if path.parent.name == "backups" or _is_database(path):
            found.append(path)
    return found


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _messages(count: int) -> str:
    return output.many(count, "message", "messages")


def _deliveries(count: int) -> str:
    return output.many(count, "delivery", "deliveries")
