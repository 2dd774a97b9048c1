"""The file itself: migrations, the pragmas that are really in force, and tables that check."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from mmconnect.domain.errors import NewerSchema, StoreError, StoreUnavailable
from mmconnect.store import before, devices, messages, migrate
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.database import Database
from mmconnect.store.likeness import same
from tests.store.conftest import House
from tests.store.making import afresh, commits, delivery, device, message, new_message
from tests.support.service import ROOT

NEWEST = migrate.migrations()[-1][0]


def _with_one_more(monkeypatch: pytest.MonkeyPatch, sql: str) -> int:
    """A next version of mmconnect, which has one migration more."""
    steps = [*migrate.migrations(), (NEWEST + 1, "one_more", sql)]
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    return NEWEST + 1


# -- migrations ---------------------------------------------------------------------------------


async def test_a_fresh_database_has_the_newest_schema_and_no_backup(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    assert await database.read(migrate.version) == NEWEST
    await database.close()
    assert not (tmp_path / "backups").exists()


def test_migrating_again_changes_nothing(db: sqlite3.Connection, tmp_path: Path) -> None:
    before = db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
    migrate.migrate(db, tmp_path / FILE)
    assert (
        before == db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
    )
    assert not (tmp_path / "backups").exists()


async def test_a_newer_schema_is_refused_kindly_and_left_alone(tmp_path: Path) -> None:
    await Database.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(f"PRAGMA user_version = {NEWEST + 7}")
        db.execute("CREATE TABLE of_the_future (x)")
    db.close()
    before = (tmp_path / FILE).read_bytes()

    with pytest.raises(NewerSchema) as refused:
        Database.open(tmp_path)

    sentence = str(refused.value)
    assert f"schema {NEWEST + 7}" in sentence
    assert "newer mmconnect" in sentence
    assert "nothing has been changed" in sentence
    assert (tmp_path / FILE).read_bytes() == before
    assert not (tmp_path / "backups").exists()


async def test_an_older_one_is_backed_up_before_it_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = Database.open(tmp_path)
    kept = device("Reception")
    await old.write(lambda db: devices.add(db, kept, "token"))
    await old.close()
    newest = _with_one_more(monkeypatch, "ALTER TABLE devices ADD COLUMN colour TEXT;")

    with caplog.at_level(logging.INFO):
        new = Database.open(tmp_path)
    assert await new.read(lambda db: db.execute("SELECT name, colour FROM devices").fetchall()) == [
        ("Reception", None)
    ]
    await new.close()

    backup = tmp_path / "backups" / f"before-schema-{newest}.db"
    assert str(backup) in caplog.text
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700
    with sqlite3.connect(backup) as copy:
        assert migrate.version(copy) == NEWEST
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT name FROM devices").fetchall() == [("Reception",)]
        assert "colour" not in copy.execute("SELECT sql FROM sqlite_schema").fetchall().__str__()
    copy.close()


async def test_of_many_upgrades_the_last_copies_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Database.open(tmp_path).close()
    folder = tmp_path / "backups"
    folder.mkdir()
    for age, name in enumerate(("before-schema-9000.db", "before-schema-3.db", "mmconnect-x.db")):
        (folder / name).touch()
        os.utime(folder / name, (2e9 - age, 2e9 - age))  # newer than what is made now
    for age, name in enumerate(("before-schema-4.db", "before-schema-5.db")):
        (folder / name).touch()
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (folder / "before-schema-5.db.part").touch()
    newest = _with_one_more(monkeypatch, "CREATE TABLE more (x);")
    await Database.open(tmp_path).close()
    assert {one.name for one in folder.iterdir()} == {
        f"before-schema-{newest}.db",
        "before-schema-9000.db",
        "before-schema-3.db",
        "mmconnect-x.db",
    }


async def test_what_another_process_has_migrated_is_no_copy_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between: its copy is the one of before, and must not be written over."""
    await Database.open(tmp_path).close()
    db, other = connect(tmp_path / FILE), connect(tmp_path / FILE)
    newest = _with_one_more(monkeypatch, "CREATE TABLE more (x);")
    room = before._find_room

    def between(folder: Path, needed: int, *, kept: Path | None) -> None:
        room(folder, needed, kept=kept)
        (tmp_path / "backups" / f"before-schema-{newest}.db").write_bytes(b"the other's")
        other.executescript(f"CREATE TABLE more (x); PRAGMA user_version = {newest};")

    monkeypatch.setattr(before, "_find_room", between)
    migrate.migrate(db, tmp_path / FILE)
    (kept,) = (tmp_path / "backups").iterdir()
    assert kept.read_bytes() == b"the other's"
    db.close()
    other.close()


