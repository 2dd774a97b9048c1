"""A real mmconnect tells what is wrong with it, to whoever asks and to the alert URL.

What goes wrong is real: a full disk, another process's lock, a process that is stopped.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook

from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import Ids
from mmconnect.store import alerts, settings
from mmconnect.store.connection import connect, transaction
from tests.e2e.conftest import Gateway, furnish
from tests.e2e.test_faults import fill, locked, mounted, root, trouble, well
from tests.support.burst import Receiver, Text
from tests.support.service import ask, until

PROBED = 40.0
"""Seconds within which an idle appliance that is asked knows that it cannot commit."""


class Alerts:
    """Where the alert URL leads."""

    def __init__(self) -> None:
        self.secret = ""
        self.came: list[dict[str, Any]] = []
        alerts = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                Webhook(alerts.secret).verify(body, dict(self.headers))
                alerts.came.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.server.daemon_threads = True

    def wait(self, event: str, word: str = "", within: float = 60.0) -> dict[str, Any]:
        """The first event of that name with that word in it, once it has come."""

        def found() -> list[dict[str, Any]]:
            return [e for e in self.came if e["event"] == event and word in e["message"]]

        until(lambda: bool(found()), lambda: f"{event} comes, not only {self.came}", within)
        return found()[0]


@contextmanager
def alerting(gateway: Gateway) -> Iterator[Alerts]:
    """The alert URL is set, as the command line sets it."""
    there = Alerts()
    threading.Thread(target=there.server.serve_forever, daemon=True).start()
    clock = SystemClock()
    db = connect(gateway.service.directory / "mmconnect.db")
    with transaction(db):
        settings.put(db, "alert_url", f"http://127.0.0.1:{there.server.server_port}/alerts")
        there.secret = alerts.sync(db, Ids(clock), clock.now()) or ""
    db.close()
    try:
        yield there
    finally:
        there.server.shutdown()
        there.server.server_close()


def test_what_phones_do_wrong_is_told(gateway: Gateway) -> None:
    with alerting(gateway) as there:
        until(
            lambda: len(gateway.service.cli("endpoint", "list")) == 2,
            "the alert URL is an endpoint",
        )
        added = gateway.service.cli("device", "add", "--name", "Another")
        # a token that is not known yet: it looks at what was changed
        assert ask(gateway.service.phone, "GET", f"/in/{added['token']}")[0] == 200
        assert gateway.push(b"[1")[0] == 200
        told = there.wait("device.unrecognised")
        assert told["device"] == {"id": gateway.device_id, "name": "Phone"}
        assert gateway.text("one") == 200
        gateway.wait_delivered(1)
        gateway.service.cli("device", "remove", gateway.device_id)
        until(lambda: gateway.text("two") == 401, "the device is removed")
        for _ in range(50):
            assert gateway.text("three") == 401
        rejected = there.wait("device.rejected")
        assert "was removed here" in rejected["message"]
        assert {event["event"] for event in there.came} == {
            "device.unrecognised",
            "device.rejected",
        }, "and no text"
        listed = gateway.service.cli("message", "list", "--events")
        assert {m["id"] for m in listed} == {event["id"] for event in there.came}
        assert all(m["kind"] != "event" for m in gateway.service.cli("message", "list"))


@root
def test_a_disk_that_fills_up_and_is_freed(
    tmp_path: Path, receiver: Receiver, furnished: tuple[Path, str, str, str]
) -> None:
    with mounted(tmp_path / "disk", "40m") as disk:
        gateway = furnish(disk / "data", tmp_path, receiver, furnished)
        service = gateway.service.start()
        try:
            with alerting(gateway) as there:
                assert there.wait("system.warning", "MB are free")["warning"]["code"] == "disk"
                assert trouble(gateway) == {}, "a warning is not in the way"
                assert "MB are free" in service.page()
                fill(disk / "ballast")
                assert "disk" in trouble(gateway)
                # the log's own room may let one of them, and smaller writes, through
                until(
                    lambda: (
                        gateway.push(Text("x", "+15550100", "x" * 20_000).body)[0] == 503
                        and {"disk", "database"} <= set(trouble(gateway))
                    ),
                    "the disk is full",
                )
                (disk / "ballast").unlink()
                well(gateway)
                told = there.wait("system.warning", "could not be written")
                assert told["warning"]["code"] == "database"
                assert "the disk is full" in told["message"]
        finally:
            service.kill()


def test_a_lock_that_nobody_would_notice(gateway: Gateway) -> None:
    """Not one push comes: whoever asks is told the truth all the same."""
    assert trouble(gateway) == {}
    with locked(gateway):
        until(lambda: "database" in trouble(gateway), "it is noticed", PROBED, every=0.5)
    well(gateway)


def test_a_process_that_stands_still(gateway: Gateway) -> None:
    service, process = gateway.service, gateway.service.process
    assert process is not None
    until(lambda: service.readyz() == (200, {}), lambda: str(service.readyz()), every=0.5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(7)
    process.send_signal(signal.SIGCONT)
    status, problems = service.readyz()
    assert status == 503
    assert "stood still for" in problems["stall"]
    until(lambda: service.readyz() == (200, {}), lambda: str(service.readyz()), 40, every=0.5)
    status, _, body = ask(gateway.service.admin, "GET", "/metrics")
    assert status == 200
    (stalled,) = [
        s.value
        for family in text_string_to_metric_families(body.decode())
        for s in family.samples
        if s.name == "mmconnect_loop_stalled_seconds"
    ]
    assert stalled > 5, "the metric remembers it a minute"


def test_metrics_of_a_real_run(gateway: Gateway) -> None:
    gateway.texts("one", "two")
    gateway.wait_delivered(2)

    def figures() -> tuple[bytes, dict[str, float]]:
        status, headers, body = ask(gateway.service.admin, "GET", "/metrics")
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
        families = text_string_to_metric_families(body.decode())
        return body, {s.name: s.value for family in families for s in family.samples}

    # counted just after it is written down
    until(
        lambda: figures()[1]["mmconnect_delivery_attempts_total"] == 2,
        lambda: str(figures()[1]),
    )
    body, found = figures()
    assert found["mmconnect_sms_received_total"] == 2
    assert found["mmconnect_end_to_end_seconds_count"] == 2
    assert not [name for name in found if not name.startswith("mmconnect_")]
    proxied = ask(gateway.service.admin, "GET", "/metrics", headers={"X-Forwarded-For": "10.1.1.1"})
    assert proxied[0] == 401
    assert gateway.token.encode() not in body
    assert b"+1555" not in body


def test_a_log_for_programs(still: Gateway) -> None:
    still.service.start("--log-format", "json")
    still.receiver.status = 500
    still.texts("one")
    until(lambda: "failing" in still.service.log_text(), "the failure is logged")
    lines = [json.loads(line) for line in still.service.log_text().splitlines()]
    failed = next(line for line in lines if "delivery" in line)
    assert (failed["endpoint"], failed["attempt"]) == (still.endpoint_id, 1)
    assert (failed["outcome"], failed["status"]) == ("failing", 500)
    assert failed["ms"] >= 0
    assert failed["nextAttemptAt"].endswith("Z")
    with sqlite3.connect(still.service.directory / "mmconnect.db") as db:
        assert db.execute("SELECT id FROM deliveries").fetchall() == [(failed["delivery"],)]
    db.close()
