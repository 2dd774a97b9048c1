"""`mmconnect version`."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import ssl

from mmconnect import __version__, revision
from mmconnect.cli import output


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "version", parents=parents, help="versions of mmconnect and its parts"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the versions."""
    facts = {
        "version": __version__,
        "commit": revision.commit(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "machine": platform.machine(),
    }
    if args.json:
        output.document(facts)
    else:
        output.fields([(name, value) for name, value in facts.items()])
    return 0
