"""`mmconnect doctor`: look at everything that keeps texts from getting through."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import textwrap

from mmconnect import config
from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk.doctor import Finding, Mark, Report, worst_first
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import ConfigError, DataDirError

_WIDEST = 100
_INDENT = 10


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        parents=parents,
        help="find out what is wrong, and what to do about it",
        description="Looks at everything that keeps texts from getting through, and says what to"
        " do, whether or not the service runs. Nothing is sent and nothing is changed. Only root"
        " may see the rules of a firewall, and who has a port. Exit code 1: there is a problem.",
    )
    parser.add_argument(
        "--full", action="store_true", help="look at all of the database, however long that takes"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, and tell; 1 when there is a problem."""
    from mmconnect.service.doctor.examination import examine
    from mmconnect.service.doctor.scene import Before, Subject

    options, fault = None, None
    try:
        options = config.settle({}, os.environ, config.read_file(opening.config_file(args)))
    except ConfigError as error:
        fault = str(error)
    chosen = opening.data_dir(args)
    before = Before.look()
    with contextlib.suppress(DataDirError):  # it is found again, and told with the rest
        opening.prepare(chosen, create=False)
    report = asyncio.run(
        examine(
            Subject(
                directory=chosen.path,
                source=chosen.source,
                clock=SystemClock(),
                before=before,
                options=options,
                fault=fault,
                command=output.command(args),
                full=args.full,
            )
        )
    )
    if args.json:
        output.document(report.as_json())
    else:
        _tell(report)
    sys.stdout.flush()
    return 0 if report.ok else 1


def _tell(report: Report) -> None:
    width = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for one in worst_first(report.findings):
        for line in _lines(one, max(40, width)):
            print(line)
    print(f"\n{report.verdict}")


def _lines(one: Finding, width: int) -> list[str]:
    shown = output.printable(f"{one.title}: {one.found}")
    lines = textwrap.wrap(
        shown,
        width,
        initial_indent=_word(one.mark).ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
        break_long_words=False,  # a command is to be copied
    )
    if one.remedy:
        lines += textwrap.wrap(
            output.printable(one.remedy),
            width,
            initial_indent=" " * _INDENT + "→ ",
            subsequent_indent=" " * (_INDENT + 2),
            break_on_hyphens=False,
            break_long_words=False,
        )
    return lines


def _word(mark: Mark) -> str:
    return {Mark.PROBLEM: "PROBLEM", Mark.SKIPPED: "not seen"}.get(mark, mark.value)
