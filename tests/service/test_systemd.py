"""What systemd is told, on a real socket, and what reaches its journal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmconnect.service import logs, systemd
from mmconnect.service.systemd import Systemd
from mmconnect.store import migrate
from mmconnect.store.connection import FILE, connect
from mmconnect.store.database import Database
from tests.support.notified import Notified
from tests.support.service import ROOT


@pytest.fixture(params=["abstract", "path"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notified]:
    """Listens as systemd does, of either kind."""
    listening = Notified(tmp_path / "notify" if request.param == "path" else None)
    yield listening
    listening.close()


def test_what_is_told(manager: Notified) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000", "PATH": "/bin"}
    told = Systemd.of(environ)
    assert (told.listens, told.watchdog) == (True, 60.0)
    before = time.monotonic_ns() // 1000
    told.ready("phones at 192.168.1.20:8481")
    told.status("phones at 192.168.1.20:8481")
    told.status("Two\nlines,\ttwo words")
    told.feed()
    told.reloading()
    told.reloaded()
    told.stopping("Stopping")
    ready, changed, fed, reloading, reloaded, stopping = manager.look()
    assert ready == {"READY": "1", "STATUS": "phones at 192.168.1.20:8481"}
    assert changed == {"STATUS": "Two lines, two words"}, "one that has not changed is not told"
    assert fed == {"WATCHDOG": "1"}
    assert reloading.pop("RELOADING") == "1"
    assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
    assert reloading == {}
    assert reloaded == {"READY": "1", "STATUS": "Two lines, two words"}
    assert stopping == {"STOPPING": "1", "STATUS": "Stopping"}


def test_no_child_speaks_for_us_and_the_boot_loaders_pid_is_no_hindrance() -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    assert Systemd.of(environ).watchdog is not None
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize("usec", [None, "", "0", "-1", "soon", "٣"])
def test_no_watchdog_is_none(usec: str | None) -> None:
    environ = {"NOTIFY_SOCKET": "@x"} | ({} if usec is None else {"WATCHDOG_USEC": usec})
    assert Systemd.of(environ).watchdog is None


def test_without_systemd_nobody_is_told_anything() -> None:
    alone = Systemd.of({"WATCHDOG_USEC": "60000000"})
    assert (alone.listens, alone.watchdog) == (False, None)
    alone.ready("x")
    alone.gets_on()
    alone.stopping("x")


def test_a_kind_of_socket_that_cannot_be_reached_is_told_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Systemd.of({"NOTIFY_SOCKET": "vsock:2:9999"})
    assert not told.listens
    assert "vsock:2:9999" in caplog.text


def test_a_systemd_that_is_away_or_does_not_read_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(systemd, "PATIENCE", 0.05)
    gone = Systemd("@mmconnect-test-nobody")
    gone.ready("x")
    gone.feed()
    assert caplog.text.count("systemd cannot be told") == 1, "once, and not every 15 s"

    deaf = Notified()
    fill = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    fill.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            fill.sendto(b"X=1", f"\0{deaf.address[1:]}")
    Systemd(deaf.address).ready("x")
    Systemd(deaf.address).feed()
    assert {frozenset(message) for message in deaf.look()} == {frozenset({"X"})}
    fill.close()
    deaf.close()


# -- what takes long ---


def test_a_sign_is_sent_seldom_and_asks_for_more_time(
    manager: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Systemd(manager.address, 60.0)
    now = time.monotonic()
    monkeypatch.setattr("mmconnect.service.systemd.time.monotonic", lambda: now)
    told._last_sign = now - systemd.SIGN_EVERY
    for _ in range(5):
        told.gets_on()
    assert manager.look() == [{"EXTEND_TIMEOUT_USEC": "300000000", "WATCHDOG": "1"}]
    now += systemd.SIGN_EVERY
    told.gets_on()
    assert len(manager.look()) == 2


async def test_a_migration_is_heard_while_it_gets_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = 0

    def gets_on() -> None:
        nonlocal signs
        signs += 1

    await Database.open(tmp_path).close()
    await Database.open(tmp_path, gets_on).close()
    assert signs == 0, "a start without a migration needs no more time"

    newest = migrate.migrations()[-1][0]
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    sql = f"CREATE TABLE large (i);\nINSERT INTO large {rows} SELECT i FROM n;"
    monkeypatch.setattr(migrate, "migrations", lambda: [*_steps, (newest + 1, "large", sql)])
    await Database.open(tmp_path, gets_on).close()
    assert signs > 5
    db = connect(tmp_path / FILE)
    assert db.execute("SELECT count(*) FROM large").fetchone() == (100_000,)
    db.close()


_steps = migrate.migrations()


async def test_while_a_thread_is_busy_the_loops_turning_counts_for_so_long(
    manager: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "SIGN_EVERY", 0.01)
    told = Systemd(manager.address, 60.0)
    async with told.busy("Restoring"):
        await asyncio.to_thread(manager.wait, lambda message: "WATCHDOG" in message)
    assert manager.look()[0] == {"STATUS": "Restoring"}
    monkeypatch.setattr(systemd, "LONGEST", 0.0)
    manager.forget()
    async with told.busy("Restoring again"):
        await asyncio.sleep(0.1)
    assert manager.look() == [{"STATUS": "Restoring again"}]


# -- the journal ---

SAYS = """
import logging, os, sys
from mmconnect.service import logs
here = os.fstat(2)
stream = f"{here.st_dev}:{here.st_ino}" if sys.argv[2] == "journal" else "1:2"
print(logs.set_up(sys.argv[1], "debug", stream))
log = logging.getLogger("x")
log.debug("d"); log.info("i"); log.warning("w"); log.error("e"); log.critical("c")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("It failed")
log.info("A\\u2028B\\x85C\\n")
"""


def says(form: str, where: str) -> tuple[str, list[str]]:
    """What a process says, and the lines of its log."""
    done = subprocess.run(
        [sys.executable, "-c", SAYS, form, where],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    *lines, end = done.stderr.split("\n")
    assert end == ""
    return done.stdout.strip(), lines


def test_in_the_journal_each_line_begins_with_its_priority_and_has_no_time() -> None:
    journal, lines = says("text", "journal")
    assert journal == "True"
    assert lines[:6] == ["<7>d", "<6>i", "<4>w", "<3>e", "<2>c", "<3>It failed"]
    assert len(lines) > 8
    assert all(line.startswith("<3>") for line in lines[6:-1]), "each line of it is an entry"
    assert lines[-1] == "<6>A\u2028B\x85C"


def test_json_stays_json_behind_the_priority() -> None:
    _, lines = says("json", "journal")
    assert [json.loads(line[3:])["message"] for line in lines[:2]] == ["d", "i"]
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<3>", "<6>"]
    assert json.loads(lines[-1][3:])["message"] == "A\u2028B\x85C\n"


def test_elsewhere_lines_are_as_they_were() -> None:
    journal, lines = says("text", "elsewhere")
    assert journal == "False"
    assert lines[1].endswith("INFO    i")
    assert lines[1][:2] == "20"


def test_a_standard_error_that_is_no_file_is_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not logs._is_journal("1:2")
    assert not logs._is_journal(None)
