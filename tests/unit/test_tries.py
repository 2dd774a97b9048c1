"""`scripts/tries.sh`: a download that fails by a hiccup of the network is begun anew."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "tries.sh"


@pytest.mark.parametrize(
    ("good_from", "runs", "ends"), [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 3, 7)]
)
def test_three_times_at_the_most(tmp_path: Path, good_from: int, runs: int, ends: int) -> None:
    script = 'printf . >> runs; [ "$(wc -c < runs)" -ge "$1" ] || exit 7; echo "$2"'
    words = ["sh", str(SCRIPT), "sh", "-c", script, "it", str(good_from), "a b"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=os.environ | {"TRIES_REST": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "runs").read_text() == "." * runs
    assert done.returncode == ends, done.stderr
    assert done.stdout == ("" if ends else "a b\n")
    assert done.stderr.count("again in 0 s") == runs - 1
