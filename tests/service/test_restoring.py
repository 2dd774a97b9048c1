"""A restore by the service itself: with what is put in place it can go on, or all is as it was."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.service.machine import Ending
from mmconnect.store import before, migrate
from mmconnect.store.connection import FILE, connect
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
