"""Backup and restore by real processes: beside a busy service, killed anywhere, on a full disk."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmconnect.store import migrate
from mmconnect.store.connection import connect
from tests.support.phones import generic_json
from tests.support.program import source_only
from tests.support.service import ROOT, Service, ask, until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    yield made
    made.kill()


def push(service: Service, token: str, text: str) -> None:
    headers, body = generic_json({"from": "+6581230000", "text": text})
    assert ask(service.phone, "POST", f"/in/{token}", body, headers)[0] == 200


def texts(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        rows = db.execute("SELECT text FROM messages WHERE kind = 'sms' ORDER BY id")
        return [text for (text,) in rows]


def paired(service: Service) -> str:
    return str(service.cli("device", "add", "--name", "Reception")["token"])


def test_a_backup_beside_a_busy_service_is_whole_and_holds_what_was_acknowledged(
    service: Service, tmp_path: Path
):
    service.start()
    token = paired(service)
    acknowledged: list[str] = []
    wanted: list[int] = []
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            push(service, token, text := f"text {len(acknowledged)}")
            acknowledged.append(text)

    pushing = threading.Thread(target=busy)
    pushing.start()
    try:
        for n in range(5):
            wanted.append(len(acknowledged) + 5)
            until(lambda: len(acknowledged) > wanted[-1], "it goes on")
            before = list(acknowledged)
            file = tmp_path / f"{n}.db"
            told = service.cli("backup", str(file))
            assert told["bytes"] == file.stat().st_size
            held = texts(file)
            assert held[: len(before)] == before
            assert file.stat().st_mode & 0o777 == 0o600
    finally:
        over.set()
        pushing.join()
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix not in (".txt", ".db")) == ["data"]


def test_there_and_back(service: Service, tmp_path: Path):
    service.start()
    token = paired(service)
    endpoint = service.cli("endpoint", "add", "http://127.0.0.1:9/")["id"]
    service.cli("endpoint", "pause", endpoint)
    push(service, token, "before")
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    push(service, token, "after")
    assert service.process is not None

    running = service.run("restore", str(file))
    assert running.returncode == 1
    assert f"pid {service.process.pid}" in running.stderr
    assert "needs it stopped: sudo systemctl stop mmconnect. Or" in running.stderr
    assert service.stop() == 0
    database = service.directory / "mmconnect.db"
    assert texts(database) == ["before", "after"]

    done = service.run("restore", str(file))
    assert done.returncode == 0, done.stderr
    assert "1 delivery was still waiting" in done.stdout
    assert texts(database) == ["before"]
    assert not list(service.directory.glob("mmconnect.db-*"))
    assert not list(service.directory.glob("*.restoring"))
    (kept,) = (service.directory / "backups").glob("before-restore-*.db")
    assert texts(kept) == ["before", "after"]
    assert kept.stat().st_mode & 0o777 == 0o600

    service.start()
    assert service.readyz() == (200, {})
    (listed,) = service.cli("message", "list")
    assert listed["text"] == "before"
    push(service, token, "anew")
    assert service.stop() == 0
    again = service.cli("restore", str(kept))
    assert texts(database) == ["before", "after"]
    assert texts(Path(again["before"])) == ["before", "anew"]


def test_only_the_last_three_that_were_replaced_stay(service: Service, tmp_path: Path):
    paired(service)
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    kept = [service.cli("restore", str(file))["before"] for _ in range(5)]
    found = sorted(str(p) for p in (service.directory / "backups").glob("before-restore-*"))
    assert found == kept[-3:]


def test_whom_mmconnect_fetches_from_is_asked_about(service: Service, tmp_path: Path):
    device = service.cli("device", "add", "--name", "Reception")["id"]
    other = service.cli("device", "add", "--name", "Shop")["id"]
    database = service.directory / "mmconnect.db"
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        for one in (device, other):
            db.execute(
                "INSERT INTO phone_links (device_id, url, created_at) VALUES (?,'x',0)", (one,)
            )
        db.execute(
            "INSERT INTO phone_link_states (device_id, access_token) VALUES (?, 't')", (device,)
        )
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    done = service.run("restore", str(file))
    assert "older than an hour" in done.stdout
    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT device_id, ask, access_token FROM phone_link_states").fetchall()
    assert sorted(rows) == sorted([(device, 1, "t"), (other, 1, None)])


def _older(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number, _, sql in migrate.migrations()[:4]:
            db.executescript(f"BEGIN;{sql}\nPRAGMA user_version = {number};COMMIT;")


def test_a_code_that_was_used_is_not_good_again_after_a_restore(service: Service, tmp_path: Path):
    service.start()
    code = service.cli("device", "add", "--name", "Reception", "--app", "generic")["pairCode"]
    file = tmp_path / "fresh.db"
    service.cli("backup", str(file))
    assert ask(service.phone, "POST", f"/pair/{code}/continue", b"")[0] == 303
    service.stop()
    service.cli("restore", str(file))
    service.start()
    assert ask(service.phone, "GET", f"/pair/{code}")[0] == 404
    assert ask(service.phone, "POST", f"/pair/{code}/continue", b"")[0] == 404


def test_an_older_one_is_migrated_by_the_next_that_opens_it(service: Service, tmp_path: Path):
    paired(service)
    file = tmp_path / "old.db"
    _older(file)
    assert service.cli("restore", str(file))["schema"] == 4
    assert service.cli("device", "list") == []
    with contextlib.closing(sqlite3.connect(service.directory / "mmconnect.db")) as db:
        assert migrate.version(db) == migrate.migrations()[-1][0]


def _spoilt(path: Path, good: Path, how: str) -> None:
    data = good.read_bytes()
    match how:
        case "no database":
            path.write_text("hello\n" * 1000)
        case "empty":
            path.touch()
        case "cut off":
            path.write_bytes(data[: len(data) // 2])
        case "rotten":
            path.write_bytes(data[:8192] + bytes(4096) + data[12288:])
        case "another's":
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute("CREATE TABLE messages (x)")
        case "trigger" | "view" | "disguised":
            path.write_bytes(data)
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript(HOSTILE[how])
        case "newer":
            path.write_bytes(data)
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA user_version = 999")


HOSTILE = {
    "trigger": "CREATE TRIGGER spy AFTER INSERT ON messages BEGIN UPDATE endpoints SET url ="
    " 'http://evil.example/'; END;",
    "view": "DROP VIEW waiting; CREATE VIEW waiting (id, endpoint_id, due_at) AS"
    " WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, x, x FROM n;",
    "disguised": "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON;"
    " ALTER TABLE deliveries RENAME TO hidden; CREATE VIEW deliveries AS SELECT * FROM hidden;",
}
"""Databases that would work on their own once they are ours, or never end."""


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("trigger", "that no mmconnect has made ('spy')"),
        ("view", "that no mmconnect has made ('waiting')"),
        ("disguised", "not one of mmconnect"),
        ("no database", "it is no database at all"),
        ("empty", "not one of mmconnect"),
        ("cut off", "is damaged"),
        ("rotten", "is damaged"),
        ("another's", "not one of mmconnect"),
        ("newer", "newer mmconnect (schema 999"),
        ("missing", "There is no file"),
    ],
)
def test_what_is_no_good_changes_nothing(service: Service, tmp_path: Path, how: str, says: str):
    device = service.cli("device", "add", "--name", "Reception")["id"]
    good, bad = tmp_path / "good.db", tmp_path / "bad.db"
    service.cli("backup", str(good))
    _spoilt(bad, good, how)
    done = service.run("restore", str(bad), "--json")
    assert done.returncode == 1
    assert says in done.stderr
    assert json.loads(done.stdout)["error"] in ("refused", "newer_schema", "not_found")
    assert [d["id"] for d in service.cli("device", "list")] == [device]
    assert not list(service.directory.glob("*.restoring*"))
    assert not (service.directory / "backups").exists()


def test_a_damaged_database_is_replaced_and_kept_with_its_log(service: Service, tmp_path: Path):
    service.start()
    token = paired(service)
    push(service, token, "hello")
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    push(service, token, "later")
    service.kill()
    database = service.directory / "mmconnect.db"
    log = database.with_name("mmconnect.db-wal").read_bytes()
    assert b"later" in log, "it is whole, and would be taken for the new one's"
    database.write_bytes(b"rubbish" * 1000)
    kept = Path(service.cli("restore", str(file))["before"])
    assert texts(database) == ["hello"]
    assert kept.read_bytes() == b"rubbish" * 1000
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == log
    service.start()
    push(service, token, "and on")
    assert service.stop() == 0
    assert texts(database) == ["hello", "and on"]


def test_a_file_that_is_there_and_one_of_ours(service: Service, tmp_path: Path):
    paired(service)
    file = tmp_path / "backup.db"
    file.write_text("mine")
    done = service.run("backup", str(file))
    assert (done.returncode, file.read_text()) == (1, "mine")
    assert "--force" in done.stderr
    database = service.directory / "mmconnect.db"
    for words in (("backup", str(database), "--force"), ("restore", str(database))):
        done = service.run(*words)
        assert done.returncode == 1
        assert "works with" in done.stderr
    assert service.run("backup", str(tmp_path)).returncode == 1
    assert "cannot be written" in service.run("backup", str(tmp_path / "no" / "x.db")).stderr
    service.cli("backup", str(file), "--force")
    assert texts(file) == []


@pytest.mark.parametrize("doing", ["BEGIN IMMEDIATE", "SELECT count(*) FROM devices"])
def test_a_command_that_still_works_on_it_is_in_the_way(
    service: Service, tmp_path: Path, doing: str
):
    paired(service)
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    with contextlib.closing(connect(service.directory / "mmconnect.db")) as db:
        db.execute(doing)
        done = service.run("restore", str(file))
        assert done.returncode == 1
        assert "Another command" in done.stderr


def test_a_new_machine(service: Service, tmp_path: Path):
    token = paired(service)
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    fresh = Service(tmp_path / "fresh" / "data")
    assert fresh.cli("restore", str(file))["before"] is None
    assert fresh.directory.stat().st_mode & 0o777 == 0o700
    try:
        fresh.start()
        push(fresh, token, "hello")
    finally:
        fresh.kill()


LONG = [pytest.mark.long, pytest.mark.timeout(1800)]
every_few_steps = pytest.mark.parametrize("stride", [5, pytest.param(1, marks=LONG)])
KILLED = [sys.executable, "-m", "tests.support.killed"]


def _killed(service: Service, step: int, *words: str) -> int:
    done = subprocess.run(
        [*KILLED, str(step), *words, "--data-dir", str(service.directory)],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@source_only
@every_few_steps
def test_killed_anywhere_it_is_the_old_one_or_the_new_one(
    service: Service, tmp_path: Path, stride: int
):
    service.start()
    token = paired(service)
    push(service, token, "old")
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    push(service, token, "new")
    service.kill()  # its log holds the last text
    database, copy = service.directory / "mmconnect.db", tmp_path / "copy"
    copy.mkdir()
    names = [p.name for p in service.directory.glob("mmconnect.db*")]
    for name in names:
        (copy / name).write_bytes((service.directory / name).read_bytes())
    seen = set()
    step = 1 - stride
    while True:
        step += stride
        for path in service.directory.glob("mmconnect.db*"):
            path.unlink()
        for name in names:
            (service.directory / name).write_bytes((copy / name).read_bytes())
        ended = _killed(service, step, "restore", str(file)) == 0
        now = tuple(texts(database))
        seen.add(now)
        assert now in (("old", "new"), ("old",)), f"killed at step {step}"
        service.cli("restore", str(file))
        assert texts(database) == ["old"], f"restored again after step {step}"
        if ended:
            break
    assert step > 20
    assert seen == {("old", "new"), ("old",)}


@source_only
@every_few_steps
def test_a_backup_that_is_killed_leaves_the_one_before(
    service: Service, tmp_path: Path, stride: int
):
    paired(service)
    file = tmp_path / "backup.db"
    service.cli("backup", str(file))
    first = file.read_bytes()
    service.cli("device", "add", "--name", "Shop")
    for step in range(1, 200, stride):
        ended = _killed(service, step, "backup", str(file), "--force") == 0
        whole = file.read_bytes()
        assert whole == first or len(devices(file)) == 2
        if ended:
            break
    assert ended
    service.cli("backup", str(file), "--force")
    assert not list(tmp_path.glob("backup.db.part*"))


def devices(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return [name for (name,) in db.execute("SELECT name FROM devices")]


def test_a_full_disk(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    service = Service(small / "data", tmp_path)
    try:
        device = service.cli("device", "add", "--name", "Reception")["id"]
        file = tmp_path / "backup.db"
        service.cli("backup", str(file))
        filler = small / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
        os.truncate(filler, filler.stat().st_size - 96 * 1024)  # what SQLite needs beside the file
        for words in (["backup", str(small / "b.db")], ["restore", str(file)]):
            failed = service.run(*words)
            assert failed.returncode == 1
            assert "the disk is full" in failed.stderr
        left = {p.name for p in (*small.iterdir(), *service.directory.iterdir())}
        assert not {n for n in left if "part" in n or "restoring" in n or n == "b.db"}
        filler.unlink()
        assert [d["id"] for d in service.cli("device", "list")] == [device]
    finally:
        subprocess.run(["umount", "-l", str(small)], capture_output=True, check=False)
