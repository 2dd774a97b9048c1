"""Opening the data directory for one command, with or without a running service."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmconnect import config, paths
from mmconnect.cli import upgrading
from mmconnect.desk import endpoint_values
from mmconnect.desk.transactions import Writer
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import ConfigError, DataDirError, NotFound, UsageError
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Endpoint
from mmconnect.service.lock import at_work, poke
from mmconnect.store import endpoints, settings
from mmconnect.store.connection import FILE, connect, transaction, unavailable

PATIENCE = 10.0
"""Seconds that a command waits for the service's writes."""
GIVEN_WAY = 0.01
"""Seconds between two writes of many."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What a command works on."""

    db: sqlite3.Connection
    directory: Path
    clock: SystemClock
    ids: Ids


def data_dir(args: argparse.Namespace) -> paths.DataDir:
    """The data directory that a command means. Raises ConfigError."""
    if args.data_dir == "":
        raise ConfigError("--data-dir = '': name a directory, or leave the option out")
    named = config_file(args)
    file = config.read_file(named)
    by = "the installed service" if named is None else str(named)
    return paths.data_dir(args.data_dir, os.environ, file.get("data_dir"), named_by=by)


def config_file(args: argparse.Namespace) -> Path | None:
    """The TOML file named by `--config` or its variable; None for the installed service's."""
    name = args.config or os.environ.get(config.PREFIX + "CONFIG")
    return paths.expanded(name) if name else None


def prepare(chosen: paths.DataDir, *, create: bool) -> Path:
    """Make sure the directory is there and may be used; become its owner when run as root.

    Raises DataDirError that says which directory was looked at, and why.
    """
    path = chosen.path
    try:
        if create:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _become_owner(path)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "this user may not write there")
    except OSError as error:
        raise _unusable(chosen, error) from error
    return path


def _unusable(chosen: paths.DataDir, error: OSError) -> DataDirError:
    may = os.geteuid() and shutil.which("sudo") is not None  # in a container there is none
    remedy = ". Try it with `sudo`" if may and isinstance(error, PermissionError) else ""
    return DataDirError(
        f"The data directory {chosen.path} (from {chosen.source}) cannot be used:"
        f" {error.strerror or error}{remedy}"
    )


@contextmanager
def opened(
    args: argparse.Namespace, *, write: bool = False, create: bool = True
) -> Iterator[Store]:
    """The store, inside one transaction when `write`.

    Raises DataDirError when there is none; a directory named for this command is made, unless
    `create` is False: who copies what is there means something that is there.
    """
    chosen = data_dir(args)
    try:
        exists = (chosen.path / FILE).exists()
    except OSError as error:  # somebody else's directory
        raise _unusable(chosen, error) from error
    if not exists and not (create and chosen.explicit):
        what_to_do = (
            "Name the one that the service uses; it says so when it starts"
            if chosen.explicit
            else "Start the service once with `mmconnect serve`, or name it with --data-dir"
        )
        raise DataDirError(
            f"There is no mmconnect data in {chosen.path} (from {chosen.source}). {what_to_do}"
        )
    directory = prepare(chosen, create=chosen.explicit)
    with at_work(directory), _connected(directory) as store:
        if not write:
            yield store
            return
        with transaction(store.db):
            yield store
        poke(directory)


@contextmanager
def _connected(directory: Path) -> Iterator[Store]:
    """The store, brought up to date. Raises StoreError."""
    clock = SystemClock()
    ids = Ids(clock)
    db = connect(directory / FILE, patience=PATIENCE)
    try:
        upgrading.bring_up_to_date(db, directory)
        if settings.value(db, settings.TENANT_ID) is None:
            with transaction(db):
                settings.ensure_tenant(db, ids)
        yield Store(db=db, directory=directory, clock=clock, ids=ids)
    except sqlite3.Error as error:  # read outside a transaction
        raise unavailable(error, directory / FILE) or error from error
    finally:
        db.close()


def writer(store: Store) -> Writer:
    """Runs a function in a transaction of its own."""

    async def write(function: Callable[[sqlite3.Connection], T]) -> T:
        with transaction(store.db):
            return function(store.db)

    return write


async def give_way() -> None:
    """Between two writes of many, leave room for the service's own."""
    await asyncio.sleep(GIVEN_WAY)


def endpoint(store: Store, endpoint_id: str) -> Endpoint:
    """An endpoint that a command names. Raises NotFound."""
    found = endpoints.get(store.db, endpoint_id)
    if found is None:
        raise NotFound(f"There is no endpoint {endpoint_id}. `mmconnect endpoint list` shows them")
    return found


def secret_argument(text: str, *, lines: bool = False) -> str:
    """A secret as given, from `@FILE`, or from standard input with `-`.

    `lines`: it may have more than one.
    """
    if text == "-":
        try:
            given = sys.stdin.read() if lines else sys.stdin.readline()
            given.encode()
        except UnicodeError as error:
            raise UsageError("What came on standard input is not UTF-8 text") from error
        return given.rstrip("\r\n")
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{text[1:]} cannot be read: {error}") from error
    return text


def name_argument(text: str) -> str:
    """A name as people read it. Raises UsageError for one that is empty, or no line of text."""
    try:
        return endpoint_values.name(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a person, on standard error; without a terminal nobody is, and the answer is no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:  # the terminal's end of file: no answer
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def _become_owner(path: Path) -> None:
    """Run as root, work as the directory's owner, so that files stay readable for the service."""
    if os.geteuid() != 0:
        return
    owner = path.stat()
    if owner.st_uid != 0:
        paths.let_others_read()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
