"""Which data directory a command means, who may use it, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from mmconnect import config, paths
from tests.cli.conftest import Desk, said

NOBODY = 65534
AS_NOBODY = f"""
import os, sys
from mmconnect.cli import main, parser
import mmconnect.cli.testing, mmconnect.service.daemon
parser()  # what is imported late may lie where nobody can read
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sys.exit(main(sys.argv[1:]))
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def where(**variables: str) -> str:
    """The sentence about a directory that is not there, with these variables set."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        told = said("endpoint", "list")
    assert told.code == 1
    return told.err


def test_the_order_of_the_places(tmp_path: Path) -> None:
    installed = tmp_path / "installed.toml"
    installed.write_text(f'data_dir = "{tmp_path}/service"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "INSTALLED_FILE", installed)
        xdg, state = str(tmp_path / "xdg"), f"{tmp_path}/state:{tmp_path}/second"
        assert f"{tmp_path}/state (from STATE_DIRECTORY)" in where(
            STATE_DIRECTORY=state, XDG_DATA_HOME=xdg
        )
        assert f"{tmp_path}/service (from the installed service)" in where(XDG_DATA_HOME=xdg)
        patch.setattr(config, "INSTALLED_FILE", tmp_path / "none.toml")
        assert f"{tmp_path}/xdg/mmconnect (from XDG_DATA_HOME)" in where(XDG_DATA_HOME=xdg)
        home = tmp_path / "home"
        told = where(HOME=str(home))
        assert f"{home}/.local/share/mmconnect (from the default place)" in told
        assert "mmconnect serve" in told
        assert "--data-dir" in told
    assert not any((tmp_path / name).exists() for name in ("state", "service", "xdg", "home"))


def test_a_file_that_is_named_is_named_in_the_sentence(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('data_dir = "~/texts"')
    told = said("endpoint", "list", "--config", str(file))
    assert f"{os.environ['HOME']}/texts (from {file})" in told.err
    assert f"/texts (from {file})" in where(MMCONNECT_CONFIG=str(file))


def test_a_flag_and_a_variable_are_explicit_and_the_rest_is_not() -> None:
    chosen = [
        paths.data_dir("d", {}),
        paths.data_dir(None, {"MMCONNECT_DATA_DIR": "d"}),
        paths.data_dir(None, {"STATE_DIRECTORY": "d"}),
        paths.data_dir(None, {}, "d"),
        paths.data_dir(None, {"XDG_DATA_HOME": "d"}),
        paths.data_dir(None, {}),
    ]
    assert [one.explicit for one in chosen] == [True, True, False, False, False, False]
    assert paths.data_dir("~/d", {}).path == Path(os.environ["HOME"]) / "d"


def test_an_empty_name_is_no_name() -> None:
    told = said("endpoint", "list", "--data-dir", "")
    assert (told.code, told.out) == (1, "")
    assert "--data-dir = ''" in told.err
    assert "(from the default place)" in where(MMCONNECT_DATA_DIR="", STATE_DIRECTORY="")


def test_reading_changes_nothing_and_makes_no_second_store(desk: Desk) -> None:
    desk("endpoint", "add", "http://h.example/")
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        before = db.execute("SELECT number FROM revision").fetchone()
    for line in (
        ["endpoint", "list"],
        ["device", "list"],
        ["message", "list"],
        ["delivery", "list"],
    ):
        assert desk(*line).code == 0
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        assert db.execute("SELECT number FROM revision").fetchone() == before


def test_a_file_that_is_no_database_is_left_alone(desk: Desk) -> None:
    desk.directory.mkdir(mode=0o700)
    (desk.directory / "mmconnect.db").write_text("my diary " * 100)
    told = desk("endpoint", "list")
    assert told.code == 1
    assert "not an SQLite database" in told.err
    assert told.err.count("\n") == 1
    assert (desk.directory / "mmconnect.db").read_text() == "my diary " * 100


def test_a_newer_database_is_refused_and_left_alone(desk: Desk) -> None:
    desk("endpoint", "list")
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("PRAGMA user_version = 99")
    told = desk("endpoint", "add", "http://h.example/", "--json")
    assert told.code == 1
    assert '"error": "newer_schema"' in told.out
    assert "schema 99" in told.err


def test_a_busy_database_is_waited_for_and_then_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmconnect.cli import open as opening

    desk("endpoint", "list")
    monkeypatch.setattr(opening, "PATIENCE", 0.2)
    with sqlite3.connect(desk.directory / "mmconnect.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        told = desk("endpoint", "add", "http://h.example/", "--json")
        assert told.code == 1
        assert '"error": "store_unavailable"' in told.out
        assert "another program holds the database" in told.err
        assert desk("endpoint", "list", "--json").json == [], "reading needs no lock"
        other.execute("ROLLBACK")


def as_nobody(*line: str, **variables: str) -> tuple[int, str]:
    """Exit code and standard error of a command of a user who owns nothing."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *line],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )
    return done.returncode, done.stderr


@root_only
@pytest.mark.parametrize("named", [True, False])
def test_another_users_directory_is_one_sentence(named: bool, desk: Desk) -> None:
    desk("endpoint", "list")
    let_others_pass(desk.directory)
    if named:
        code, told = as_nobody("endpoint", "list", "--data-dir", str(desk.directory))
    else:
        code, told = as_nobody("endpoint", "list", STATE_DIRECTORY=str(desk.directory))
    assert code == 1
    source = "--data-dir" if named else "STATE_DIRECTORY"
    assert f"{desk.directory} (from {source}) cannot be used: Permission denied" in told
    assert told.count("\n") == 1


