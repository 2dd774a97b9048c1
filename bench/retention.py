"""Retention at work beside a trickle, and held back, in turns: does a text notice?

Used by `scale.py`. Retention prunes only by a clock that is known to be right, so the setting
`clock_trusted` lets it go and holds it back. The turns make what the machine's disk does by itself
fall on both sides alike; one after the other they would compare two different half hours. What the
disk does is told by a process that syncs 8 KiB ten times a second.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from bench.load import Sink, Trickle, latencies
from bench.support import Appliance, memory, percentile, say

HELD_BACK, AT_WORK = 15, 45
"""Seconds of a turn."""
SETTLE = 2.5
"""Seconds in which the service has heard of the setting, and the last step is over."""
LONGEST = 5400.0
"""Seconds after which it is given up."""
_MESSAGES = "SELECT count(*) FROM messages"
_PROGRAM = """
from mmconnect.delivery import janitor
janitor.SWEEP = 1.0
give_back = janitor.Janitor._give_back
async def at_work(self):
    if self._may_prune():
        await give_back(self)
janitor.Janitor._give_back = at_work
from mmconnect.cli import main
raise SystemExit(main())
"""
"""As shipped, but that a sweep goes on a second after it was held back, rather than a minute, and
that the file is shortened only while retention is at work."""


def trickle(gateway: Appliance, sink: Sink, first: int, seconds: int) -> list[float]:
    """Five texts a second; seconds from push to webhook."""
    pushes = Trickle(gateway.service.phone, gateway.token, first, seconds * 5, 5).join()
    assert all(push.status == 200 for push in pushes)
    sink.wait(len(pushes))
    return latencies(pushes, sink.take())


def _probe(at: Path, told: Connection) -> None:
    """Sync a little again and again; seconds that each took, to whoever asks."""
    took: list[float] = []
    with at.open("wb", buffering=0) as file:
        while True:
            file.seek(0)
            file.write(bytes(8192))
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - begun)
            if told.poll(0.1):
                told.recv()
                told.send(took)
                took = []


@contextlib.contextmanager
def disk_probe(folder: Path) -> Iterator[Callable[[], list[float]]]:
    """A function that tells how long the syncs took since it was called before."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=_probe, args=(folder / "probe", there), daemon=True)
    process.start()

    def tell() -> list[float]:
        here.send(None)
        return list(here.recv())

    try:
        yield tell
    finally:
        process.kill()


@dataclass(slots=True)
class _Side:
    """What was seen in all turns of one kind, in seconds."""

    late: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)
    removed: int = 0


@dataclass(slots=True)
class Dropped:
    """What came of it."""

    held_back: _Side = field(default_factory=_Side)
    at_work: _Side = field(default_factory=_Side)
    removed: int = 0
    """Messages in all, also between the turns."""
    turns: int = 0
    seconds: float = 0.0
    log: float = 0.0
    """MB of the write-ahead log in the end."""
    peak: float = 0.0
    """MB of memory at the most."""

    def report(self) -> int:
        """Print the table; how many gates were missed."""
        held, work = self.held_back, self.at_work

        def line(what: str, a: float, b: float, gate: str = "") -> str:
            return f"| {what} | {a * 1e3:.2f} ms | {b * 1e3:.2f} ms | {b / a:.2f} × | {gate} |"

        def at(side: list[float], share: float) -> float:
            return percentile(side, share)

        missed = at(work.late, 0.99) > 2 * at(held.late, 0.99)
        slow = [sum(late > 0.03 for late in side.late) / len(side.late) for side in (held, work)]
        say(
            "",
            f"Retention beside five texts a second: {self.removed:,} messages removed in"
            f" {self.seconds:,.0f} s; {work.removed:,} of them in {self.turns} turns of {AT_WORK}"
            f" s, {held.removed:,} in as many of {HELD_BACK} s in which it was held back:",
            "",
            f"| | held back ({len(held.late):,} texts) | at work ({len(work.late):,}) | ratio"
            " | gate |",
            "|---|---|---|---|---|",
            line("p50", at(held.late, 0.5), at(work.late, 0.5)),
            line("p95", at(held.late, 0.95), at(work.late, 0.95)),
            line(
                "p99",
                at(held.late, 0.99),
                at(work.late, 0.99),
                f"≤ 2{' MISSED' if missed else ''}",
            ),
            line("worst", max(held.late), max(work.late)),
            f"| later than 30 ms | {slow[0]:.2%} | {slow[1]:.2%} | | |",
            line("the disk's own sync, p99", at(held.disk, 0.99), at(work.disk, 0.99)),
            "",
            f"log {self.log:.1f} MB, peak memory {self.peak:.1f} MB",
        )
        return int(missed)


def drop_half(
    gateway: Appliance, sink: Sink, folder: Path, *, keep_days: int, removed: float
) -> Dropped:
    """A trickle while that many messages, older than `keep_days`, are removed in turns."""
    gateway.service.program = [sys.executable, "-c", _PROGRAM]
    found, first = Dropped(), 10**7
    _set(gateway, "clock_trusted", "off")
    _set(gateway, "retention_messages", f"{keep_days}d")
    os.sync()  # what the building left behind is not to be written meanwhile
    gateway.start()
    try:
        with disk_probe(folder) as probe:
            begun, had = time.monotonic(), gateway.service.count(_MESSAGES)
            while found.removed < removed:
                sides = [(found.held_back, "off", HELD_BACK), (found.at_work, "on", AT_WORK)]
                for side, trusted, seconds in sides if found.turns % 2 == 0 else sides[::-1]:
                    _set(gateway, "clock_trusted", trusted)
                    time.sleep(SETTLE)
                    probe()
                    before = gateway.service.count(_MESSAGES)
                    late = trickle(gateway, sink, first, seconds)
                    had += len(late)
                    left = gateway.service.count(_MESSAGES)
                    side.removed += before + len(late) - left
                    found.removed = had - left
                    side.disk += probe()
                    side.late += late
                    first += 1000
                found.turns += 1
                if found.turns % 10 == 0:
                    say(f"{found.turns} turns: {found.removed:,} removed")
                if time.monotonic() - begun > LONGEST:
                    say("that is as far as it came in time")
                    break
            found.seconds = time.monotonic() - begun
        found.log = gateway.database_bytes[1] / 2**20
        found.peak = memory(gateway.pid)[2]
    finally:
        gateway.service.stop()
    return found


def _set(gateway: Appliance, name: str, value: str) -> None:
    told = gateway.service.run("settings", "set", name, value)
    assert told.returncode == 0, told.stderr
