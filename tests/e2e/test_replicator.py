"""A continuous replicator beside mmconnect: nothing is lost, the log ends, its replica is whole.

With a stand-in that does what one does, and with Litestream itself where that is (`make long`, with
LITESTREAM naming the program).
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.store.connection import CHECKPOINT, PAGE
from tests.support.phones import generic_json
from tests.support.replicator import committed
from tests.support.service import ROOT, Service, ask, until

TEXTS, SIZE = 240, 12_000
LITESTREAM = os.environ.get("LITESTREAM") or shutil.which("litestream")
PATIENCE = 90.0


class StandIn:
    """tests/support/replicator.py, in a process of its own."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.replica = folder / "replica.db"
        self.log = folder / "replicator.txt"
        database = service.directory / "mmconnect.db"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.replicator", str(database), self.replica],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(lambda: "ready" in self.log.read_text(), self.log.read_text, PATIENCE)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()

    def restored(self, to: Path) -> None:
        assert "lost 0" in self.log.read_text(), "nobody started the log anew behind its back"
        shutil.copyfile(self.replica, to)


class Litestream:
    """The real one, onto a folder."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.database = service.directory / "mmconnect.db"
        self.config = folder / "litestream.yml"
        self.log = folder / "replicator.txt"
        self.config.write_text(
            f"dbs:\n  - path: {self.database}\n    replica:\n      type: file\n"
            f"      path: {folder}/replica\n"
        )
        assert LITESTREAM is not None
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [LITESTREAM, "replicate", "-config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(lambda: "snapshot complete" in self.log.read_text(), self.log.read_text, PATIENCE)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def restored(self, to: Path) -> None:
        assert LITESTREAM is not None
        words = ["restore", "-config", str(self.config), "-o", str(to), str(self.database)]
        done = subprocess.run([LITESTREAM, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data").start()
    yield made
    made.kill()


@pytest.mark.parametrize("kind", [StandIn, pytest.param(Litestream, marks=pytest.mark.long)])
def test_all_that_was_acknowledged_is_in_its_replica_and_the_log_has_an_end(
    service: Service, tmp_path: Path, kind: type[StandIn | Litestream]
):
    if kind is Litestream and LITESTREAM is None:
        pytest.skip("there is no litestream on this machine (LITESTREAM names it)")
    token = service.cli("device", "add", "--name", "Reception")["token"]
    replicator = kind(service, tmp_path)
    acknowledged: list[str] = []

    def push(text: str) -> None:
        headers, body = generic_json({"from": "+6581230000", "text": text})
        assert ask(service.phone, "POST", f"/in/{token}", body, headers, PATIENCE)[0] == 200
        acknowledged.append(text)

    database = service.directory / "mmconnect.db"
    try:
        written = 0
        for n in range(TEXTS):
            push(f"text {n} {'x' * SIZE}")
            written += 3 * SIZE  # the text, the push, the body
            if n == TEXTS // 2:  # a backup beside it
                service.cli("backup", str(tmp_path / "backup.db"))
        assert written > 2 * CHECKPOINT

        def in_use() -> int:
            return committed(database)[0] * (PAGE + 24)

        def short() -> bool:
            push(f"and one more {len(acknowledged)}")
            return in_use() <= CHECKPOINT

        until(short, lambda: f"the log has {in_use()} bytes", PATIENCE, every=0.2)
        assert service.readyz() == (200, {})
        service.kill()
    finally:
        replicator.stop()

    copy = tmp_path / "restored.db"
    replicator.restored(copy)
    fresh = Service(tmp_path / "fresh" / "data")
    fresh.cli("restore", str(copy))
    with closing(sqlite3.connect(fresh.directory / "mmconnect.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        held = {text for (text,) in db.execute("SELECT text FROM messages")}
    assert set(acknowledged) - held == set()
    try:
        fresh.start()
        assert fresh.readyz() == (200, {})
    finally:
        fresh.kill()
