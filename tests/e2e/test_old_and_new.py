"""Two versions of mmconnect on one machine: the service is the old one until it is started anew."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.service.lock import Lock, Running
from mmconnect.store import before, migrate
from mmconnect.store.connection import connect
from tests.support.program import starts_none
from tests.support.released import unpack
from tests.support.service import DB, Service, until

FULL = r"the disk is full.*as it was.*free some"
NEWEST = migrate.migrations()[-1][0]


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Service]:
    """Its data is of an older mmconnect."""
    unpack(6, tmp_path / "data")
    made = Service(tmp_path / "data")
    yield made
    made.kill()


def version(directory: Path) -> int:
    with closing(sqlite3.connect(directory / DB)) as db:
        return migrate.version(db)


def test_no_command_migrates_under_an_older_service(old: Service) -> None:
    with subprocess.Popen(["sleep", "600"]) as service:
        lock = Lock(old.directory)
        try:
            lock.tell(Running(pid=service.pid, version="0.0.9", phone=["127.0.0.1:9"]))
            for words in (("device", "list"), ("settings", "set", "site_name", "Acme")):
                done = old.run(*words)
                assert done.returncode == 1
                assert f"older mmconnect (0.0.9, pid {service.pid})" in done.stderr
                assert "restart mmconnect" in done.stderr
                assert service.poll() is None, "it was told to look at what was not changed"
            assert version(old.directory) == 6
            assert not (old.directory / "backups").exists()
        finally:
            lock.release()
            service.kill()
    assert old.cli("device", "list")
    assert version(old.directory) == NEWEST


def test_a_service_waits_for_a_command_that_has_the_data_to_itself(old: Service) -> None:
    lock = Lock(old.directory)
    try:
        process = old.spawn()
        until(lambda: "Waiting for a command" in old.log_text(), "it waits")
        assert process.poll() is None
    finally:
        lock.release()
    until(lambda: old._note(), lambda: f"it starts: {old.log_text()}")
    assert old.stop() == 0


def test_one_that_is_stopped_while_it_waits_ends_in_order(old: Service) -> None:
    lock = Lock(old.directory)
    try:
        old.spawn()
        until(lambda: "Waiting for a command" in old.log_text(), "it waits")
        assert old.stop() == 0
        assert "already running" not in old.log_text()
    finally:
        lock.release()
    assert version(old.directory) == 6


@starts_none
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a small disk")
def test_a_disk_that_becomes_full_while_it_migrates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=640k", "tmpfs", str(small)]
    mounted = subprocess.run(words, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        story = unpack(1, tmp_path / "data")
        with closing(sqlite3.connect(tmp_path / "data" / DB)) as db:
            assert migrate.version(db) == 1  # and at its end the log is in the file
        file = Path(shutil.copy(tmp_path / "data" / DB, small))
        monkeypatch.setattr(before, "_find_room", lambda folder, needed, *, kept: None)
        with closing(connect(file)) as db, pytest.raises(StoreUnavailable, match=FULL):
            migrate.migrate(db, file)
        assert (small / "backups" / "before-schema-2.db").exists()
        with closing(sqlite3.connect(file)) as db, db:  # it is as good as before
            assert migrate.version(db) == 1
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            texts = dict(db.execute("SELECT id, text FROM messages").fetchall())
            assert {id_: texts[id_] for id_ in story["texts"]} == story["texts"]
            db.execute("UPDATE devices SET name = 'and can be written'")
        subprocess.run(["mount", "-o", "remount,size=32m", str(small)], check=True)
        with closing(connect(file)) as db:
            migrate.migrate(db, file)
            assert migrate.version(db) == NEWEST
    finally:
        subprocess.run(["umount", "-l", str(small)], capture_output=True, check=False)
