"""`mmconnect doctor`: on a whole, a damaged, a newer and a missing data directory, up and down."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmconnect.service.lock import Lock, Running
from tests.cli.conftest import Desk, Said, said
from tests.cli.test_directory import NOBODY, forked, let_others_pass, root_only
from tests.support.program import PROGRAM
from tests.support.service import Service, ask, until

pytestmark = pytest.mark.timeout(400)  # a busy machine is no fault of the doctor's
Checks = list[dict[str, Any]]
STRACE = pytest.mark.skipif(shutil.which("strace") is None, reason="apt install strace")
LISTEN = [f"MMCONNECT_{name}_LISTEN" for name in ("ADMIN", "PHONE", "PHONE_TLS", "ADMIN_TLS")]


@pytest.fixture(autouse=True)
def no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the usual ports on the machine of the test is no matter here."""
    for name in LISTEN:
        monkeypatch.setenv(name, "127.0.0.1:0")


def found(told: Said) -> Checks:
    """What a doctor with `--json` has found; its verdict and exit code agree with that."""
    assert told.err == ""
    report = json.loads(told.out)
    assert list(report) == ["ok", "checkedAt", "checks"]
    problems = [one for one in report["checks"] if one["mark"] == "problem"]
    assert (report["ok"], told.code) == (not problems, int(bool(problems)))
    assert all(one["remedy"] for one in problems)
    return list(report["checks"])


def of(checks: Checks, name: str) -> Checks:
    """The findings of one check."""
    return [one for one in checks if one["check"] == name]


def one(checks: Checks, name: str) -> tuple[str, str]:
    """Mark and words of the only finding of a check."""
    (only,) = of(checks, name)
    return only["mark"], f"{only['found']} {only['remedy'] or ''}"


def print_of(directory: Path) -> dict[str, str]:
    """Every file and what is in it."""
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.rglob("*")
        if file.is_file()
    }


@pytest.fixture
def used(desk: Desk) -> Desk:
    """A data directory with a phone, and an endpoint at which nobody listens."""
    desk("device", "add", "--name", "Pixel")
    desk("endpoint", "add", "http://127.0.0.1:9/hook?key=hush", "--name", "CRM")
    return desk


def test_with_the_service_down(used: Desk) -> None:
    before = print_of(used.directory)
    checks = found(used("doctor", "--json"))
    assert print_of(used.directory) == before, "it changes nothing, and leaves nothing"
    assert one(checks, "service")[0] == "problem"
    assert "does not run" in one(checks, "service")[1]
    assert one(checks, "database")[0] == "ok"
    assert one(checks, "schema")[0] == "ok"
    assert one(checks, "directory")[0] == "ok"
    assert "refused" in one(checks, "receivers")[1]
    assert "hush" not in json.dumps(checks), "what is secret in a URL is not shown"
    assert one(checks, "phones") == ("ok", "1 phone is as it should be. ")
    assert one(checks, "ports")[0] == "ok"
    assert of(checks, "fsync")
    assert of(checks, "disk")
    told = used("doctor", "--full")
    assert "every page, index and reference" in " ".join(told.out.split())
    assert print_of(used.directory) == before


def test_a_person_reads_the_problems_first(used: Desk) -> None:
    told = used("doctor")
    assert told.code == 1
    words = [line.split(maxsplit=1)[0] for line in told.out.splitlines() if line[:1].strip()]
    assert words[0] == "PROBLEM"
    assert "problem" in told.out.splitlines()[-1]
    command = f"--data-dir {used.directory} restore"
    (used.directory / "mmconnect.db").write_bytes(b"x" * 5000)
    shown = " ".join(used("doctor").out.split())
    assert command in shown, "commands are as they have to be typed here"
    assert "not an SQLite database" in shown


def test_without_a_data_directory(tmp_path: Path) -> None:
    told = said("doctor", "--json", "--data-dir", str(tmp_path / "none"))
    checks = found(told)
    assert one(checks, "directory")[0] == "problem"
    assert "(from --data-dir)" in one(checks, "directory")[1]
    assert one(checks, "deliveries") == ("skipped", "There is no data. ")
    assert of(checks, "clock"), "the machine is looked at all the same"
    assert not (tmp_path / "none").exists(), "nobody has made it"
    (tmp_path / "empty").mkdir(mode=0o700)
    checks = found(said("doctor", "--json", "--data-dir", str(tmp_path / "empty")))
    assert "no database" in one(checks, "database")[1]
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_damaged_database(used: Desk) -> None:
    file = used.directory / "mmconnect.db"
    (used.directory / "backups").mkdir(mode=0o700)
    assert used("backup", str(used.directory / "backups" / "mine.db")).code == 0
    content = bytearray(file.read_bytes())
    content[20 * 2048 : 60 * 2048] = b"\xaa" * (40 * 2048)
    file.write_bytes(content)
    checks = found(used("doctor", "--json"))
    mark, told = one(checks, "database")
    assert mark == "problem"
    assert "damaged" in told
    assert "restore FILE" in told
    assert "backups/mine.db say" in told


