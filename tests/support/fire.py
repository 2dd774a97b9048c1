"""What the tests under fire share: an appliance, endpoints of its own, and what it made of them.

The endpoints are receivers of the test's; the phone's texts are told apart by their text alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.burst import SECRET, Burst, Text
from tests.support.receiver import Act, Exchange, answer
from tests.support.service import Service, ask, until

PENDING = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
IN_FLIGHT = "SELECT count(*) FROM deliveries WHERE state = 'in_flight'"
OPEN = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'in_flight')"


def by_text(acts: dict[str, Act], otherwise: Act | None = None) -> Act:
    """Do with each text what is said for it."""

    async def act(exchange: Exchange) -> None:
        await (acts.get(exchange.arrival.text) or otherwise or answer())(exchange)

    return act


@dataclass
class Fire:
    """A service with one phone."""

    service: Service
    token: str
    endpoints: dict[str, str] = field(default_factory=dict)
    """Ids by name."""

    def endpoint(self, name: str, url: str, *options: str) -> str:
        """Add an endpoint; its id."""
        words = ("endpoint", "add", url, "--secret", SECRET, "--name", name, *options)
        self.endpoints[name] = str(self.service.cli(*words)["id"])
        if self.service.process is not None and self.service.process.poll() is None:
            self.service.noticed()
        return self.endpoints[name]

    def text(self, text: str, sender: str = "+15550100") -> str:
        """Push a text, which has to be taken; the message's id."""
        body = Text(f"id of {text}", sender, text).body
        kind = {"Content-Type": "application/json"}
        status, _, said = ask(self.service.phone, "POST", f"/in/{self.token}", body, kind)
        assert status == 200, said
        return str(json.loads(said)["id"])

    def texts(self, count: int, senders: int, first: int = 0) -> list[Text]:
        """Push so many at once; sender n gets every n-th, in order on one connection."""
        made = [
            Text(f"burst-{n}", f"+1555{n % senders:07d}", f"no {n}")
            for n in range(first, first + count)
        ]
        connections = 8
        of_line: list[list[Text]] = [[] for _ in range(connections)]
        for text in made:
            of_line[int(text.sender[-7:]) % connections].append(text)
        bursts = [Burst(self.service.phone, self.token, line, 1) for line in of_line if line]
        for burst in bursts:
            burst.join(300)
        assert all(text.acked for text in made)
        return made

    def state(self, name: str) -> dict[str, Any]:
        """The endpoint as the command line shows it."""
        listed = self.service.cli("endpoint", "list")
        return next(one for one in listed if one["id"] == self.endpoints[name])

    def posts(self, message_id: str) -> int:
        """How many attempts are recorded for a message."""
        return self.service.count(
            "SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id"
            " WHERE d.message_id = ?",
            message_id,
        )

    def settled(self, within: float = 60.0) -> None:
        """Nothing waits, nothing is under way."""
        until(
            lambda: not self.service.count(OPEN),
            lambda: f"{self.service.count(OPEN)} are settled",
            within,
            every=0.05,
        )

    def memory(self) -> float:
        """Peak resident megabytes since the last forget()."""
        told = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", told)[1]) / 1024  # type: ignore[index]

    def forget(self) -> None:
        """The peak counts from here on."""
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")

    @property
    def _pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid


@contextmanager
def under_fire(directory: Path, furnished: Path, token: str) -> Iterator[Fire]:
    """A service on a copy of a furnished directory: not started yet, killed at the end."""
    shutil.copytree(furnished, directory / "data")
    (directory / "data").chmod(0o700)
    service = Service(directory / "data", directory)
    try:
        yield Fire(service, token)
    finally:
        service.kill()


def overtaken(texts: Sequence[tuple[str, str]]) -> list[str]:
    """Which texts ("no 17"), in order of arrival, came after a later one of the same sender."""
    latest: dict[str, int] = {}
    late = []
    for sender, text in texts:
        number = int(text.split()[1])
        if number < latest.get(sender, -1):
            late.append(f"{text} of {sender} after no {latest[sender]}")
        latest[sender] = max(number, latest.get(sender, -1))
    return late


@contextmanager
def killed_at(service: Service, call: str, when: int, path: str) -> Iterator[None]:
    """`kill -9` at the so-manieth such system call on that file of the running service."""
    process = service.process
    assert process is not None
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    words += ["-e", f"inject={call}:signal=SIGKILL:when={when}", "-p", str(process.pid)]
    if path:
        words += ["-P", str(service.directory / path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as strace:
        try:
            attached(strace, process.pid)
            yield
            process.wait(60)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(60)


def attached(strace: subprocess.Popen[bytes], pid: int) -> None:
    """Wait until strace holds every thread; skip the test where it may not."""

    def all_held() -> bool:
        if strace.poll() is not None:
            assert strace.stdout is not None
            pytest.skip(f"strace cannot attach here: {strace.stdout.read().decode().strip()}")
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return not any("TracerPid:\t0\n" in (t / "status").read_text() for t in tasks)

    until(all_held, "strace is attached")


_ONCE_ALLOWED = """
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
from mmconnect.cli import main
raise SystemExit(main())
"""


def start_that_is_killed(service: Service, when: int, up: Callable[[], object]) -> bool:
    """Start it, and kill it at its so-manieth sync of the log; False when it lived until it's up.

    It begins only once strace holds it, so that no sync goes uncounted.
    """
    program, service.program = service.program, [sys.executable, "-c", _ONCE_ALLOWED]
    try:
        process = service.spawn()
    finally:
        service.program = program
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
    words += ["-e", f"inject=fdatasync:signal=SIGKILL:when={when}"]
    words += ["-P", str(service.directory / "mmconnect.db-wal"), "-p", str(process.pid)]
    stat = Path(f"/proc/{process.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it waits to begin")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as strace:
        try:
            attached(strace, process.pid)
            process.send_signal(signal.SIGCONT)
            until(lambda: process.poll() is not None or up(), "it is killed, or up", every=0.02)
            return process.poll() is not None
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(60)
            service.kill()


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
