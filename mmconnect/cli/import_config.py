"""`mmconnect import-config`: puts a configuration that was exported into force, or says what would
change."""

from __future__ import annotations

import argparse
import sys

from mmconnect.cli import open as opening
from mmconnect.cli import output, reached
from mmconnect.desk import config_import
from mmconnect.desk.actor import CLI
from mmconnect.desk.config_steps import Place, Step
from mmconnect.domain.errors import UsageError
from mmconnect.paths import expanded


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "import-config",
        parents=parents,
        help="put a configuration that was exported into force",
    )
    parser.add_argument("file", metavar="FILE", help="what export-config has written; - is a pipe")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would change, and change nothing"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Put it into force, all of it or nothing."""
    document = config_import.read(_content(args.file))
    put = config_import.preview if args.dry_run else config_import.put
    try:
        with opening.opened(args, write=True) as store:
            around = reached.around(args, store)
            place = Place(
                db=store.db, ids=store.ids, now=around.now, by=CLI, base_for=around.base_for
            )
            steps = put(document, place)
    except config_import.Previewed as found:
        steps = found.steps
    _tell(args, steps)
    return 0


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return expanded(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error


def _tell(args: argparse.Namespace, steps: list[Step]) -> None:
    if args.json:
        output.document(
            {
                "applied": not args.dry_run,
                "steps": [one.as_json(done=not args.dry_run) for one in steps],
            }
        )
        return
    if not steps:
        print("Everything in it is so already: nothing changes.")
        return
    output.table(
        ("WHAT", "ID", "NAME", "DETAIL"),
        [(one.what, one.subject, one.name, one.detail) for one in steps],
        "",
    )
    made = [one for one in steps if one.secret is not None]
    if args.dry_run:
        print("\nNothing has been changed yet: leave out --dry-run to do it.")
    elif made:
        print("\nMade anew, and shown this once:")
        output.fields([(one.name, one.secret) for one in made])
