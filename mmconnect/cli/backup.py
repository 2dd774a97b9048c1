"""`mmconnect backup FILE|list`: a copy of everything, whether the service runs; which there are.

Which are made by themselves, and where, is set: `mmconnect settings set backup_schedule weekly`.
"""

from __future__ import annotations

import argparse
import contextlib

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk import kept_backups
from mmconnect.domain.errors import StoreUnavailable, UsageError
from mmconnect.paths import expanded
from mmconnect.service.backup import back_up
from mmconnect.store import backups, preferences
from mmconnect.store.connection import transaction


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "backup",
        parents=parents,
        help="copy everything into one file",
        description="Copies everything (texts, secrets, settings, the local CA) into one file,"
        " while the service goes on, and checks it. `mmconnect restore` puts it back.",
    )
    parser.add_argument(
        "file", metavar="FILE|list", help="where to; `list` tells of those that are kept here"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make it; nothing is there under that name unless it is whole."""
    if args.file == "list":
        return _list(args)
    if args.file == "-":
        raise UsageError("A backup is checked as a file: name one (./- if it is to be called so)")
    file = expanded(args.file)
    with opening.opened(args, create=False) as store:
        contents = back_up(store.directory, file, force=args.force)
        # where that cannot be noted (on a full disk, say) it is made all the same
        with contextlib.suppress(StoreUnavailable), transaction(store.db):
            backups.note_made(store.db, store.clock.now())
    size = file.stat().st_size
    if args.json:
        output.document(
            {
                "file": str(file.absolute()),
                "bytes": size,
                "schema": contents.schema,
                "waiting": contents.waiting,
            }
        )
        return 0
    print(f"Everything is in {file} now ({max(1, round(size / 1024)):,} KB, checked).")
    print(
        "It holds texts, phone numbers, tokens, secrets and the local CA's key: keep it where"
        " nobody else reads it."
    )
    return 0


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args, create=False) as store:
        wished = preferences.load(store.db)
    found = kept_backups.every(store.directory, wished.backup_folder)
    if args.json:
        output.document([one.as_json() for one in found])
        return 0
    by_itself = (
        "None is made by itself: `mmconnect settings set backup_schedule daily` changes that."
        if wished.backup_schedule == "off"
        else f"They are made {wished.backup_schedule}, by the running service."
    )
    output.table(
        ("MADE", "WHY", "KB", "FILE"),
        [
            (
                output.local(one.made_at),
                one.sort.value,
                f"{max(1, round(one.size / 1024)):,}",
                str(one.path),
            )
            for one in found
        ],
        f"No backup is kept here yet. {by_itself}",
    )
    return 0
