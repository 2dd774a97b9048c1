"""The real process as systemd sees it: ready, well, reloading, stopping; frozen; on a full disk."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_backup_in_the_browser import set_up
from tests.e2e.test_faults import fill, mounted, root
from tests.support.notified import PATIENCE, Notified
from tests.support.service import Service, ask, until


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notified]:
    """Whoever is started from here on is watched: it has to be heard of every 0.4 s."""
    listening = Notified()
    monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    yield listening
    listening.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    yield made
    made.kill()


def fed(manager: Notified) -> None:
    """From now on, too."""
    manager.forget()
    manager.wait(lambda message: message == {"WATCHDOG": "1"})


def test_from_ready_to_stopping(manager: Notified, service: Service) -> None:
    process = service.spawn()
    ready = manager.wait(lambda message: "READY" in message)
    assert ask(service.phone, "GET", "/healthz", within=PATIENCE)[0] == 200, "told too soon"
    host, port = service.phone
    assert f"phones at {host}:{port}" in ready["STATUS"]
    fed(manager)
    process.send_signal(signal.SIGHUP)
    manager.wait(lambda message: "RELOADING" in message)
    manager.wait(lambda message: message == ready)
    fed(manager)
    process.send_signal(signal.SIGTERM)
    manager.wait(lambda message: message.get("STOPPING") == "1")
    assert process.wait(PATIENCE) == 0


def test_a_process_that_stands_still_is_silent(manager: Notified, service: Service) -> None:
    process = service.spawn()
    manager.wait(lambda message: "READY" in message)
    fed(manager)
    process.send_signal(signal.SIGSTOP)
    until(lambda: _state(process) == "T", "it has stopped", PATIENCE)
    manager.forget()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    assert manager.look() == []
    process.send_signal(signal.SIGCONT)
    fed(manager)


def test_one_that_the_watchdog_kills_says_where_it_stood(
    manager: Notified, service: Service
) -> None:
    process = service.spawn()
    manager.wait(lambda message: "READY" in message)
    process.send_signal(signal.SIGABRT)
    assert process.wait(PATIENCE) == -signal.SIGABRT
    assert "Current thread" in service.log_text()
    assert "run_forever" in service.log_text()


@root
def test_a_full_disk_is_told_and_no_reason_to_be_killed(manager: Notified, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "40m") as disk:
        service = Service(disk / "data", tmp_path)
        service.spawn()
        try:
            manager.wait(lambda message: "READY" in message)
            fill(disk / "ballast")
            device = service.run("device", "add", "--name", "x", "--json")
            assert device.returncode in (0, 1), "it may have fitted into the log"

            def problems() -> dict[str, str]:
                return service.readyz()[1]

            until(lambda: "disk" in problems(), "it says so", PATIENCE)
            until(lambda: "database" in problems(), "commits are refused", PATIENCE)
            manager.wait(lambda m: "the disk is full" in m.get("STATUS", ""))
            for _ in range(5):
                fed(manager)
            assert service.process is not None
            assert service.process.poll() is None

            (disk / "ballast").unlink()
            until(lambda: not problems(), lambda: str(problems()), PATIENCE)
            manager.wait(lambda m: "MB are free" in m.get("STATUS", ""))  # a small disk
            fed(manager)
            assert service.stop(PATIENCE) == 0
        finally:
            service.kill()


def test_a_restore_begins_anew_in_the_same_process(manager: Notified, service: Service) -> None:
    """It is the same service to systemd: never stopping, ready again."""
    process = service.spawn()
    manager.wait(lambda message: "READY" in message)
    browser = set_up(service)
    status, copy, _ = browser.post("/settings/backup")
    assert status == 200
    found = re.search(r'name="name" value="([0-9a-f]{16})"', browser.bring(copy)[1])
    assert found is not None
    assert browser.post("/settings/backup/restore", name=found[1])[0] == 200
    manager.wait(lambda m: m.get("STATUS") == "A backup takes the database's place")
    until(lambda: sum("READY" in m for m in manager.look()) == 2, "it is up again", PATIENCE)
    assert not any("STOPPING" in message for message in manager.look())
    fed(manager)
    assert process.poll() is None
    assert "A backup was restored" in service.log_text()


def _state(process: subprocess.Popen[bytes]) -> str:
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0]


def test_without_systemd_nothing_of_it_is_noticed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    service.start()
    assert "systemd" not in service.log_text()
    assert service.stop() == 0
