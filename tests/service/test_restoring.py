"""A restore: with what is put in place the service can go on, or all is as it was; and no command
has the one or the other database open meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.cli import main
from mmconnect.domain.errors import Refused, StoreError
from mmconnect.service import lock
from mmconnect.service.backup import back_up
from mmconnect.service.lock import at_work
from mmconnect.service.machine import Ending
from mmconnect.service.restoring import KEPT, restore, restore_held
from mmconnect.service.tls import files
from mmconnect.store import before, migrate
from mmconnect.store.connection import FILE, connect
from tests.support.inprocess import NOW, FakeClock
from tests.support.released import unpack

NEWEST = migrate.migrations()[-1][0]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The data of a service between two runs, with something to know it by."""
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    with closing(connect(made / FILE)) as db:
        migrate.migrate(db, made / FILE)
        db.execute("INSERT INTO settings VALUES ('site_name', 'as it was')")
    return made


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A backup of an older mmconnect, with its CA beside it."""
    unpack(6, tmp_path / "older")
    file = tmp_path / "older" / FILE
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    for name in ("ca.key", "ca.pem", "server.pem"):
        file.with_name(f"{FILE}-{name}").write_bytes(b"the backup's")
    return file


def site(directory: Path) -> str | None:
    with closing(connect(directory / FILE)) as db:
        assert migrate.version(db) == NEWEST
        row = db.execute("SELECT value FROM settings WHERE name = 'site_name'").fetchone()
        return None if row is None else str(row[0])


def settle(directory: Path, file: Path) -> Ending:
    ending = Ending(asyncio.Event(), restore=file)
    ending.stop.set()
    ending.settle(directory)
    assert not ending.stop.is_set()
    assert not ending.over
    assert not file.exists()
    return ending


def test_one_of_an_older_mmconnect_is_brought_up_to_date(directory: Path, older: Path) -> None:
    ending = settle(directory, older)
    assert ending.unrestored is None
    assert site(directory) == "Practice"
    assert (directory / "ca.key").read_bytes() == b"the backup's"


@pytest.mark.parametrize("authority", [True, False])
def test_when_that_cannot_be_all_is_as_it_was(
    directory: Path, older: Path, monkeypatch: pytest.MonkeyPatch, authority: bool
) -> None:
    ours = {"ca.key": b"a key", "ca.pem": b"a certificate"} if authority else {}
    for name, content in ours.items():
        (directory / name).write_bytes(content)
    monkeypatch.setattr(before, "ROOM", 2**60)
    ending = settle(directory, older)
    assert ending.unrestored is not None
    assert "MB are free" in ending.unrestored
    assert site(directory) == "as it was"
    found = {one.name: one.read_bytes() for one in directory.glob("*.*") if one.suffix != ".db"}
    assert found == ours
    assert not [*(directory / "backups").iterdir()]


@pytest.fixture
def file(directory: Path, tmp_path: Path) -> Path:
    """A backup of that data, without a CA."""
    made = tmp_path / "backup.db"
    back_up(directory, made)
    return made


def _authority(directory: Path, word: str) -> None:
    for name in ("ca.key", "ca.pem"):
        (directory / name).write_text(word)


def test_what_was_set_aside_stays_by_a_clock_that_is_behind(directory: Path, file: Path) -> None:
    clock = FakeClock(NOW)
    for _ in range(KEPT):
        restore(directory, file, clock)
        clock.advance(60)
    for _ in range(2):
        kept = restore(directory, file, FakeClock(0)).before  # a machine without a clock
        assert kept is not None
        assert kept.is_file()
        assert len([*kept.parent.glob("*.db")]) == KEPT


def test_the_oldest_that_was_set_aside_comes_back_with_its_ca(
    directory: Path, file: Path, tmp_path: Path
) -> None:
    _authority(directory, "in the backup")
    back_up(directory, file, force=True)
    clock, kept = FakeClock(NOW), []
    for number in range(KEPT):
        _authority(directory, f"set aside {number}")
        kept.append(restore(directory, file, clock).before)
        clock.advance(60)
    assert kept[0] is not None
    assert restore(directory, kept[0], clock).authority
    assert (directory / "ca.key").read_text() == "set aside 0"


def test_a_ca_stays_also_where_there_is_no_database(directory: Path, file: Path) -> None:
    _authority(directory, "in the backup")
    back_up(directory, file, force=True)
    _authority(directory, "of phones")
    (directory / FILE).unlink()
    assert restore(directory, file, FakeClock(NOW)).before is None
    assert (directory / "ca.key").read_text() == "in the backup"
    (kept,) = (directory / "backups").glob("before-restore-*-ca.key")
    assert kept.read_text() == "of phones"


@pytest.mark.parametrize("name", ["ca.key", "ca.pem"])
def test_when_its_ca_cannot_be_put_in_place_all_is_as_it_was(
    directory: Path, older: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _authority(directory, "ours")
    real, full = files.write, [directory / name]

    def write(path: Path, content: bytes) -> None:
        if path in full:
            full.clear()  # there is room again for what was there before
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    monkeypatch.setattr(files, "write", write)
    with pytest.raises(StoreError, match=r"No space left on device\. Nothing"):
        restore(directory, older, FakeClock(NOW))
    assert not full
    assert site(directory) == "as it was"
    assert [(directory / one).read_text() for one in ("ca.key", "ca.pem")] == ["ours", "ours"]
    assert not (directory / "server.pem").exists()
    assert not [*(directory / "backups").iterdir()]


def test_what_cannot_be_put_back_is_kept_and_named(
    directory: Path, older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _authority(directory, "ours")
    real = files.write

    def write(path: Path, content: bytes) -> None:
        if path == directory / "ca.pem":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", write)
        with pytest.raises(StoreError, match="could not be put back") as told:
            restore(directory, older, FakeClock(NOW))
    (kept,) = (directory / "backups").glob("*.db")
    assert f"It is in {kept}: " in str(told.value)
    restore(directory, kept, FakeClock(NOW))
    assert site(directory) == "as it was"
    assert [(directory / one).read_text() for one in ("ca.key", "ca.pem")] == ["ours", "ours"]


def test_while_a_command_has_the_database_it_is_not_replaced(
    directory: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ALONE_PATIENCE", 0.0)
    with at_work(directory), pytest.raises(Refused, match=r"Another command .* Try again"):
        restore(directory, file, FakeClock(NOW))
    assert not (directory / "backups").exists()


def test_a_command_waits_while_the_database_is_replaced(
    directory: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock, "SHARED_PATIENCE", 0.0)
    seen = []

    def then(database: Path) -> None:
        seen.append(main(["settings", "set", "site_name", "lost", "--data-dir", str(directory)]))

    restore_held(directory, file, FakeClock(NOW), then)
    assert seen == [1]
    told = f"A backup is being restored to {directory}. Try again when it is through"
    assert capsys.readouterr().err == f"mmconnect: {told}\n"
    assert main(["settings", "set", "site_name", "kept", "--data-dir", str(directory)]) == 0
    assert site(directory) == "kept"


def test_two_restores_at_once_are_no_running_service(
    directory: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = lock.Lock(directory)
    try:
        assert main(["restore", str(file), "--data-dir", str(directory)]) == 1
    finally:
        other.release()
    told = capsys.readouterr().err
    assert "Another command has" in told
    assert "systemctl" not in told
