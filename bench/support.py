"""What the benchmarks of this folder share: an appliance, what the kernel knows of it, figures.

Everything goes through the public contract: the command line, the phone listener, webhooks.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import Service

RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results"))
SECRET = "whsec_bW1jb25uZWN0LWR1cmFiaWxpdHktc2VjcmV0LTMyYnk="


# -- the appliance -----------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Appliance:
    """A service on a directory of its own, with one phone."""

    service: Service
    token: str = ""

    @classmethod
    def furnish(cls, directory: Path) -> Appliance:
        """A data directory with a phone; not started yet."""
        made = cls(service=Service(directory / "data", directory))
        made.token = made.service.cli("device", "add", "--name", "Phone", "--app", "generic")[
            "token"
        ]
        return made

    def endpoint(self, url: str, *options: str) -> str:
        """Add an endpoint; its id."""
        return str(self.service.cli("endpoint", "add", url, "--secret", SECRET, *options)["id"])

    @property
    def pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    def start(self) -> float:
        """Start it; seconds until it has said that it is ready to everybody who asks."""
        begun = time.monotonic()
        self.service.start()
        while self.service.readyz()[0] != 200:
            time.sleep(0.005)
        return time.monotonic() - begun

    @property
    def database_bytes(self) -> tuple[int, int]:
        """(database, write-ahead log)"""
        at = self.service.directory / "mmconnect.db"
        wal = at.with_name(at.name + "-wal")
        return at.stat().st_size, wal.stat().st_size if wal.exists() else 0

    def pending(self) -> int:
        """Deliveries that wait or are under way."""
        return self.service.count(
            "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')"
            " + (SELECT count(*) FROM deliveries WHERE state = 'in_flight')"
        )

    def settled(self, within: float = 60.0) -> None:
        """Wait until nothing is under way."""
        end = time.monotonic() + within
        while self.pending():
            assert time.monotonic() < end, f"{self.pending()} are still under way"
            time.sleep(0.05)


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory that is gone afterwards; BENCH_TMP says on which disk."""
    path = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=os.environ.get("BENCH_TMP")))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# -- what the kernel knows of a process --------------------------------------------------------


def memory(pid: int) -> tuple[float, float, float]:
    """(RSS, PSS, peak RSS) in MB of 2^20."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text() + Path(f"/proc/{pid}/status").read_text()
    found = {k: int(v) / 1024 for k, v in re.findall(r"^(Rss|Pss|VmHWM):\s+(\d+) kB", told, re.M)}
    return found["Rss"], found["Pss"], found["VmHWM"]


def forget_peak(pid: int) -> None:
    """The peak counts from here on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (names are enough)


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208


def cpu(pid: int) -> float:
    """CPU seconds, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written(pid: int) -> int:
    """Bytes that the process caused to be sent to a disk."""
    told = Path(f"/proc/{pid}/io").read_text()
    return int(re.search(r"^write_bytes: (\d+)", told, re.M)[1])  # type: ignore[index]


# -- figures -----------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def say(*lines: str) -> None:
    """Print, and at once: these runs are long and watched."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
