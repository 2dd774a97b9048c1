"""`mmconnect completion`: scripts that a real shell takes, and that offer what there is."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmconnect.cli import parser
from tests.cli.conftest import said

SHELLS = ("bash", "zsh", "fish")


def words(command: argparse.ArgumentParser) -> Iterator[str]:
    """Every command, verb and option."""
    for action in command._actions:
        yield from (option[2:] for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name
                yield from words(below)


@pytest.mark.parametrize("shell", SHELLS)
def test_it_offers_every_word(shell: str) -> None:
    script = said("completion", shell).out
    assert [word for word in sorted(set(words(parser()))) if word not in script] == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["del"], ["delivery"]),
        (["endpoint", "rot"], ["rotate-secret"]),
        (["endpoint", "add", "--nu"], ["--numbers"]),
        (["endpoint", "add", "--numbers", "e"], ["e164"]),
        (["restore", "old"], ["old.db"]),
    ],
)
def test_bash_completes(tmp_path: Path, line: list[str], offered: list[str]) -> None:
    (tmp_path / "script").write_text(said("completion", "bash").out)
    (tmp_path / "old.db").touch()
    asked = f"""
        source ./script
        COMP_WORDS=(mmconnect {" ".join(line)}) COMP_CWORD={len(line)}
        _shtab_mmconnect
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-euc", asked], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.apt
@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_reads_it(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(said("completion", shell).out)
    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
