"""`mmconnect completion bash|zsh|fish`: what a shell needs to complete this command line.

Made of the parser itself, so it offers exactly what there is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import shtab

from mmconnect import cli
from mmconnect.cli import output

_COMPLETED = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
"""What a value is, by how help names it."""

_WHERE = """\
Where it goes:
  bash   mmconnect completion bash > ~/.local/share/bash-completion/completions/mmconnect
  zsh    mmconnect completion zsh > "${fpath[1]}/_mmconnect"
  fish   mmconnect completion fish > ~/.config/fish/completions/mmconnect.fish
The Debian package brings all three.
"""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "completion",
        parents=parents,
        help="what your shell needs to complete mmconnect's words",
        epilog=_WHERE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"])
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    whole = cli.parser()
    for action in _actions(whole):
        if action.metavar in _COMPLETED:
            action.complete = _COMPLETED[action.metavar]  # type: ignore[attr-defined]
    script = shtab.complete(whole, shell=args.shell)
    if args.json:
        output.document({"shell": args.shell, "script": script})
    else:
        print(script)
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and argument of a parser, and of the commands under it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
