"""What leaves the repository: wheel, sdist, locks and versions say the same thing.

Guards against the packaging error that shows only on a user's machine: a wheel without its pages.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import mmconnect
from mmconnect import config
from mmconnect.service import unit

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = {"runtime": [], "tls": ["tls"], "test": ["test"], "build": ["build"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where wheel and sdist lie, built offline by the hatchling of this environment."""
    out = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-d",
        str(out),
        "-t",
        "wheel",
        "-t",
        "sdist",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def tracked(folder: str) -> list[Path]:
    """Files of a folder as git would take them: no caches, no editors' leftovers."""
    skip = {"__pycache__", ".gitkeep"}
    found = (p for p in (ROOT / folder).rglob("*") if p.is_file() and not skip & set(p.parts))
    return [p.relative_to(ROOT) for p in found if p.suffix != ".pyc" and not p.name.endswith("~")]


@pytest.mark.parametrize("folder", ["templates", "static", "recipes", "mmconnect"])
def test_the_wheel_holds_every_file(wheel: dict[str, bytes], folder: str) -> None:
    for path in tracked(folder):
        inside = path if folder == "mmconnect" else Path("mmconnect") / path
        assert wheel.get(inside.as_posix()) == (ROOT / path).read_bytes(), f"{path} is not in it"


def test_the_wheel_brings_the_unit_and_no_more_of_packaging(wheel: dict[str, bytes]) -> None:
    inside = {name for name in wheel if name.startswith("mmconnect/packaging/")}
    assert inside == {"mmconnect/packaging/mmconnect.service"}
    unit = ROOT / "packaging" / "mmconnect.service"
    assert wheel["mmconnect/packaging/mmconnect.service"] == unit.read_bytes()


def test_the_wheel_holds_nothing_else(wheel: dict[str, bytes]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {"mmconnect", f"mmconnect-{mmconnect.__version__}.dist-info"}


def test_the_wheel_brings_the_command(wheel: dict[str, bytes]) -> None:
    info = f"mmconnect-{mmconnect.__version__}.dist-info"
    assert "mmconnect = mmconnect.cli:main" in wheel[f"{info}/entry_points.txt"].decode()
    metadata = Parser().parsestr(wheel[f"{info}/METADATA"].decode())
    assert metadata["Version"] == mmconnect.__version__
    assert metadata["License-Expression"] == "MIT"
    assert f"{info}/licenses/LICENSE" in wheel


def test_the_sdist_can_build_it_all_again(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    wanted = [
        *tracked("templates"),
        *tracked("static"),
        *tracked("recipes"),
        *tracked("mmconnect"),
        *tracked("requirements"),
    ]
    missing = {*wanted, Path("pyproject.toml"), Path("build.spec"), Path("LICENSE")} - inside
    assert not missing


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    top = re.search(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert top is not None
    assert top[1] == mmconnect.__version__


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_the_project_asks_for(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(text) for line in lines if (text := line.partition("#")[0].strip())]
    assert all(len(pin.specifier) == 1 and str(pin.specifier).startswith("==") for pin in pins)
    assert not any("://" in line or line.startswith("-") for line in lines), "a lock names no place"

    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(r for extra in LOCKS[lock] for r in extras[extra])]
    for wanted in map(Requirement, asked):
        found = [pin for pin in pins if pin.name == wanted.name]
        assert found, f"{wanted.name} is not in requirements/{lock}.txt: make lock"
        for pin in found:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{pin} does not fit {wanted}: make lock"


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    missing = {n for names in lists for r in names if f"`{(n := Requirement(r).name)}`" not in page}
    assert not missing


def test_the_packages_file_names_every_option_with_its_default() -> None:
    file = ROOT / "packaging" / "mmconnect.toml"
    assert config.read_file(file) == {"data_dir": str(unit.STATE)}, "only the data directory is set"
    lines = file.read_text(encoding="utf-8").splitlines()
    shown = dict(line[1:].split(" = ") for line in lines if re.match(r"#[a-z_]+ = ", line))
    assert shown == {option.name: f'"{option.default}"' for option in config.OPTIONS}


def test_avahi_tells_of_the_port_that_the_pages_have() -> None:
    told = (ROOT / "packaging" / "avahi" / "mmconnect.service").read_text(encoding="utf-8")
    ports = [option.default for option in config.OPTIONS if option.name == "admin_listen"]
    assert re.findall(r"<port>(\d+)</port>", told) == [str(ports[0]).rpartition(":")[2]]


def test_the_packages_licence_is_that_of_the_repository() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    told = (ROOT / "packaging" / "deb" / "copyright").read_text(encoding="utf-8")
    words = told.partition("License: Expat\n")[2].replace(" .\n", "\n").split()
    assert words == licence[licence.index("Permission") :].split()


SCRIPTS = [
    *(f"packaging/deb/{name}" for name in ("postinst", "prerm", "postrm")),
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("scripts/*.sh")),
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_read_by_sh(script: str) -> None:
    file = ROOT / script
    done = subprocess.run(["sh", "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_package_is_made_of_is_there_and_each_blank_is_filled() -> None:
    """scripts/deb.sh needs a build, so CI does not run it."""
    script = (ROOT / "scripts" / "deb.sh").read_text(encoding="utf-8")
    sources = re.findall(r"^place (packaging/\S+) (\S+)$", script, re.MULTILINE)
    assert ("packaging/mmconnect.service", "usr/lib/systemd/system/mmconnect.service") in sources
    assert [one for one, _ in sources if not (ROOT / one).is_file()] == []
    assert not any(to.startswith("etc/mmconnect") for _, to in sources), "it would be a conffile"
    control = (ROOT / "packaging" / "deb" / "control.in").read_text(encoding="utf-8")
    blanks = set(re.findall(r"@[A-Z]+@", control))
    assert blanks == set(re.findall(r'"s/(@[A-Z]+@)/', script))
    asked = re.search(r"^Depends: (.*)$", control, re.MULTILINE)
    assert asked is not None
    assert {"libc6 (>= @GLIBC@)", "zlib1g"} <= set(asked[1].split(", ")), "its loader needs both"
