"""What goes wrong around a running mmconnect: the disk, locks, floods, strangers.

Everything is real: the process, the full disk, the failing system calls, the sockets. Whatever
happens, a push is answered in time, nothing is half-stored, and all is well soon after the cause
has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.e2e.conftest import Gateway, furnish
from tests.support import program
from tests.support.burst import Receiver, Text, answer, request
from tests.support.fire import Fire
from tests.support.service import Service, ask, until

RECOVERY = 20.0
"""Seconds within which all is well again once the cause has gone: one or two, and what machines
stand still for."""
LIMIT = 10 * 2**20

root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


def trouble(gateway: Gateway) -> dict[str, str]:
    """What /readyz names, but that the machine stood still; nothing only with 200."""
    status, problems = gateway.service.readyz()
    assert (status == 200) is (not problems)
    return {part: told for part, told in problems.items() if part != "stall"}


def well(gateway: Gateway) -> float:
    """How many seconds it took until /readyz was content."""
    return until(lambda: not trouble(gateway), lambda: str(trouble(gateway)), RECOVERY)


def stored(gateway: Gateway, name: str) -> int:
    """How many rows of any kind there are of a text that was pushed with this id."""
    with gateway.service.looking() as db:
        (rows,) = db.execute(
            "SELECT (SELECT count(*) FROM messages WHERE event_id = ?1)"
            " + (SELECT count(*) FROM deliveries d WHERE NOT EXISTS"
            "    (SELECT 1 FROM messages m WHERE m.id = d.message_id))"
            " + (SELECT count(*) FROM dedupe_keys k WHERE NOT EXISTS"
            "    (SELECT 1 FROM messages m WHERE m.id = k.message_id))",
            (name,),
        ).fetchone()
    return int(rows)


# -- the disk -----------------------------------------------------------------------------------


@contextmanager
def mounted(at: Path, size: str) -> Iterator[Path]:
    """A small disk of its own."""
    at.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def fill(path: Path) -> None:
    """Write until there is no room left, to the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass


@root
def test_a_full_disk(
    tmp_path: Path, receiver: Receiver, furnished: tuple[Path, str, str, str]
) -> None:
    with mounted(tmp_path / "disk", "40m") as disk:
        gateway = furnish(disk / "data", tmp_path, receiver, furnished)
        service = gateway.service.start()
        try:
            gateway.texts("before")
            assert trouble(gateway) == {}
            fill(disk / "ballast")

            taken = ["before"]
            name = ""
            for n in range(500):  # the log may have some room in it
                name = f"text-{n}"
                if gateway.text(name, size=20_000) != 200:
                    break
                taken.append(name)
            for _ in range(5):
                status, headers, said = gateway.push(Text(name, "+15550100", "again").body)
                assert (status, said["ok"]) == (503, False)
                assert int(headers["retry-after"]) > 0
            assert stored(gateway, name) == 0
            assert "the disk is full" in trouble(gateway)["database"]
            assert "disk" in trouble(gateway)
            assert len(service.cli("message", "list", "--limit", "500")) == len(taken)

            (disk / "ballast").unlink()
            well(gateway)
            assert gateway.text(name) == 200
            gateway.wait_delivered(len(taken) + 1)
            assert gateway.sound()
            assert service.stop() == 0
        finally:
            service.kill()


