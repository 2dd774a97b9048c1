"""`scripts/again.sh`: `make ci` forgives a test that failed once, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "again.sh"

TESTS = """
import pathlib, pytest

@pytest.mark.parametrize("number", range({red}))
def test_by_chance(number):
    seen = pathlib.Path(f"seen-{{number}}")
    if not seen.exists() or {always}:
        seen.touch()
        raise AssertionError("red")

def test_good():
    pass
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As on any machine: without the plugins of this project's own tests, which take their time."""
    return subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("red", "always", "ends"),
    [(3, False, 0), (1, True, 1), (4, False, 1)],
    ids=["by chance", "always", "four"],
)
def test_what_is_forgiven(tmp_path: Path, red: int, always: bool, ends: int) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS.format(red=red, always=always))
    first = run(tmp_path, sys.executable, "-m", "pytest", "-q")
    assert first.returncode == 1, first.stdout
    again = run(tmp_path, "sh", str(SCRIPT), sys.executable, "1")
    assert again.returncode == ends, again.stdout + again.stderr
    assert ("FAILED ONCE, PASSED ALONE" in again.stdout) == (ends == 0)
    assert ("test_it.py::test_by_chance[0]" in again.stdout) == (red < 4), "named, or not run"


def test_a_run_without_an_end_is_not_forgiven(tmp_path: Path) -> None:
    for status in ("2", "3", "4", "5"):
        assert run(tmp_path, "sh", str(SCRIPT), sys.executable, status).returncode == int(status)
    assert run(tmp_path, "sh", str(SCRIPT), sys.executable, "1").returncode == 1, "nothing noted"
