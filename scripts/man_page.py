"""The manual page, made of the parser: `python -m scripts.man_page > mmconnect.1`."""

from __future__ import annotations

import argparse
from pathlib import Path

from argparse_manpage.manpage import Manpage

from mmconnect import __version__, cli

MORE = Path(__file__).parents[1] / "packaging" / "mmconnect.1.in"
"""What no parser knows: examples, files, environment, exit codes."""

_EVERYWHERE = {"data_dir", "config", "json", "help"}


def page() -> str:
    """mmconnect(1), in roff. Its date is SOURCE_DATE_EPOCH's, where that is set."""
    whole = cli.parser()
    whole.description = (
        "mmconnect takes the texts of the phones on your network, keeps them, and calls your own"
        " software with each until it has it. Without a command it is the service itself."
        " Every command takes the options named under OPTIONS, before or after its words."
    )
    whole._positionals.title = "COMMANDS"
    _say_once(whole)
    facts = {
        "project_name": "mmconnect",
        "version": __version__,
        "description": "calls your own software the moment a text arrives",
        "manual_title": "User Commands",
        "include": str(MORE),
    }
    return str(Manpage(whole, facts, format="single-commands-section"))


def _say_once(parser: argparse.ArgumentParser) -> None:
    """Say once what is said at the top, or twice of a command."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        said = {listed.dest: listed.help for listed in action._choices_actions}
        for name, command in action.choices.items():
            if (command.description or "").rstrip(".").lower() == (said[name] or "").lower():
                command.description = None  # it stands above already
            for option in [one for one in command._actions if one.dest in _EVERYWHERE]:
                command._actions.remove(option)
                command._optionals._group_actions.remove(option)
            _say_once(command)


if __name__ == "__main__":
    print(page(), end="")
