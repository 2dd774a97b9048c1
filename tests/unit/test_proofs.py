"""tests/README.md says which test proves what: each one that it names has to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
NAMED = sorted(set(re.findall(r"`(\w+/\w+\.py)::(\w+)`", (TESTS / "README.md").read_text("utf-8"))))


def test_tests_are_named():
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str):
    source = (TESTS / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(", source, re.M), f"{file} has no {name}"
