"""`message reread` of the real program, killed as often as it likes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.support.program import source_only
from tests.support.receiver import receiving
from tests.support.service import DB, ROOT, Service, ask, until

MANY = 60
KILLED = [sys.executable, "-m", "tests.support.killed"]


@source_only
def test_killed_again_and_again_every_text_is_delivered_once(tmp_path: Path) -> None:
    service = Service(tmp_path / "data").start()
    try:
        with receiving() as there:
            service.cli("endpoint", "add", there.url)
            made = service.cli("device", "add", "--name", "A", "--app", "generic")
            for number in range(MANY):
                body = json.dumps({"who": "+1555", "words": f"text {number}", "id": number + 1})
                target = f"/in/{made['token']}"
                assert ask(service.phone, "POST", target, body.encode())[0] == 200
            assert service.count("SELECT count(*) FROM deliveries") == 0
            with closing(sqlite3.connect(service.directory / DB, timeout=60)) as db, db:
                own = json.dumps({"from": "who", "text": "words"})
                db.execute("UPDATE devices SET mapping = ?", (own,))
            words = ["message", "reread", "--device", made["id"]]
            killed = 0
            for step in (20, 200, 45, 90, 130):
                done = subprocess.run(
                    [*KILLED, str(step), *words, "--data-dir", str(service.directory)],
                    stdout=subprocess.DEVNULL,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    check=False,
                )
                assert done.returncode in (0, -signal.SIGKILL)
                killed += done.returncode != 0
            assert killed >= 3
            told = service.cli(*words)
            assert {one["state"] for one in told} <= {"understood"}
            until(lambda: len(there.texts) >= MANY, lambda: f"{len(there.texts)} arrived")
            waiting = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
            until(lambda: service.count(waiting) == 0, "all are delivered")
            assert sorted(there.texts) == sorted(f"text {number}" for number in range(MANY))
    finally:
        service.kill()


def test_while_it_is_off_and_delivered_when_it_comes(tmp_path: Path) -> None:
    service = Service(tmp_path / "data").start()
    try:
        with receiving() as there:
            service.cli("endpoint", "add", there.url)
            made = service.cli("device", "add", "--name", "A")
            body = b'{"who":"+1555","words":"late"}'
            ask(service.phone, "POST", f"/in/{made['token']}", body)
            assert service.stop() == 0
            with closing(sqlite3.connect(service.directory / DB, timeout=60)) as db, db:
                db.execute("UPDATE devices SET mapping = ?", ('{"from":"who","text":"words"}',))
            (one,) = service.cli("message", "reread", "--device", made["id"])
            assert (one["state"], one["deliveries"]) == ("understood", 1)
            service.start()
            until(lambda: there.texts == ["late"], "it is delivered")
    finally:
        service.kill()
