"""`mmconnect export-config`: settings, phones and endpoints as a readable document."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk.actor import CLI
from mmconnect.desk.config_export import document
from mmconnect.domain.errors import StoreError
from mmconnect.paths import expanded
from mmconnect.service.backup import may_become, unwritten
from mmconnect.store.connection import transaction


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export-config",
        parents=parents,
        help="settings, phones and endpoints as a readable document",
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="where to; standard output when left out, or -"
    )
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help="with signing secrets, tokens, keys, and the values of headers",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write it."""
    with opening.opened(args, create=False) as store:
        directory, now = store.directory, store.clock.now()
        made = document(store.db, now, secrets=args.with_secrets)
        if args.with_secrets:
            with transaction(store.db):
                CLI.note(store.db, now, "config.exported", None, "with secrets")
    text = json.dumps(made, ensure_ascii=False, indent=2) + "\n"
    if args.file in (None, "-"):
        sys.stdout.write(text)
        return 0
    file = expanded(args.file)
    _write(directory, file, text, force=args.force)
    if args.json:
        output.document(
            {
                "file": str(file.absolute()),
                "secrets": args.with_secrets,
                "devices": len(made["devices"]),
                "endpoints": len(made["endpoints"]),
                "withheld": made["withheld"],
            }
        )
        return 0
    print(f"The configuration is in {file} now.")
    if args.with_secrets:
        print("It holds tokens and secrets: keep it where nobody else reads it.")
    elif made["withheld"]:
        left = output.many(len(made["withheld"]), "secret was", "secrets were")
        print(f"{left} left out; --with-secrets takes them along.")
    return 0


def _write(directory: Path, file: Path, text: str, *, force: bool) -> None:
    """For its owner alone, and whole or not at all."""
    try:
        may_become(directory, file, force=force)
        part = file.with_name(f"{file.name}.part")
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(file)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(unwritten(file, error)) from error