@pytest.mark.parametrize(
    "words",
    [("device", "list"), ("backup", "FILE"), ("backup", "FILE", "--json"), ("serve",)],
    ids=" ".join,
)
def test_of_a_damaged_database_one_sentence_tells(
    used: Desk, words: tuple[str, ...], tmp_path: Path
) -> None:
    file = used.directory / "mmconnect.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        named = "SELECT rootpage FROM sqlite_schema WHERE name IN ('messages', 'devices')"
        roots = [root for (root,) in db.execute(named)]
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as content:
        for root in roots:
            content.seek((root - 1) * size)
            content.write(b"\xff" * size)
    target = tmp_path / "copy.db"
    told = used(*(str(target) if word == "FILE" else word for word in words))
    assert told.code == 1
    last = told.err.splitlines()[-1]
    assert last.startswith("mmconnect: ")
    assert "damaged" in last
    assert "Traceback" not in told.err
    assert "Free some space" not in told.err, "that is not what helps"
    assert not list(tmp_path.glob("copy.db*"))


def test_a_database_of_a_newer_mmconnect(used: Desk) -> None:
    with contextlib.closing(sqlite3.connect(used.directory / "mmconnect.db")) as db, db:
        db.execute("PRAGMA user_version = 900")
    checks = found(used("doctor", "--json"))
    assert one(checks, "schema")[0] == "problem"
    assert "schema 900" in one(checks, "schema")[1]
    assert one(checks, "deliveries")[0] == "skipped"