async def test_no_room_for_the_copy_and_the_migration_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Database.open(tmp_path).close()
    _with_one_more(monkeypatch, "CREATE TABLE more (x);")
    monkeypatch.setattr(before, "ROOM", 2**60)
    with pytest.raises(StoreError, match=r"takes \d+ MB, and \d+ MB are free\. Free some"):
        Database.open(tmp_path)
    db = afresh(tmp_path)
    assert migrate.version(db) == NEWEST
    db.close()
    assert list((tmp_path / "backups").iterdir()) == []

    earlier = tmp_path / "backups" / "before-schema-3.db"
    earlier.touch()
    with pytest.raises(StoreError, match=r"may go: before-schema-3\.db\), and start again"):
        Database.open(tmp_path)
    assert earlier.exists()


async def test_a_copy_that_holds_the_same_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails is tried again at each start, and a memory card wears."""
    database = Database.open(tmp_path)
    await database.write(lambda db: devices.add(db, device("Reception"), "token"))
    await database.close()
    newest = _with_one_more(monkeypatch, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);")
    copy = tmp_path / "backups" / f"before-schema-{newest}.db"

    def copied_by_a_start() -> int:
        with pytest.raises(StoreError, match="as it was"):
            Database.open(tmp_path)
        assert [one.name for one in copy.parent.iterdir()] == [copy.name]
        return copy.stat().st_ino

    first = copied_by_a_start()
    assert copied_by_a_start() == first
    changes = (
        "UPDATE devices SET name = 'Shop'",  # as many rows as before
        "INSERT INTO dedupe_keys VALUES (x'ff', CAST(x'ff' AS TEXT), 0)",  # and no UTF-8
        "DELETE FROM dedupe_keys",
        "CREATE INDEX of_somebody ON settings (value)",
    )
    for change in changes:
        db = afresh(tmp_path)
        db.execute(change)
        db.close()
        before = copy.read_bytes()
        other = copied_by_a_start()
        assert copy.read_bytes() != before, change
        assert copied_by_a_start() == other
    with copy.open("r+b") as file:  # it is damaged: no copy of anything
        file.seek(4096)
        file.write(bytes(8192))
    copied_by_a_start()
    assert same(tmp_path / FILE, copy)


async def test_the_way_back_from_an_upgrade_is_named_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "my data"
    directory.mkdir()
    old = Database.open(directory)
    await old.write(lambda db: devices.add(db, device("Reception"), "token"))
    await old.close()
    with monkeypatch.context() as newer:
        _with_one_more(newer, "CREATE TABLE more (x);")
        await Database.open(directory).close()
    with pytest.raises(NewerSchema) as refused:
        Database.open(directory)
    sentence, _, command = str(refused.value).partition(": mmconnect ")
    assert "Install that version again" in sentence
    assert "without what came since" in sentence
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mmconnect", *shlex.split(command), cwd=ROOT
    )
    assert await done.wait() == 0
    back = Database.open(directory)
    assert await back.read(lambda db: [one.name for one in devices.known(db)]) == ["Reception"]
    await back.close()


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Database.open(tmp_path).close()
    _with_one_more(monkeypatch, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match=r"Migration \d+ \(one_more\) failed.*as it was"):
        Database.open(tmp_path)
    db = afresh(tmp_path)
    assert migrate.version(db) == NEWEST
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall()
    db.close()


async def test_without_room_for_the_backup_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Database.open(tmp_path).close()
    newest = _with_one_more(monkeypatch, "CREATE TABLE more (x);")
    (tmp_path / "backups" / f"before-schema-{newest}.db" / "in the way").mkdir(parents=True)
    with pytest.raises((StoreError, OSError)):
        Database.open(tmp_path)
    db = afresh(tmp_path)
    assert migrate.version(db) == NEWEST
    db.close()


def test_two_processes_may_migrate_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI and the service are started together: the slower one finds the work done."""
    first, second = connect(tmp_path / FILE), connect(tmp_path / FILE)
    real = migrate.version
    overtaken: list[int] = []

    def late(db: sqlite3.Connection) -> int:
        number = real(db)
        if db is second and not overtaken:
            overtaken.append(number)
            migrate.migrate(first, tmp_path / FILE)
        return number

    monkeypatch.setattr(migrate, "version", late)
    migrate.migrate(second, tmp_path / FILE)
    assert overtaken == [0]
    assert real(second) == real(first) == NEWEST
    first.close()
    second.close()


