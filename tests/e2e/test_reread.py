"""`message reread` of the real program, killed as often as it likes."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.support.receiver import receiving
from tests.support.service import DB, ROOT, Service, ask, until

MANY = 60


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
            with closing(sqlite3.connect(service.directory / DB, timeout=10)) as db, db:
                own = json.dumps({"from": "who", "text": "words"})
                db.execute("UPDATE devices SET mapping = ?", (own,))
            words = ["message", "reread", "--device", made["id"]]
            chance, killed = random.Random(3), 0
            for _ in range(8):
                with subprocess.Popen(
                    [sys.executable, "-m", "mmconnect", *words, "--data-dir", service.directory],
                    stdout=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                ) as process:
                    try:
                        process.wait(0.3 + chance.random() * 0.4)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        killed += 1
            assert killed, "nothing was killed"
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
            with closing(sqlite3.connect(service.directory / DB)) as db, db:
                db.execute("UPDATE devices SET mapping = ?", ('{"from":"who","text":"words"}',))
            (one,) = service.cli("message", "reread", "--device", made["id"])
            assert (one["state"], one["deliveries"]) == ("understood", 1)
            service.start()
            until(lambda: there.texts == ["late"], "it is delivered")
    finally:
        service.kill()