@contextmanager
def failing(gateway: Gateway | Fire, error: str) -> Iterator[None]:
    """Every write to the database's files fails, as on a disk that has become read-only."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    process = gateway.service.process
    assert process is not None
    files = [gateway.service.directory / name for name in ("mmconnect.db", "mmconnect.db-wal")]
    calls = "pwrite64,pwritev,fdatasync,fsync,ftruncate"
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    words += ["-e", f"inject={calls}:error={error}", "-p", str(process.pid)]
    for file in files:
        words += ["-P", str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as strace:

        def attached() -> bool:
            if strace.poll() is not None:
                assert strace.stdout is not None
                pytest.skip(f"strace cannot attach here: {strace.stdout.read().decode().strip()}")
            tasks = Path(f"/proc/{process.pid}/task").iterdir()
            return not any("TracerPid:\t0\n" in (t / "status").read_text() for t in tasks)

        until(attached, "strace is attached")
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(60)


@pytest.mark.parametrize("error", ["EROFS", "EIO"])
def test_a_disk_that_cannot_be_written_for_a_while(gateway: Gateway, error: str) -> None:
    gateway.texts("before")
    gateway.wait_delivered(1)
    with failing(gateway, error):
        for _ in range(3):
            status, headers, _ = gateway.push(Text("text", "+15550100", "text").body)
            assert status == 503
            assert "retry-after" in headers
        assert "database" in trouble(gateway)
        assert stored(gateway, "text") == 0
    well(gateway)
    assert gateway.text("text") == 200
    gateway.wait_delivered(2)
    assert gateway.sound()


# -- another process ------------------------------------------------------------------------------


@contextmanager
def locked(gateway: Gateway) -> Iterator[None]:
    """Another process is in the middle of a transaction."""
    path = gateway.service.directory / "mmconnect.db"
    other = sqlite3.connect(path, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_ten_seconds_of_another_process_holding_the_database(gateway: Gateway) -> None:
    """Pushes are answered in time, and what lands meanwhile is recorded afterwards, sent once."""
    gateway.receiver.held = True
    gateway.texts("flying-1", "flying-2", "flying-3")
    until(lambda: gateway.receiver.waiting == 3, "three POSTs are under way")
    answers: list[tuple[float, int]] = []

    def keep_pushing(phone: int) -> None:
        for _ in range(3):
            begun = time.monotonic()
            status = gateway.text(f"text-{phone}", f"+1666{phone:07d}")
            answers.append((time.monotonic() - begun, status))

    with locked(gateway):
        end = time.monotonic() + 10
        gateway.receiver.held = False
        phones = [threading.Thread(target=keep_pushing, args=(n,)) for n in range(6)]
        for phone in phones:
            phone.start()
        for phone in phones:
            phone.join()
        assert [status for _, status in answers] == [503] * 18
        assert median(took for took, _ in answers) < 5, "a phone gives up then"
        assert "another program holds the database" in trouble(gateway)["database"]
        until(lambda: gateway.receiver.waiting == 0, "the POSTs are answered")
        until(lambda: time.monotonic() > end, "ten seconds are over")
        assert gateway.service.count("SELECT count(*) FROM attempts") == 0
        in_flight = "SELECT count(*) FROM deliveries WHERE state = 'in_flight'"
        assert gateway.service.count(in_flight) == 3
    well(gateway)
    for n in range(6):
        assert gateway.text(f"text-{n}", f"+1666{n:07d}") == 200
    gateway.wait_delivered(9)
    assert gateway.service.count("SELECT count(*) FROM attempts") == 9


def test_all_is_well_again_even_if_no_text_comes(gateway: Gateway) -> None:
    """What failed was no text, and nothing else is written: the trouble must not look lasting."""
    with locked(gateway):
        assert gateway.push(b"{not a text")[0] == 503
        assert "database" in trouble(gateway)
    well(gateway)


# -- what phones and strangers send --------------------------------------------------------------


def test_what_cannot_be_understood_is_kept_and_answered(gateway: Gateway) -> None:
    for body in (b'{"from": "+15550100", "text": ', b"\xff\xfe\x00", b"[]", b"null", b""):
        status, _, said = gateway.push(body)
        assert (status, said["ok"]) == (200, True)
        kept = gateway.service.cli("message", "show", said["id"])
        assert kept["kind"] == "unrecognised"
        assert kept["raw"] == body.decode("utf-8", "replace")
        assert kept["note"]
        assert kept["deliveries"] == []
    gateway.texts("fine")
    gateway.wait_delivered(1)


def _of_size(size: int) -> bytes:
    head, tail = b'{"from":"+15550100","id":"large","text":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


def test_ten_mebibytes_and_not_one_byte_more(gateway: Gateway) -> None:
    assert gateway.push(_of_size(LIMIT))[0] == 200
    for chunked in (False, True):
        status, body = _large(gateway, _of_size(LIMIT + 1), chunked=chunked)
        assert (status, json.loads(body)["error"]) == (413, "too_large")
    gateway.texts("small")
    gateway.wait_delivered(2)
    (large,) = [a for a in gateway.receiver.arrivals if len(a.body["text"]) > 10]
    assert len(json.dumps(large.body)) > LIMIT


def _large(gateway: Gateway, body: bytes, *, chunked: bool) -> tuple[int, bytes]:
    """Push as a phone does that sends everything before it listens."""
    with socket.create_connection(gateway.service.phone, timeout=60) as line:
        if chunked:
            head = f"POST /in/{gateway.token} HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n"
            wire = head.encode() + b"\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        else:
            wire = request(gateway.token, body)
        with contextlib.suppress(ConnectionError):  # it may hang up before it has heard all
            line.sendall(wire)
        return answer(line)


def test_wrong_tokens_are_throttled_and_good_ones_never(gateway: Gateway) -> None:
    told = []
    for n in range(30):
        status, headers, body = ask(gateway.service.phone, "POST", f"/in/guess-{n}", b"{}")
        told.append((status, json.loads(body)["error"]))
        assert "retry-after" in headers or status == 401
        assert gateway.text(f"text-{n}", f"+1555{n:07d}") == 200
    assert told[0] == (401, "unknown_token")
    assert told[-1] == (429, "unknown_token")
    gateway.wait_delivered(30)


def test_a_thousand_open_connections_are_in_nobodys_way(gateway: Gateway) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as open_lines:
        for n in range(1000):
            line = open_lines.enter_context(socket.create_connection(gateway.service.phone))
            if n % 2:  # half of them have begun to say something
                line.sendall(b"POST /in/")
        took = []
        for n in range(5):
            begun = time.monotonic()
            gateway.texts(f"one {n}", f"two {n}")
            assert ask(gateway.service.phone, "GET", "/healthz")[0] == 200
            assert trouble(gateway) == {}
            took.append(time.monotonic() - begun)
        assert median(took) < 1, took
        gateway.wait_delivered(10)
        begun = time.monotonic()
        assert gateway.service.stop() == 0
        assert time.monotonic() - begun < 25, "it waits for none of them"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- who may look -------------------------------------------------------------------------------


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    service = Service(tmp_path / "new" / "data")
    tmp_path.joinpath("new").mkdir()
    before = os.umask(0o022)
    try:
        service.start()
        service.cli("device", "add", "--name", "Phone")
        modes = {p.name: p.stat().st_mode & 0o777 for p in service.directory.rglob("*")}
        assert service.directory.stat().st_mode & 0o777 == 0o700
        assert {"mmconnect.db", "mmconnect.db-wal", "mmconnect.db-shm", "mmconnect.lock"} <= set(
            modes
        )
        assert set(modes.values()) == {0o600}
    finally:
        os.umask(before)
        service.kill()


@pytest.mark.parametrize("gone", ["full", "unread"])
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_it_starts_when_nobody_takes_what_it_prints(
    tmp_path: Path, gone: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a supervisor's log on a full disk, or behind a reader that has ended."""
    service = Service(tmp_path / "data", tmp_path, *words)
    if gone == "full":
        service.out.symlink_to("/dev/full")
    else:
        os.mkfifo(service.out)
        reader, start = os.open(service.out, os.O_RDONLY | os.O_NONBLOCK), program.start

        def unread(*how: Any, **more: Any) -> subprocess.Popen[bytes]:
            os.close(reader)
            return start(*how, **more)

        monkeypatch.setattr(program, "start", unread)
    try:
        process = service.spawn()
        until(lambda: process.poll() is not None or service._note(), "it starts")
        assert ask(service.phone, "GET", "/healthz")[0] == 200
        until(lambda: "Set it up in a browser" in service.log_text(), "the log has the link")
        assert "Standard output takes nothing" in service.log_text()
        assert service.stop() == 0
    finally:
        service.kill()
    assert "Traceback" not in service.log_text()
