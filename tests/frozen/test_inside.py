"""What is inside a build, and what is not: all that the source has, and nobody else's business."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmconnect import revision
from tests.frozen.conftest import ROOT, ran
from tests.support.program import BUILD, ONE_FILE, PROGRAM

LIMIT = 18_000_000 if ONE_FILE else 45_000_000
"""Bytes. The one file's is issue 6's; the directory is to be no surprise on a small card."""
PLACES = ("templates", "static", "recipes")
STRANGERS = """
    pytest _pytest pluggy iniconfig execnet xdist hypothesis playwright tests bench conftest
    pip ensurepip setuptools pkg_resources wheel hatchling PyInstaller _pyinstaller_hooks_contrib
    mypy ruff unittest doctest pdb pydoc tkinter lib2to3 test
""".split()
"""Modules that a build has no use for, by the name that they begin with."""
LOOK = """
import hashlib, json, sys
from pathlib import Path
from PyInstaller.archive.readers import CArchiveReader

program = Path(sys.argv[1])
archive = CArchiveReader(str(program))
inner = next(name for name in archive.toc if name.endswith(".pyz"))
modules = archive.open_embedded_archive(inner)
folder = program.parent / "_internal"
if folder.is_dir():
    read = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
else:
    kinds = {name: entry[-1] for name, entry in archive.toc.items()}
    read = {name: archive.extract(name) for name, kind in kinds.items() if kind in "bx"}

place = Path(sys.argv[2])
for name, content in read.items():
    if ".so" in name:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)

code = [modules.extract(name) for name in modules.toc if name.startswith("mmconnect.")]
json.dump({
    "modules": sorted(modules.toc),
    "files": {name: hashlib.sha256(content).hexdigest() for name, content in read.items()},
    "sources": sorted({one.co_filename for one in code}),
    "columns": any(next(one.co_positions())[2] is not None for one in code),
}, sys.stdout)
"""


@dataclass(frozen=True)
class Inside:
    """What is in the build."""

    modules: set[str]
    files: dict[str, str]
    """The hash of each, by name."""
    sources: list[str]
    """Where modules of ours say that they come from."""
    columns: bool
    """Whether code knows columns, which is a quarter of it."""
    libraries: Path
    """Where its libraries have been put."""


@pytest.fixture(scope="module")
def inside(build_python: str, tmp_path_factory: pytest.TempPathFactory) -> Inside:
    place = tmp_path_factory.mktemp("libraries")
    words = [build_python, "-c", LOOK, PROGRAM[0], str(place)]
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    modules = set(told.pop("modules"))
    return Inside(libraries=place, modules=modules, **told)


def test_it_is_no_bigger_than_it_may_be() -> None:
    program = Path(PROGRAM[0])
    parts = [program] if ONE_FILE else list(program.parent.rglob("*"))
    size = sum(part.lstat().st_size for part in parts if part.is_file())
    print(f"{BUILD}: {size:,} bytes")
    assert size <= LIMIT


def test_every_module_of_ours_is_inside(inside: Inside) -> None:
    package = ROOT / "mmconnect"
    ours = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in package.rglob("*.py")
    }
    assert len(ours) > 200
    missing = ours - inside.modules - {"mmconnect.__main__"}  # which is for `python -m`
    assert not missing


def test_every_page_migration_and_recipe_is_inside_as_it_is_here(inside: Inside) -> None:
    files = [file for place in PLACES for file in (ROOT / place).rglob("*") if file.is_file()]
    files += [*(ROOT / "mmconnect").rglob("*.sql"), *(ROOT / "mmconnect").rglob("*.json")]
    files = [file for file in files if "__pycache__" not in file.parts]
    assert len(files) > 100
    here = {
        str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }
    assert {name for name, digest in here.items() if inside.files.get(name) != digest} == set()


def test_nothing_is_inside_that_belongs_to_making_and_testing(inside: Inside) -> None:
    first = {name.partition(".")[0] for name in inside.modules}
    first |= {Path(name).parts[0].partition("-")[0] for name in inside.files}
    assert first & set(STRANGERS) == set()
    ours = {name for name in inside.modules if name.startswith("scripts")}
    assert ours == {"scripts", "scripts.held"}, "with which the program begins"
    tests = {name for name in inside.modules if re.search(r"\btests?\b|pytest", name)}
    assert tests == {"jinja2.tests"}, "which are of its language: `is defined`"


def test_no_code_is_inside_twice_or_as_source(inside: Inside) -> None:
    loose = [name for name in inside.files if re.search(r"\.py[co]?$|/__pycache__/", name)]
    shown = ("recipes/", "templates/snippets/")  # to people, who copy them
    assert [name for name in loose if not name.startswith(shown) or not name.endswith(".py")] == []


def test_code_is_as_small_as_it_can_be(inside: Inside) -> None:
    assert not inside.columns, "-X no_debug_ranges: build.spec sees to it"


def test_nothing_tells_of_the_machine_that_built_it(inside: Inside) -> None:
    assert [source for source in inside.sources if source.startswith("/")] == []
    libraries = [file for file in inside.libraries.rglob("*") if file.is_file()]
    assert len(libraries) > 20
    led = {}
    for file in libraries:
        told = subprocess.run(
            ["readelf", "--dynamic", "--wide", file],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout
        assert "STRTAB" in told, told
        if found := re.search(r"\(R(?:UN)?PATH\).*\[(.*)\]", told):
            led[file.name] = found[1]
    away = {n: p for n, p in led.items() if any(one.startswith("/") for one in p.split(":"))}
    assert not away, "whoever owns that folder elsewhere owns the program"


@pytest.mark.program
def test_it_says_what_it_is() -> None:
    told = json.loads(ran("version", "--json", check=True).stdout)
    assert list(told) == ["version", "commit", "python", "sqlite", "openssl", "machine"]
    commit = told["commit"].removesuffix("+changes")
    assert re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit) or (
        revision.checked_out(ROOT) == revision.UNKNOWN
    )
    assert told["openssl"].startswith("OpenSSL 3.")


def test_what_pip_wrote_on_the_machine_that_built_it_is_not_inside(inside: Inside) -> None:
    """RECORD has the hash of a script that names an interpreter: another one, another build."""
    parts = [Path(name) for name in inside.files if ".dist-info/" in name]
    assert any(part.name == "METADATA" for part in parts)
    assert {part.name for part in parts}.isdisjoint({"RECORD", "INSTALLER", "REQUESTED"})