def test_a_port_that_somebody_else_has(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MMCONNECT_PHONE_LISTEN", f"0.0.0.0:{port}")
        checks = found(used("doctor", "--json"))
    (problem,) = [one for one in of(checks, "ports") if one["mark"] == "problem"]
    assert problem["found"].startswith(f"Port {port} (phones) is taken by ")
    assert f"(pid {os.getpid()})" in problem["found"]
    assert "--phone-listen" in problem["remedy"]


def test_options_that_cannot_be(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCONNECT_PHONE_LISTEN", "nowhere")
    assert "write it as HOST:PORT" in one(found(used("doctor", "--json")), "options")[1]
    monkeypatch.setenv("MMCONNECT_PHONE_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("MMCONNECT_LOG_LVL", "debug")
    mark, told = one(found(used("doctor", "--json")), "options")
    assert mark == "note"
    assert "MMCONNECT_LOG_LVL" in told


def test_texts_that_wait_and_an_endpoint_that_is_held(used: Desk) -> None:
    (endpoint,) = used("endpoint", "list", "--json").json
    used("endpoint", "test", endpoint["id"])
    with contextlib.closing(sqlite3.connect(used.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE deliveries SET state = 'pending', due_at = 0, trigger = 'push'")
    mark, told = one(found(used("doctor", "--json")), "deliveries")
    assert mark == "note"
    assert "CRM: 1 text waits" in told
    with contextlib.closing(sqlite3.connect(used.directory / "mmconnect.db")) as db, db:
        db.execute(
            "UPDATE endpoints SET state = 'held', held_class = 'refused',"
            " held_reason = 'It answered 401', held_at = 1"
        )
    mark, told = one(found(used("doctor", "--json")), "deliveries")
    assert mark == "problem"
    assert "CRM is held: It answered 401. 1 text waits" in told
    assert endpoint["id"] in told


def test_a_phone_that_is_silent(used: Desk) -> None:
    with contextlib.closing(sqlite3.connect(used.directory / "mmconnect.db")) as db, db:
        db.execute("INSERT INTO device_presence (device_id, silent_at) SELECT id, 5 FROM devices")
    mark, told = one(found(used("doctor", "--json")), "phones")
    assert mark == "problem"
    assert "Pixel has fallen silent" in told


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "data")
    some = "127.0.0.1:0"
    service.start("--phone-tls-listen", some, "--admin-tls-listen", some)
    yield service
    service.kill()


def test_with_the_service_up(running: Service) -> None:
    desk = Desk(running.directory)
    assert desk("tls", "create-ca").code == 0
    checks: Checks = []

    def ready() -> bool:
        """On a machine that is busy with other things it may take its time."""
        checks[:] = found(desk("doctor", "--json"))
        well = [one["mark"] for one in checks if one["check"] in ("service", "ports")]
        return well == ["ok", "ok"]

    until(ready, lambda: f"it is well: {checks}", within=100.0)
    assert one(checks, "service")[1].endswith("runs, and is ready. ")
    told = one(checks, "ports")[1]
    for name in ("phones at", "admin side at", "phones over HTTPS at", "admin side over HTTPS at"):
        assert name in told
    assert "on this machine alone (127.0.0.1)" in str(of(checks, "lan"))
    assert one(checks, "database")[0] == "ok"
    assert one(checks, "certificate")[0] == "ok"
    address = running.admin
    key = desk("api-key", "create", "--name", "x", "--json").json["key"]
    bearer = {"Authorization": f"Bearer {key}"}
    status, _, body = ask(address, "GET", "/v1/doctor", None, bearer, 100.0)
    assert status == 200
    inside = json.loads(body)["checks"]
    assert {c["check"] for c in inside} == {c["check"] for c in checks}


@root_only
def test_run_by_root_it_becomes_the_owner_and_leaves_nothing_of_roots(used: Desk) -> None:
    for file in (used.directory, *used.directory.rglob("*")):
        os.chown(file, NOBODY, NOBODY)
    os.chown(used.directory / "mmconnect.db", 0, 0)
    let_others_pass(used.directory)
    read, write = os.pipe()

    def asked() -> int:
        told = used("doctor", "--json")
        os.write(write, told.out.encode())
        return told.code

    code = forked(asked)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as answer:
        checks = found(Said(code, answer.read(), ""))
    assert "mmconnect.db in it is somebody else's (root)" in one(checks, "directory")[1]
    assert one(checks, "directory")[0] == "problem"
    mark, told = one(checks, "database")
    assert (mark, "restore" in told) == ("problem", False), "nobody is told to put a backup there"
    owners = {file.name: file.stat().st_uid for file in used.directory.iterdir()}
    assert {name for name, owner in owners.items() if owner == 0} == {"mmconnect.db"}


@root_only
def test_who_may_not_look_is_told_so_and_nothing_that_is_not_known(running: Service) -> None:
    let_others_pass(running.directory)
    desk = Desk(running.directory)
    read, write = os.pipe()

    def asked() -> int:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        told = desk("doctor", "--json")
        os.write(write, told.out.encode())
        return told.code

    said("doctor", "--json", "--data-dir", "/nonexistent")  # loads what nobody could load
    code = forked(asked)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as answer:
        checks = found(Said(code, answer.read(), ""))
    mark, told = one(checks, "directory")
    assert mark == "problem"
    assert "this user may not look into it" in told
    about = {check["check"] for check in checks}
    assert {"clock", "versions"} <= about
    assert not about & {"service", "ports", "database", "certificate"}


def test_what_a_crash_has_left_stays_as_it_is(running: Service) -> None:
    desk = Desk(running.directory)
    desk("endpoint", "add", "http://127.0.0.1:9/", "--name", "CRM")
    running.kill()
    before = print_of(running.directory)
    assert "mmconnect.db-wal" in before
    checks = found(desk("doctor", "--json"))
    assert one(checks, "database")[0] == "ok"
    assert "CRM" in one(checks, "receivers")[1], "what is only in the log counts"
    after = print_of(running.directory)
    index = "mmconnect.db-shm"
    assert after.keys() | {index} == before.keys() | {index}
    assert {n: h for n, h in after.items() if n != index} == {
        n: h for n, h in before.items() if n != index
    }


def test_texts_that_are_due_and_not_sent_are_looked_at_twice(used: Desk) -> None:
    """The lock is held by this test: the service that has it sends nothing."""
    (endpoint,) = used("endpoint", "list", "--json").json
    used("endpoint", "test", endpoint["id"])
    with contextlib.closing(sqlite3.connect(used.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE deliveries SET state = 'pending', due_at = 5, trigger = 'push'")
    lock = Lock(used.directory)
    try:
        lock.tell(Running(pid=os.getpid(), version="1"))
        mark, told = one(found(used("doctor", "--json")), "deliveries")
    finally:
        lock.release()
    assert mark == "problem"
    assert "It is their turn, and nothing is being sent." in told


def process(*line: str, before: tuple[str, ...] = ()) -> Said:
    """A command in a process of its own, perhaps under another program."""
    done = subprocess.run(
        [*before, *PROGRAM, *line],
        capture_output=True,
        timeout=350,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def under_strace(desk: Desk, notes: Path, *inject: str) -> Checks:
    words = ["strace", "-f", "-qq", "-o", str(notes)]
    for fault in inject:
        words += ["-e", f"inject={fault}"]
    told = process("doctor", "--json", "--data-dir", str(desk.directory), before=tuple(words))
    if "ptrace" in told.err:
        pytest.skip(f"strace may not work here: {told.err}")
    return found(told)


@STRACE
@pytest.mark.program
@pytest.mark.apt
def test_a_disk_that_is_slow(used: Desk, tmp_path: Path) -> None:
    checks = under_strace(used, tmp_path / "notes", "fdatasync:delay_enter=1100000")
    mark, told = one(checks, "fsync")
    assert mark == "problem", told
    assert "give up" in told


@STRACE
@pytest.mark.program
@pytest.mark.apt
def test_a_disk_that_fails(used: Desk, tmp_path: Path) -> None:
    mark, told = one(under_strace(used, tmp_path / "notes", "fdatasync:error=EIO"), "fsync")
    assert mark == "problem"
    assert "Input/output error" in told


@STRACE
@pytest.mark.program
@pytest.mark.apt
@pytest.mark.parametrize(("answer", "mark"), [("5", "note"), ("0", "ok")])
def test_a_clock_that_the_kernel_keeps_or_not(
    used: Desk, tmp_path: Path, answer: str, mark: str
) -> None:
    calls = f"adjtimex,clock_adjtime:retval={answer}"
    seen, told = one(under_strace(used, tmp_path / "notes", calls), "clock")
    assert seen == mark, told
    assert ("synchronised" if mark == "ok" else "not known") in told
