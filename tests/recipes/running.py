"""A recipe's receiver, run as its user runs it: its own process, settings, credentials, state."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from mmconnect.webhook import signing
from tests.recipes.others import Other
from tests.support.receiver import free_port
from tests.support.service import ROOT, Address, ask, until

RECIPES = ROOT / "recipes"
SECRET = "whsec_bW1jb25uZWN0LXJlY2lwZXMtMzItYnl0ZXMtc2VjcmV0IQ=="


class Recipe:
    """One receiver; may be started again and again on the same state."""

    path = "/"

    def __init__(self, name: str, directory: Path, other: Other, **settings: str) -> None:
        self.name = name
        self.state = directory / "state"
        self.state.mkdir()
        credentials = directory / "credentials"
        credentials.mkdir()
        for key, value in {"WEBHOOK_SECRET": SECRET, **other.secrets}.items():
            (credentials / key.lower()).write_text(value + "\n")
        self.port = free_port()
        self.env = {
            "CREDENTIALS_DIRECTORY": str(credentials),
            "STATE_DIRECTORY": str(self.state),
            "LISTEN": f"127.0.0.1:{self.port}",
            "RETRY_SECONDS": "0.2",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": "",
            **settings,
        }
        self._other = other
        self._log = directory / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def command(self) -> list[str]:
        """With nothing but the standard library."""
        return [sys.executable, "-I", "-S", str(RECIPES / self.name / "receive.py")]

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def start(self) -> None:
        """Run it, until it listens."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**self.env, **getattr(self._other, "env", {})},
                stdout=log,
                stderr=log,
            )

        def listening() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            with socket.socket() as line:
                return line.connect_ex(self.address) == 0

        until(listening, lambda: f"it listens: {self.log}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Its store, from outside."""
        db = sqlite3.connect(self.state / "texts.db", timeout=60)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def settled(self) -> None:
        """Nothing waits any more."""
        until(
            lambda: not self.rows("SELECT 1 FROM texts WHERE state = 'waiting'"), lambda: self.log
        )

    def give(self, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """POST a body, signed as mmconnect signs unless told otherwise; the status."""
        if headers is None:
            headers = signed(body)
        return ask(self.address, "POST", self.path, body, headers)[0]


def signed(body: bytes, at: float | None = None, *secrets: str) -> dict[str, str]:
    """The headers that mmconnect sends with a body."""
    stamp = int(time.time() if at is None else at)
    made = signing.signature_headers(secrets or (SECRET,), json.loads(body)["id"], stamp, body)
    return {**made, "content-type": "application/json"}
