"""The command line: one file per family of commands, and no logic of its own.

Works on the data directory, whether or not the service is running. Exit codes: 0 ok, 1 a failure
with one clear sentence, 2 usage.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmconnect.domain.errors import MmconnectError, NotFound, UsageError

_FAMILIES = (
    *("serve", "endpoint", "device", "message", "delivery", "api-key", "admin", "settings", "tls"),
    *("push", "receive", "verify", "backup", "restore", "export-config", "import-config"),
    *("service", "doctor", "completion", "version"),
)
_ANYTHING = ("--from", "--text")
"""Options whose value may begin with a dash, as a text may."""


class _Parser(argparse.ArgumentParser):
    """Takes no flag by its beginning alone: a later version may make it another's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or that of one family only: it loads little."""
    everywhere = argparse.ArgumentParser(add_help=False)
    for name, metavar, text in (
        ("--data-dir", "DIR", "where mmconnect keeps its data"),
        ("--config", "FILE", "TOML file with process options"),
    ):
        everywhere.add_argument(name, metavar=metavar, help=text, default=argparse.SUPPRESS)
    everywhere.add_argument(
        "--json",
        action="store_true",
        help="answer with one JSON document",
        default=argparse.SUPPRESS,
    )
    top = _Parser(
        prog="mmconnect",
        description="Calls your own software the moment a text arrives. Without a command: serve.",
        epilog="`mmconnect COMMAND --help` says more. With a service of the system it is"
        " `sudo mmconnect …`, as the data belong to an account of their own. When something does"
        " not work, begin with `mmconnect doctor`.",
        parents=[everywhere],
    )
    commands = top.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for family in _FAMILIES if only is None else (only,):
        module = importlib.import_module(f"mmconnect.cli.{family.replace('-', '_')}")
        module.add_parser(commands, [everywhere])
    _describe(top)
    return top


def _describe(within: argparse.ArgumentParser) -> None:
    """Let each command's own help say what it does, at least as the list of commands has it."""
    for action in within._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for listed in action._choices_actions:
            command, told = action.choices[listed.dest], listed.help or ""
            if command.description is None:
                command.description = f"{told[:1].upper()}{told[1:]}."
            _describe(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    os.umask(0o077)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # whoever started us has closed it
            nothing = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (for good)
            setattr(sys, name, nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter shows \u…
            stream.reconfigure(errors="backslashreplace")
    words = _with_values(_with_command(words))
    command = _command(words)
    only = command if command in _FAMILIES else None
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        if only != "push":
            print("mmconnect: an argument is not UTF-8 text", file=sys.stderr)
            return UsageError.exit_code
        # a text has no second chance
        words = [
            word.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for word in words
        ]
    args = argparse.Namespace(data_dir=None, config=None, json=False)
    try:
        parser(only).parse_args(words, args)
        code = int(args.run(args) or 0)
        _flush()
        return code
    except SystemExit:  # argparse, behind its help or a mistake
        _last_words()
        raise
    except MmconnectError as error:
        told = _told(error)
        print(f"mmconnect: {told}", file=sys.stderr)
        _last_words(json.dumps({"error": _code(error), "message": told}) if args.json else None)
        return error.exit_code
    except BrokenPipeError:
        let_go()
        return 1
    except OSError as error:
        if only == "serve" or error.filename is not None:
            raise
        let_go()
        print(f"mmconnect: This failed: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _flush() -> None:
    """Here, where a failure can still be told; `receive` has no output once its reader has left."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _last_words(line: str | None = None) -> None:
    """What becomes of them does not change how it ends."""
    try:
        if line is not None:
            print(line)
        _flush()
    except OSError:
        let_go()


def let_go() -> None:
    """What standard output has not taken is lost: Python is not to try once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _told(error: MmconnectError) -> str:
    """What happened and what to do, for somebody with a shell."""
    if isinstance(error, NotFound) and error.listed_by:
        return f"{error}. `mmconnect {error.listed_by}` shows them"
    return str(error)


def _code(error: MmconnectError) -> str:
    """What kind of error it is, written as the REST API does: `not_found`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def _with_command(words: list[str]) -> list[str]:
    """`mmconnect --data-dir D` is `mmconnect serve --data-dir D`; --version is `version`."""
    if "--version" in words and _command(words) is None:
        return ["version" if word == "--version" else word for word in words]
    help_asked = "-h" in words or "--help" in words
    return words if help_asked or _command(words) is not None else ["serve", *words]


def _command(words: list[str]) -> str | None:
    """The first word that is neither an option nor an option's value."""
    before = ""
    for word in words:
        takes_a_value = before.startswith("--") and "=" not in before and before != "--json"
        if not (word.startswith("-") or takes_a_value):
            return word
        before = word
    return None


def _with_values(words: list[str]) -> list[str]:
    """`--text -5` is `--text=-5`."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _ANYTHING:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
