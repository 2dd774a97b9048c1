"""What a release refuses, and what it tells of what is inside.

Guards against a release of something that nobody can build again, one without notes, and a list of
what is inside that leaves something out.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mmconnect import __version__
from scripts import sbom
from tests.support.program import starts_none

pytestmark = starts_none
ROOT = Path(__file__).parents[2]
FILES = ("scripts/release.sh", "mmconnect/__init__.py")
NOTES = f"# Changelog\n\n## [{__version__}] - 2026-06-12\n\nNew.\n\n## [0.0.1] - 2026-01-01\n"


def git(checkout: Path, *words: str) -> None:
    own = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", str(checkout), *own, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that may be released, as far as is looked at before anything is built."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(NOTES)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Ready")
    return tmp_path


def released(checkout: Path) -> str:
    """What it says; without an interpreter to build with, it never gets further than that."""
    done = subprocess.run(
        ["sh", "scripts/release.sh"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    return done.stderr


def test_a_clean_commit_with_notes_is_let_through(checkout: Path):
    assert released(checkout).startswith("usage:")


def test_changes_on_top_of_a_commit_are_not_released(checkout: Path):
    (checkout / "more.txt").write_text("more")
    said = released(checkout)
    assert "there are changes on top" in said
    assert "more.txt" in said


@pytest.mark.parametrize("heading", ["unreleased", "soon", "2026-06-1x"])
def test_a_version_without_notes_that_are_dated_is_not_released(checkout: Path, heading: str):
    (checkout / "CHANGELOG.md").write_text(NOTES.replace("2026-06-12", heading))
    git(checkout, "commit", "-qam", "No notes")
    assert f"has no notes for {__version__}" in released(checkout)


def test_a_package_is_inside_when_something_of_it_is(tmp_path: Path):
    for name, file in (("Used_One", "used/a.py"), ("unused", "unused/b.py")):
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: MIT\n"
        )
        (about / "RECORD").write_text(f"{file},,\n")
    found, theirs = sbom.python_packages({"used/a.py", "other.py"}, tmp_path)
    assert [part["purl"] for part in found] == ["pkg:pypi/used-one@1.0"]
    assert found[0]["licenses"] == [{"expression": "MIT"}]
    assert theirs == {"used/a.py"}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_a_library_is_told_with_the_package_that_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sbom.LICENCES, "libthing1", "MIT")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN").chmod(0o755)  # dpkg-deb wants it, whatever the umask
    (tree / "DEBIAN" / "control").write_text(
        "Package: libthing1\nVersion: 1:2.0-3+deb12u1\nArchitecture: arm64\n"
        "Maintainer: Somebody <somebody@example.org>\nDescription: a thing\n"
    )
    (tree / "usr" / "lib").mkdir(parents=True)
    (tree / "usr" / "lib" / "libthing.so.1.2").write_bytes(b"")
    (tree / "usr" / "lib" / "libthing.so.1").symlink_to("libthing.so.1.2")
    command = ["dpkg-deb", "--build", str(tree), str(tmp_path / "libthing1.deb")]
    subprocess.run(command, check=True, capture_output=True)
    (part,) = sbom.debian_packages({"libthing.so.1"}, tmp_path)
    expected = "pkg:deb/debian/libthing1@1%3A2.0-3%2Bdeb12u1?arch=arm64&distro=bookworm"
    assert part["purl"] == expected
    with pytest.raises(SystemExit, match=r"libother\.so"):
        sbom.debian_packages({"libthing.so.1", "libother.so"}, tmp_path)