def test_what_is_no_database_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"This is a letter, not a database." * 200)
    with pytest.raises(
        StoreError, match="not an SQLite database; move it away or restore a backup"
    ):
        connect(tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes().startswith(b"This is a letter")


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        connect(tmp_path / "nowhere" / FILE)


# -- pragmas ------------------------------------------------------------------------------------


def _pragma(db: sqlite3.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


async def test_the_writer_commits_to_the_disk(database: Database) -> None:
    """As the connection that writes says it itself, inside a write, on either way through."""
    names = "journal_mode synchronous foreign_keys secure_delete auto_vacuum query_only".split()
    for heavy in (False, True):
        told = await database.write(
            lambda db: {name: _pragma(db, name) for name in names}, heavy=heavy
        )
        assert told == {
            "journal_mode": "wal",
            "synchronous": 2,  # FULL
            "foreign_keys": 1,
            "secure_delete": 1,
            "auto_vacuum": 2,  # incremental
            "query_only": 0,
        }


async def test_the_reader_cannot_write(database: Database) -> None:
    assert await database.read(lambda db: _pragma(db, "query_only")) == 1
    assert await database.read(lambda db: _pragma(db, "journal_mode")) == "wal"
    with pytest.raises(StoreError):
        await database.read(lambda db: db.execute("INSERT INTO settings VALUES ('a', 'b')"))
    assert await database.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)


async def test_the_reader_sees_one_snapshot(database: Database) -> None:
    """What is committed in the middle of a look is not half in it."""

    def twice(db: sqlite3.Connection) -> tuple[int, int]:
        (before,) = db.execute("SELECT count(*) FROM settings").fetchone()
        other = afresh(database.path.parent)
        other.execute("INSERT INTO settings VALUES ('between', 'x')")
        other.close()
        (after,) = db.execute("SELECT count(*) FROM settings").fetchone()
        return before, after

    assert await database.read(twice) == (0, 0)
    assert await database.read(lambda db: db.execute("SELECT name FROM settings").fetchall()) == [
        ("between",)
    ]


def test_opening_a_database_writes_nothing(house: House, tmp_path: Path) -> None:
    """A command that only looks needs no lock, and works while the disk is full."""
    before = commits(tmp_path)
    with transaction(house.db):
        connect(tmp_path / FILE, patience=0).close()
    assert commits(tmp_path) == before


def test_the_cli_commits_to_the_disk_too(db: sqlite3.Connection) -> None:
    assert _pragma(db, "synchronous") == 2
    assert _pragma(db, "foreign_keys") == 1
    assert _pragma(db, "secure_delete") == 1


async def test_what_was_deleted_is_wiped_from_the_file(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    await database.write(
        lambda db: db.execute("INSERT INTO settings VALUES ('a', 'SESAME' || 'S')")
    )
    await database.write(lambda db: db.execute("DELETE FROM settings WHERE name = 'a'"))
    await database.close()  # the last one to close moves the log into the file
    assert b"SESAMES" not in (tmp_path / FILE).read_bytes()


# -- tables -------------------------------------------------------------------------------------


def test_every_table_is_strict(db: sqlite3.Connection) -> None:
    rows = db.execute("PRAGMA table_list").fetchall()
    loose = [name for _, name, kind, _, _, strict in rows if kind == "table" and not strict]
    assert [name for name in loose if not name.startswith("sqlite_")] == []
    assert len(rows) > 10


def test_a_wrong_type_is_refused(house: House) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        house.db.execute("UPDATE devices SET created_at = 'yesterday'")


def test_a_foreign_key_holds(house: House) -> None:
    with (
        pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"),
        transaction(house.db),
    ):
        devices.replace_token(house.db, "dev_nobody", "token", 0)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("endpoints", "state"),
        ("messages", "kind"),
        ("deliveries", "state"),
        ("deliveries", "trigger"),
    ],
)
def test_a_state_that_does_not_exist_is_refused(house: House, table: str, column: str) -> None:
    value = message(house.device.id)
    with transaction(house.db):
        messages.take(house.db, new_message(value, [delivery(value, house.endpoint.id)]))
    assert house.db.execute(f"UPDATE {table} SET {column} = {column}").rowcount == 1
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        house.db.execute(f"UPDATE {table} SET {column} = 'asleep'")


def test_the_rules_of_a_text_cost_no_table_each(db: sqlite3.Connection) -> None:
    """SQLite makes one for `x IN (list)`, every time that it checks a row."""
    for table, columns in (("messages", "id, kind, text"), ("deliveries", "id, state, trigger")):
        marks = ",".join("?" * len(columns.split(",")))
        insert = f"EXPLAIN INSERT INTO {table} ({columns}) VALUES ({marks})"
        steps = {step for _, step, *_ in db.execute(insert, columns.split(", "))}
        assert "MakeRecord" in steps
        assert "OpenEphemeral" not in steps


def test_a_transaction_of_the_cli_is_undone_whole(house: House) -> None:
    twice = device("Second")

    def add() -> None:
        with transaction(house.db):
            devices.add(house.db, device("Third"), "third")
            devices.add(house.db, twice, "second")
            devices.add(house.db, twice, "again")

    with pytest.raises(sqlite3.IntegrityError):
        add()
    assert [d.name for d in devices.known(house.db)] == ["Phone"]
    assert not house.db.in_transaction


def test_a_locked_database_is_told_in_a_sentence(house: House, tmp_path: Path) -> None:
    other = connect(tmp_path / FILE, patience=0.05)
    with (
        transaction(house.db),
        pytest.raises(StoreUnavailable, match="another program holds the database"),
        transaction(other),
    ):
        pass
    other.close()
