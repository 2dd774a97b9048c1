"""`mmconnect backup FILE`: a copy of everything, while the service runs or not."""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
from pathlib import Path

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.service.backup import back_up
from mmconnect.store import backups
from mmconnect.store.connection import transaction


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser("backup", parents=parents, help="copy everything into one file")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make it; nothing is there under that name unless it is whole."""
    file = Path(args.file).expanduser()
    with opening.opened(args) as store:
        contents = back_up(store.directory, file, force=args.force)
        with contextlib.suppress(sqlite3.Error), transaction(store.db):
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
    print("It holds texts, phone numbers, tokens and secrets: keep it where nobody else reads it.")
    return 0
