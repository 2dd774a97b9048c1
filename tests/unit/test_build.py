"""What build.spec leaves out is nothing that mmconnect itself imports, anywhere.

An import in a function would fail on somebody's Pi only, on the day that function is needed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_architecture import PACKAGE, Module, imports

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "build.spec").read_text(encoding="utf-8")


def excluded() -> set[str]:
    """The modules that the spec names."""
    found = re.search(r'^EXCLUDES = """(.*?)"""\.split\(\)$', SPEC, re.MULTILINE | re.DOTALL)
    assert found is not None
    return set(found[1].split())


def left_out(module: Module, names: set[str]) -> set[str]:
    """Those of the names that a module of ours imports, or something inside of them."""
    wanted = {f"{name}." for name in imports(module)}
    return {name for name in names if any(one.startswith(f"{name}.") for one in wanted)}


def test_nothing_of_ours_is_left_out() -> None:
    names = excluded()
    assert {"tkinter", "statistics", "xml.dom"} <= names, "they are read out of the spec"
    found = {
        path.relative_to(PACKAGE).as_posix(): missing
        for path in PACKAGE.rglob("*.py")
        if (missing := left_out(Module(path.name, path.read_text(encoding="utf-8")), names))
    }
    assert not found, "build.spec excludes what these import"


def test_what_a_build_begins_with_makes_it_anew() -> None:
    """scripts/test_frozen.sh takes a build that is newer than all that it is made of."""
    entry = (ROOT / "scripts/frozen_entry.py").read_text(encoding="utf-8")
    ours = re.findall(r"^from scripts\.(\w+) import", entry, re.MULTILINE)
    told = re.search(
        r'^made_of="(.*)"$', (ROOT / "scripts/test_frozen.sh").read_text(), re.MULTILINE
    )
    assert told is not None
    assert ours
    named = told[1].split()
    assert {"scripts/frozen_entry.py", *(f"scripts/{name}.py" for name in ours)} <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "line",
    ["import statistics", "from xml.dom import minidom", "def f():\n    import pyexpat"],
)
def test_an_import_of_it_is_seen(line: str) -> None:
    assert left_out(Module("x.py", line), excluded())
