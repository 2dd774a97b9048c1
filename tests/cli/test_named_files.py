"""Files that backup, export-config and their like are given, and outputs that take nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.store.connection import FILE, connect
from tests.cli.conftest import Desk, said
from tests.cli.test_directory import AS_NOBODY, NOBODY, root_only
from tests.support import program

WRITERS = ("backup", "export-config")
LOADED = "import importlib.readers, importlib.resources.readers"


@pytest.mark.parametrize("command", WRITERS)
def test_what_is_no_file_is_never_replaced_by_one(
    command: str, desk: Desk, hook: str, tmp_path: Path
) -> None:
    desk("endpoint", "add", hook)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for force in ((), ("--force",)):
        told = desk(command, str(pipe), *force)
        assert told.code == 1
        assert "device or a pipe" in told.err
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_the_list_of_backups_is_for_people(desk: Desk, hook: str) -> None:
    desk("endpoint", "add", hook)
    assert "They are made daily" in desk("backup", "list").out
    desk("settings", "set", "backup_schedule", "off")
    assert "None is made by itself" in desk("backup", "list").out
    kept = desk.directory / "backups" / "mmconnect-2026-06-12T010000Z.db"
    kept.parent.mkdir()
    kept.touch()
    shown = output.local(1781226000000)
    assert f"\n{shown}  scheduled  1   {kept}\n" in desk("backup", "list").out


def test_a_backup_that_cannot_be_noted_is_made_all_the_same(
    desk: Desk, hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk("endpoint", "add", hook)
    monkeypatch.setattr(opening, "PATIENCE", 0.1)
    with closing(connect(desk.directory / FILE)) as db:
        db.execute("BEGIN IMMEDIATE")  # nobody else can write
        told = desk("backup", str(tmp_path / "made.db"))
    assert told.code == 0, told.err
    assert (tmp_path / "made.db").is_file()


@pytest.mark.parametrize("command", WRITERS)
def test_the_database_is_never_replaced_by_what_is_written(
    command: str, desk: Desk, hook: str
) -> None:
    desk("endpoint", "add", hook)
    told = desk(command, str(desk.directory / "mmconnect.db"), "--force")
    assert told.code == 1
    assert "works with" in told.err
    assert len(desk("endpoint", "list", "--json").json) == 1


@pytest.mark.parametrize("command", [*WRITERS, "restore", "import-config"])
@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a" * 300, "{}/file/x", "{}"])
def test_a_name_that_cannot_be_is_one_sentence(
    command: str, name: str, desk: Desk, hook: str, tmp_path: Path
) -> None:
    desk("endpoint", "add", hook)
    (tmp_path / "file").touch()
    told = desk(command, name.format(tmp_path))
    assert told.code in (1, 2)
    assert told.err.startswith("mmconnect: ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("name", ["~nobody-of-that-name", "a" * 300])
def test_a_directory_that_cannot_be_is_one_sentence(name: str, tmp_path: Path) -> None:
    backup = tmp_path / "b"
    backup.touch()
    for command in ("backup", "export-config", "import-config"):
        told = said(command, str(tmp_path / "none"), "--data-dir", name)
        assert told.code in (1, 2)
        assert told.err.startswith("mmconnect: ")
    assert said("restore", str(backup), "--data-dir", "a" * 300).code == 1


def test_a_configuration_goes_through_a_pipe_and_a_backup_does_not(
    desk: Desk, hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk("endpoint", "add", hook)
    told = desk("export-config", "-", "--with-secrets")
    line = [*program.PROGRAM, "import-config", "-", "--data-dir", str(desk.directory)]
    put = subprocess.run(line, input=told.out.encode(), capture_output=True, check=True)
    assert b"nothing changes" in put.stdout
    assert desk("backup", "-").code == 2
    assert not (tmp_path / "-").exists()


@pytest.mark.program
@pytest.mark.parametrize("command", ["version", "completion bash", "export-config", "--help"])
def test_an_output_that_takes_nothing_is_one_sentence(command: str, desk: Desk, hook: str) -> None:
    desk("endpoint", "add", hook)
    words = [*program.PROGRAM, *command.split(), "--data-dir", str(desk.directory)]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=buffered, text=True)
    reading, writing = os.pipe()
    os.close(reading)
    left = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, env=buffered, text=True)
    os.close(writing)
    if command != "--help":
        assert (told.returncode, left.returncode) == (1, 1)
        assert told.stderr.count("\n") == 1
        assert "No space left" in told.stderr
    assert "Exception" not in told.stderr
    assert "Traceback" not in told.stderr
    assert left.stderr == ""


@pytest.mark.program
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_is_told_also_when_the_output_takes_nothing(desk: Desk, unbuffered: str) -> None:
    line = ["message", "show", "msg_none", "--json", "--data-dir", str(desk.directory)]
    how = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [*program.PROGRAM, *line], stdout=full, stderr=subprocess.PIPE, env=how, text=True
        )
    assert told.returncode == 1
    assert told.stderr.startswith("mmconnect: There is no message msg_none")
    assert told.stderr.count("\n") == 1


def test_the_version_is_an_option_too() -> None:
    assert said("--version").out == said("version").out
    assert said("--version", "--json").json == said("version", "--json").json


@root_only
@pytest.mark.parametrize("command", WRITERS)
def test_it_says_who_cannot_write_into_a_closed_folder(command: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        there = Path(made)
        there.chmod(0o755)
        data, closed = there / "data", there / "closed"
        closed.mkdir(mode=0o700)
        assert said("device", "list", "--data-dir", str(data)).code == 0
        for path in (data, *data.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        line = [
            sys.executable,
            "-c",
            LOADED + AS_NOBODY,
            command,
            f"{closed}/x",
            "--data-dir",
            f"{data}",
        ]
        told = subprocess.run(line, capture_output=True, text=True)
        assert told.returncode == 1
        assert told.stderr.startswith(f"mmconnect: {closed}/x cannot be written: Permission")
        assert "name a file where that user may write" in told.stderr
