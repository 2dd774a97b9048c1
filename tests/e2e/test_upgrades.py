"""Databases of every mmconnect that was released, started by this one: nothing is lost on the way.

They were made by the code of their time and killed in the middle of their work, so that some
deliveries were in flight and the newest pages stand in the log only.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mmconnect.store import migrate
from mmconnect.store.connection import connect
from tests.support.burst import Receiver, Text, receiving
from tests.support.program import starts_none
from tests.support.released import SCHEMAS, sent_to, service_of_then, unpack
from tests.support.service import DB, ROOT, ask, until

NEWEST = migrate.migrations()[-1][0]
PATIENCE = 120.0
UNTOUCHED = ("settings", "dedupe_keys", "device_tokens", "mms_notices", "api_keys", "account")
"""What is carried over row for row."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@starts_none
def test_there_is_one_of_each_schema() -> None:
    """A schema that is released gets its file here, made by tests/released/make.py."""
    assert [*SCHEMAS] == [number for number, *_ in migrate.migrations()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("schema", SCHEMAS)
def test_all_is_there_and_deliveries_go_on(schema: int, tmp_path: Path, receiver: Receiver) -> None:
    directory = tmp_path / "data"
    story = unpack(schema, directory)
    sent_to(directory, receiver.url)
    with closing(sqlite3.connect(directory / DB)) as db:
        before = _kept(db)
        waiting = {row[0] for row in db.execute(_WAITING)}
        flying = {row[0] for row in db.execute(_FLYING)}
        told = {row[0] for row in db.execute("SELECT id FROM messages")}
    assert told >= set(story["texts"])
    assert len(waiting) > 50
    assert len(flying) >= 7

    service = service_of_then(directory, story)
    try:
        service.start()
        with service.looking() as db:
            assert migrate.version(db) == NEWEST
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            after = _kept(db)
            assert {name: after[name] for name in before} == before
            texts = dict(db.execute("SELECT id, text FROM messages").fetchall())
            assert {id_: texts[id_] for id_ in story["texts"]} == story["texts"]

        ends = story["endpoints"]
        shown = {one["id"]: one for one in service.cli("endpoint", "list")}
        assert shown[ends["paused"]]["state"] == "paused"
        new = Text("after-the-upgrade", "+6581000000", "after the upgrade")
        status, _, _ = ask(service.phone, "POST", f"/in/{story['token']}", new.body)
        assert status == 200
        until(lambda: _arrived(receiver, flying) == flying, "what was in flight goes on", PATIENCE)
        service.cli("endpoint", "resume", ends["dead"])
        service.cli("endpoint", "resume", ends["paused"])
        until(
            lambda: _arrived(receiver, waiting) == waiting,
            lambda: f"{len(waiting - _arrived(receiver, waiting))} of {len(waiting)} are missing",
            PATIENCE,
        )
        left = f"SELECT count(*) FROM ({_WAITING})"
        until(lambda: not service.count(left), "every result is recorded", PATIENCE)
        found = service.cli("message", "list", "--text", "said twice")
        assert [one["text"] for one in found] == ["said twice"]
        assert service.stop(PATIENCE) == 0
    finally:
        service.kill()
    _look_at_copy(directory, schema, story)


@starts_none
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "schema", [1, *(pytest.param(one, marks=pytest.mark.long) for one in SCHEMAS[1:-1])]
)
def test_killed_at_each_step_it_is_old_or_new(schema: int, tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    story = unpack(schema, source)
    work.mkdir()
    words = [sys.executable, "-m", "tests.support.killed_migrating", str(source), str(work)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=800)
    left = [work / str(number + 1) for number in range(len(list(work.iterdir())))]
    versions = []
    for directory in left:
        copy = directory / "backups" / f"before-schema-{schema + 1}.db"
        with closing(sqlite3.connect(directory / DB)) as db:
            found = migrate.version(db)
            _whole(db, story)
        versions.append(found)
        if copy.exists():
            with closing(sqlite3.connect(copy)) as db:
                assert migrate.version(db) == schema
                _whole(db, story)
        assert copy.exists() or found == schema, "it was migrated, and not copied before"
        with closing(connect(directory / DB)) as db:
            migrate.migrate(db, directory / DB)
            assert migrate.version(db) == NEWEST
            _whole(db, story)
        assert [one.name for one in copy.parent.iterdir()] == [copy.name]
        shutil.rmtree(directory)
    assert versions == sorted(versions)
    assert {*versions} == {schema, NEWEST}
    assert versions.count(schema) > 10, "hardly a step of the copy's was one to be killed at"


def _whole(db: sqlite3.Connection, story: dict[str, Any]) -> None:
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    texts = dict(db.execute("SELECT id, text FROM messages").fetchall())
    assert {id_: texts[id_] for id_ in story["texts"]} == story["texts"]


_FLYING = "SELECT id FROM deliveries WHERE state = 'in_flight'"
# The one that is called so has a secret that the receiver does not know, and stays paused.
_WAITING = (
    "SELECT id FROM deliveries WHERE state IN ('pending', 'in_flight')"
    " AND endpoint_id NOT IN (SELECT id FROM endpoints WHERE name = 'Rotated')"
)


def _arrived(receiver: Receiver, of: set[str]) -> set[str]:
    return {one.delivery for one in list(receiver.arrivals)} & of


def _kept(db: sqlite3.Connection) -> dict[str, Any]:
    """What no migration may change, as far as that schema has it."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    kept: dict[str, Any] = {
        name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr)
        for name in UNTOUCHED
        if name in there
    }
    kept["devices"] = sorted(
        db.execute("SELECT id, name, app, country, removed_at FROM devices"), key=repr
    )
    kept["secrets"] = sorted(
        db.execute("SELECT endpoint_id, value, expires_at FROM secrets"), key=repr
    )
    kept["messages"] = sorted(
        db.execute("SELECT id, device_id, kind, sender, text, payload, test FROM messages"),
        key=repr,
    )
    kept["delivered"] = sorted(
        db.execute("SELECT id, message_id, endpoint_id FROM deliveries WHERE state = 'delivered'")
    )
    return kept


def _look_at_copy(directory: Path, schema: int, story: dict[str, Any]) -> None:
    """There is one if something was to be migrated, whole, of then, and for its owner alone."""
    copy = directory / "backups" / f"before-schema-{schema + 1}.db"
    if schema == NEWEST:
        assert not copy.parent.exists()
        return
    assert sorted(one.name for one in copy.parent.iterdir()) == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as db:
        assert migrate.version(db) == schema
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        texts = dict(db.execute("SELECT id, text FROM messages").fetchall())
    assert {id_: texts[id_] for id_ in story["texts"]} == story["texts"]