def let_others_pass(directory: Path) -> None:
    """Open the way to a directory, which pytest keeps to its own user."""
    for folder in directory.parents:
        if folder == Path(tempfile.gettempdir()):
            return
        folder.chmod(0o755)


def forked(action: Callable[[], int]) -> int:
    """What `action` gives in a copy of this process: it gives rights up for good."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads hold no lock we need
        child = os.fork()
    if child == 0:
        code = 99
        try:
            code = action()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def code_of(desk: Desk, line: list[str]) -> int:
    return desk(*line).code


@root_only
def test_a_lock_file_of_somebody_else_is_one_sentence() -> None:
    """As after a directory was given away, but not what is in it."""
    with tempfile.TemporaryDirectory() as made:
        os.chown(made, NOBODY, NOBODY)
        (Path(made) / "mmconnect.lock").touch(0o600)
        told = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "serve", "--data-dir", made],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode == 1
    assert told.stderr.startswith(f"mmconnect: {made}/mmconnect.lock cannot be opened: Permission")
    assert told.stderr.count("\n") == 1


@root_only
def test_what_root_does_stays_the_owners(desk: Desk, hook: str) -> None:
    """Every kind of command as root, then the owner goes on with it."""
    for line in (["endpoint", "add", hook], ["device", "add", "--name", "y"], ["message", "list"]):
        assert desk(*line).code == 0  # what is imported late may lie where nobody can read
    for one in (desk.directory, *desk.directory.iterdir()):
        os.chown(one, NOBODY, NOBODY)
    let_others_pass(desk.directory)
    key = desk.directory.parent / "key"
    key.write_text("a key that only root can read")
    key.chmod(0o600)
    lines = [
        ["endpoint", "add", hook, "--secret", f"@{key}"],
        ["device", "add", "--name", "x", "--signing-key", f"@{key}"],
        ["message", "list"],
    ]
    for line in lines:
        assert forked(partial(code_of, desk, line)) == 0, line
        assert {f.stat().st_uid for f in desk.directory.iterdir()} == {NOBODY}

    def owner() -> int:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        return len(desk("endpoint", "list", "--json").json)

    assert forked(owner) == 2


@root_only
def test_root_restores_what_the_owner_may_not_read_and_is_led_nowhere(desk: Desk) -> None:
    home = desk.directory.parent / "home"
    home.mkdir(mode=0o700)
    file, other = home / "backup.db", home / "other.db"
    desk("device", "add", "--name", "in the backup")
    desk("backup", str(file))
    desk("device", "add", "--name", "in the other")
    desk("backup", str(other))
    desk("device", "add", "--name", "not in it")
    for one in (desk.directory, *desk.directory.iterdir()):
        os.chown(one, NOBODY, NOBODY)
    let_others_pass(desk.directory)

    def held() -> list[str]:
        where = f"file:{desk.directory / 'mmconnect.db'}?immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as db:
            return [name for (name,) in db.execute("SELECT name FROM devices")]

    def restored(from_: Path) -> int:
        def told() -> int:
            done = desk("restore", str(from_))
            return 7 if "may not be read by nobody" in done.err else done.code

        return forked(told)

    assert restored(file) == 0
    assert {f.stat().st_uid for f in desk.directory.rglob("*")} == {NOBODY}
    assert held() == ["in the backup"]
    assert not list(desk.directory.glob("download-*"))

    theirs = desk.directory / "backups"
    (theirs / "link.db").symlink_to(other)
    (theirs / "folder").symlink_to(home)
    for led in (theirs / "link.db", theirs / "folder" / "other.db"):
        assert restored(led) == 7
    assert held() == ["in the backup"]


@root_only
def test_roots_own_directory_stays_roots(desk: Desk) -> None:
    desk("endpoint", "list")
    assert {f.stat().st_uid for f in desk.directory.iterdir()} == {0}
    assert os.geteuid() == 0


def test_a_directory_that_goes_is_made_anew_only_when_named(desk: Desk) -> None:
    desk("endpoint", "add", "http://h.example/")
    shutil.rmtree(desk.directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(desk.directory))
        assert said("endpoint", "list").code == 1
        assert not desk.directory.exists()
    assert desk("endpoint", "list", "--json").json == []


def test_what_the_one_file_binary_unpacks_is_readable_for_the_owner_but_not_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its launcher makes it 0700; root that becomes another user could load nothing from it."""
    outside = tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o600)
    for name, expected in (("_MEIx", 0o755), ("_internal", 0o700)):
        unpacked = tmp_path / name
        (unpacked / "store").mkdir(parents=True)
        (unpacked / "store" / "0001.sql").write_text("")
        (unpacked / "store" / "link").symlink_to(outside)
        for path in (unpacked / "store", unpacked, unpacked / "store" / "0001.sql"):
            path.chmod(0o700)
        monkeypatch.setattr(sys, "_MEIPASS", str(unpacked), raising=False)
        paths.let_others_read()
        assert stat.S_IMODE((unpacked / "store").stat().st_mode) == expected
        assert stat.S_IMODE(unpacked.stat().st_mode) == expected
        file = stat.S_IMODE((unpacked / "store" / "0001.sql").stat().st_mode)
        assert file == (0o644 if name == "_MEIx" else 0o700)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["backup", "export-config"])
def test_a_mistyped_directory_is_not_copied_as_an_empty_one(tmp_path: Path, command: str):
    mistyped, copy = tmp_path / "mmconect", tmp_path / "copy"
    told = said(command, str(copy), "--data-dir", str(mistyped))
    assert told.code == 1
    assert f"There is no mmconnect data in {mistyped} (from --data-dir)" in told.err
    assert not mistyped.exists()
    assert not copy.exists()
