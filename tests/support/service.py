"""The real mmconnect: its process on a data directory of its own, started, killed, looked into.

Ports are free loopback ones, which the service writes into its lock file; a note counts only when
it carries the pid of this very process. Output goes to files beside the data, never into a pipe
that nobody empties.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import program

ROOT = Path(__file__).resolve().parents[2]
DB = "mmconnect.db"
PATIENCE = 60.0
"""Seconds after which whatever a test waits for counts as never coming: machines stall."""

Address = tuple[str, int]


def until(
    told: Callable[[], object],
    what: str | Callable[[], str],
    within: float = PATIENCE,
    every: float = 0.01,
) -> float:
    """Poll until `told()` is true; how many seconds it took. Fails with `what` after `within`."""
    begun = time.monotonic()
    while not told():
        if time.monotonic() - begun > within:
            raise AssertionError(
                f"not within {within} s: {what if isinstance(what, str) else what()}"
            )
        time.sleep(every)
    return time.monotonic() - begun


class Service:
    """One `mmconnect serve`; may be started again and again on the same data."""

    def __init__(self, directory: Path, notes: Path | None = None, *options: str) -> None:
        """`notes`: where its output goes; beside the data directory unless told."""
        self.directory = directory
        self._notes = notes or directory.parent
        self._options = options
        self._program = program.PROGRAM
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def program(self) -> list[str]:
        """Its command line, without the words of a command."""
        return self._program

    @program.setter
    def program(self, words: list[str]) -> None:
        if program.BUILD is not None:
            pytest.skip(program.WHY)
        self._program = words

    # -- life -----------------------------------------------------------------------------------

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the process, and wait for nothing."""
        words = [*self.program, "serve", "--data-dir", str(self.directory)]
        defaults = {
            "--admin-listen": "127.0.0.1:0",
            "--phone-listen": "127.0.0.1:0",
            "--phone-tls-listen": "off",
            "--admin-tls-listen": "off",
        }
        given = [*self._options, *options]
        for flag, value in defaults.items():
            if flag not in given:
                given += [flag, value]
        with self.out.open("ab") as out, self.log.open("ab") as log:
            self.process = program.start(
                [*words, *given],
                stdout=out,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        return self.process

    def start(self, *options: str) -> Service:
        """Start, and wait until it says where it listens."""
        process = self.spawn(*options)

        def listening() -> bool:
            assert process.poll() is None, f"it ended ({process.returncode}): {self.log_text()}"
            return bool(self._note())

        until(listening, lambda: f"the service listens: {self.log_text()}")
        return self

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def stop(self, within: float = PATIENCE) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    @property
    def out(self) -> Path:
        return self._notes / "stdout.txt"

    @property
    def log(self) -> Path:
        return self._notes / "stderr.txt"

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    # -- where it is, and how -------------------------------------------------------------------

    def _note(self) -> dict[str, Any]:
        try:
            note = json.loads((self.directory / "mmconnect.lock").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        assert self.process is not None
        return note if note["pid"] == self.process.pid and note["phone"] else {}

    @property
    def phone(self) -> Address:
        return _address(self._note()["phone"][0])

    @property
    def admin(self) -> Address:
        return _address(self._note()["admin"][0])

    def cookie(self) -> dict[str, str]:
        """What a browser sends that is logged in, over HTTP and HTTPS."""
        now, cookie = time.time_ns() // 1_000_000, "cookie-of-the-tests"
        values = ("ses_tests", hashlib.sha256(cookie.encode()).digest(), now, now, now)
        with closing(sqlite3.connect(self.directory / DB, timeout=PATIENCE)) as db, db:
            db.execute("INSERT OR IGNORE INTO account VALUES (1, 'none', 0, 0)")
            db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, NULL, NULL)", values)
        return {"Cookie": f"mmconnect={cookie}; __Host-mmconnect={cookie}"}

    def page(self, path: str = "/") -> str:
        """A page of the admin side, as whoever is logged in sees it."""
        status, _, body = ask(self.admin, "GET", path, headers=self.cookie())
        assert status == 200, body.decode()
        return body.decode()

    def readyz(self) -> tuple[int, dict[str, str]]:
        """The status of /readyz, and its problems."""
        status, _, body = ask(self.admin, "GET", "/readyz")
        return status, json.loads(body)["problems"]

    # -- its command line -----------------------------------------------------------------------

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the same data directory."""
        return subprocess.run(
            [*self.program, *words, "--data-dir", str(self.directory)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
            env=_environment(),
        )

    def cli(self, *words: str) -> Any:
        """Run a command that has to succeed; its JSON document."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, f"mmconnect {' '.join(words)}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    # -- its database, from outside ---------------------------------------------------------------

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """The live database, read-only."""
        db = sqlite3.connect(f"file:{self.directory / DB}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            yield db
        finally:
            db.close()

    @contextmanager
    def autopsy(self, to: Path) -> Iterator[sqlite3.Connection]:
        """A copy of what a kill left behind; the original is left for the service to recover."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        for name in (DB, f"{DB}-wal"):
            if (self.directory / name).exists():
                shutil.copyfile(self.directory / name, to / name)
        db = sqlite3.connect(to / DB)
        try:
            yield db
        finally:
            db.close()

    def write(self, sql: str, *values: object) -> None:
        """Change the database, as another program would; a running service notices."""
        with closing(sqlite3.connect(self.directory / DB, timeout=PATIENCE)) as db, db:
            db.execute(sql, values)
            db.execute("UPDATE revision SET number = number + 1")

    def noticed(self) -> None:
        """Until it has looked at what was changed, as it does when a token is unknown to it."""
        assert ask(self.phone, "GET", "/in/nobodys")[0] in (401, 429)

    def due(self) -> None:
        """Whatever waits for its next attempt is due now."""
        self.write("UPDATE deliveries SET due_at = 1 WHERE state = 'pending'")

    def count(self, sql: str, *values: object) -> int:
        """One number out of the live database."""
        with self.looking() as db:
            return int(db.execute(sql, values).fetchone()[0])


def ask(
    at: Address,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    within: float = PATIENCE,
) -> tuple[int, dict[str, str], bytes]:
    """One request; status, headers in lower case, body."""
    connection = http.client.HTTPConnection(*at, timeout=within)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
