"""The local CA goes along in a backup: phones that trust it trust the machine it is restored on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service

FILES = ("ca.key", "ca.pem", "server.pem")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    yield made
    made.kill()


def authority(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in FILES}


def test_on_a_new_machine_it_is_the_same(service: Service, tmp_path: Path):
    service.cli("tls", "create-ca")
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    fresh = Service(tmp_path / "fresh" / "data")
    told = fresh.cli("restore", str(file))
    assert told["authority"] is True
    assert authority(fresh.directory) == authority(service.directory)
    for name in FILES:
        assert (fresh.directory / name).stat().st_mode & 0o777 == 0o600
    database = fresh.directory / "mmconnect.db"
    assert b"PRIVATE KEY" not in database.read_bytes(), "the key is in one place only"
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert (
            db.execute("SELECT 1 FROM sqlite_schema WHERE name LIKE 'enclosed%'").fetchall() == []
        )


def test_another_that_is_there_is_set_aside_and_comes_back(service: Service, tmp_path: Path):
    service.cli("tls", "create-ca")
    first, file = authority(service.directory), tmp_path / "backup.db"
    service.cli("backup", str(file))
    service.cli("tls", "create-ca", "--replace")
    second = authority(service.directory)
    assert second["ca.key"] != first["ca.key"]
    told = service.cli("restore", str(file))
    assert told["authority"] is True
    assert authority(service.directory) == first
    back = service.cli("restore", told["before"])
    assert back["authority"] is True
    assert authority(service.directory) == second
    again = service.cli("restore", told["before"])
    assert again["authority"] is False, "it is this one already"


def test_one_without_leaves_what_is_there(service: Service, tmp_path: Path):
    service.cli("device", "add", "--name", "Reception")
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    service.cli("tls", "create-ca")
    present = authority(service.directory)
    assert service.cli("restore", str(file))["authority"] is False
    assert authority(service.directory) == present


def test_which_there_are(service: Service, tmp_path: Path):
    service.cli("device", "add", "--name", "Reception")
    assert service.cli("backup", "list") == []
    assert "No backup is kept here yet" in service.run("backup", "list").stdout
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    service.cli("restore", str(file))
    (kept,) = service.cli("backup", "list")
    assert kept["why"] == "before-restore"
    assert Path(kept["file"]).stat().st_size == kept["bytes"]
