"""A gateway that comes and goes on one port, and `mmconnect push` as modems and scripts run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import BUILD, PROGRAM, without_loaders
from tests.support.receiver import free_port
from tests.support.service import ROOT, Service, until

HERE = Path(__file__).parent
SENDER = "+6581230000"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those who push run the program; the other tests call its parts."""
    for item in items:
        if HERE in item.path.parents and "push" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.program)


@dataclass
class Pusher:
    """`mmconnect push` with one spool, URL and token."""

    spool: Path
    url: str
    token: str
    environ: dict[str, str] = field(default_factory=dict)
    program: str = "tests.push.patient"
    """`mmconnect` where no answer comes, and a call has to end all the same."""

    def words(self, *words: str) -> list[str]:
        ours = PROGRAM if BUILD else [sys.executable, "-m", self.program]
        return [*ours, "push", "--spool", str(self.spool), *words]

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MMCONNECT_")}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MMCONNECT_PUSH_URL": self.url,
            "MMCONNECT_PUSH_TOKEN": self.token,
            **self.environ,
        }

    def start(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        how = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, "text": True} | how
        return subprocess.Popen(self.words(*words), env=self.environment(), **how)

    def __call__(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            env=self.environment(),
            input=given or "",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def text(self, text: str, *words: str) -> dict[str, Any]:
        """Push one text, which succeeds; what the command says of it."""
        done = self("--from", SENDER, "--text", text, "--json", *words)
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        assert isinstance(told, dict)
        return told

    # -- what is left of it -----------------------------------------------------------------------

    @property
    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.spool.glob("*.text"))

    @property
    def log(self) -> str:
        path = self.spool / "push.log"
        return path.read_text() if path.exists() else ""

    @property
    def drains(self) -> list[int]:
        """Processes that deliver from this spool."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"--drain" in words and str(self.spool).encode() in words:
                        found.append(int(entry.name))
        return without_loaders(found)

    def kill_drains(self) -> int:
        killed = self.drains
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.drains, "they are gone")
        return len(killed)


@dataclass
class Gateway:
    """mmconnect, with one device for the modem; comes back on the port it had."""

    service: Service
    token: str
    device: str

    @property
    def url(self) -> str:
        host, port = self._phone
        return f"http://{host}:{port}"

    def __post_init__(self) -> None:
        self._phone = self.service.phone

    def goes(self) -> None:
        self.service.kill()

    def comes(self) -> None:
        self.service.start("--phone-listen", f"{self._phone[0]}:{self._phone[1]}")

    @property
    def texts(self) -> list[str]:
        with self.service.looking() as db:
            return [t for (t,) in db.execute("SELECT text FROM messages ORDER BY rowid")]

    def has(self, *texts: str) -> None:
        until(lambda: len(self.texts) >= len(texts), lambda: f"{texts} arrive: {self.texts}")
        assert self.texts == list(texts)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    service = Service(tmp_path / "data").start("--phone-listen", f"127.0.0.1:{free_port()}")
    try:
        made = service.cli("device", "add", "--name", "Modem", "--app", "gammu")
        yield Gateway(service, made["token"], made["id"])
    finally:
        service.kill()


@pytest.fixture
def push(gateway: Gateway, tmp_path: Path) -> Iterator[Pusher]:
    made = Pusher(tmp_path / "spool", gateway.url, gateway.token)
    yield made
    made.kill_drains()
