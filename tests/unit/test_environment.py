"""scripts/venv.sh, which `make run` begins with: what somebody on a 32-bit system sees.

The Python that it is given is a stand-in here, which writes down what it is asked for.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
case "$*" in
*struct*) exit {bits} ;;
*version_info*|*ensurepip*) exit 0 ;;
*"print(sys.version)"*) echo 3.11 ;;
"-m venv "*) mkdir -p "$3/bin" && ln -sf "$0" "$3/bin/python" ;;
*"pip --version"*) exit 0 ;;
*"pip install"*)
    echo "$*" >>{asked}
    for word in "$@"; do last=$word; done
    [ ! -f "$last" ] || cp "$last" {lock}
    exit {pip} ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    code: int
    said: str
    asked: str
    """What pip was asked for."""
    lock: str
    """What was in the list that it was given."""


def made(folder: Path, *, bits: int, pip: int = 0) -> Made:
    python, asked, lock = folder / "python", folder / "asked", folder / "lock"
    python.write_text(
        STAND_IN.format(bits=int(bits == 64), asked=asked, lock=lock, pip=pip), encoding="utf-8"
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", "scripts/venv.sh", str(folder / "env"), str(python), "requirements/runtime.txt"],
        cwd=ROOT,
        env={**os.environ, "TRIES_REST": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [file.read_text(encoding="utf-8") for file in (asked, lock)]
    return Made(code=done.returncode, said=done.stderr, asked=told[0], lock=told[1])


@pytest.mark.parametrize("pip", [0, 1])
def test_a_32_bit_system_is_told_so_and_compiles_nothing(tmp_path: Path, pip: int) -> None:
    found = made(tmp_path, bits=32, pip=pip)
    assert found.code == pip
    assert found.said.startswith("This is a 32-bit system, for which nobody tests mmconnect: ")
    assert ("it needs a 64-bit one" in found.said) == bool(pip)
    assert len(found.asked.splitlines()) == 1, "once: no network is at fault"
    assert "--only-binary=:all:" in found.asked
    names = {line.partition("==")[0] for line in found.lock.splitlines()}
    assert "aiohttp" in names
    assert "google-re2" not in names, "it has no wheels for 32 bits, whatever the kernel has"


def test_a_64_bit_system_gets_the_lock_as_it_is(tmp_path: Path) -> None:
    found = made(tmp_path, bits=64)
    assert (found.code, "32-bit" in found.said) == (0, False)
    assert found.lock == (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
