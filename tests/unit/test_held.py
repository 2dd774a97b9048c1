"""scripts/held.py: a frozen program loads its own modules after another version took its place.

In a process of its own, as it changes how zipimport reads. The build itself is tried by `make
test-systemd`, which unpacks one version over another that runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmconnect import paths
from scripts.held import Held

ROOT = Path(__file__).parents[2]
# PyInstaller's reader opens its archive by name for each module, as this one does for each word.
PROGRAM = """
import sys, types, zipimport
from scripts.held import hold_archives
library, program, there = sys.argv[1:]
sys.path.insert(0, library)
import early
reader = types.ModuleType("pyimod01_archive")
exec('''
class Reader:
    _filename = None
    def extract(self, at, size):
        with open(self._filename, "rb") as file:
            file.seek(at)
            return file.read(size).decode()
''', reader.__dict__)
importers = types.ModuleType("pyimod02_importers")
importers.pyz_archive = reader.Reader()
importers.pyz_archive._filename = program
sys.modules |= {"pyimod01_archive": reader, "pyimod02_importers": importers}
if there == "held":
    hold_archives(sys.modules)
print("ready", flush=True)
sys.stdin.readline()
import late
print(late.VERSION, importers.pyz_archive.extract(4, 3))
"""


def library(file: Path, version: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("early.py", f"PADDING = {version * 100!r}")
        archive.writestr("late.py", f"VERSION = {version!r}")


@pytest.mark.parametrize(("there", "code"), [("held", 0), ("by name", 1)])
def test_what_was_not_loaded_yet_is_the_old_ones(tmp_path: Path, there: str, code: int) -> None:
    archive, program = tmp_path / "base_library.zip", tmp_path / "program"
    library(archive, "old")
    program.write_text("    old")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(archive), str(program), there],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        library(tmp_path / "new", "newer")  # and put in their places as dpkg does it
        (tmp_path / "new").replace(archive)
        (tmp_path / "new").write_text("another")
        (tmp_path / "new").replace(program)
        told, wrong = running.communicate("go on\n", timeout=60)
    assert running.returncode == code, wrong
    assert told == ("old old\n" if code == 0 else "")


def test_two_that_read_at_the_same_time_do_not_move_each_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with Held(descriptor) as one, Held(descriptor) as other:
            one.seek(4)
            assert (other.read(2), one.read(2), other.read(2), one.read(9)) == (
                *(b"01", b"45"),
                *(b"23", b"6789"),
            )
    finally:
        os.close(descriptor)


def test_a_program_notices_that_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mmconnect"
    program.write_text("one")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(paths, "_STARTED", paths._mark())
    assert not paths.replaced()
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(program)
    assert paths.replaced()
    program.unlink()
    assert paths.replaced(), "or removed"
