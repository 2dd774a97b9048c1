"""What one text costs the disk: bytes and fsyncs, at a trickle, by the kernel's counters.

    make wear                     (WEAR_SECONDS=180 WEAR_RATE=4)

The data directory lies on an ext4 image of its own on a loop device, so what the block device is
told to write, the file system's journal included, is this service's alone. Then the same trickle
again under strace, which says what went into which file and how often each was synced. Needs root,
loop devices, mkfs.ext4 and strace. Judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.load import Sink, Trickle, burst
from bench.support import Appliance, cpu, say, scratch, written

SECONDS = int(os.environ.get("WEAR_SECONDS", "180"))
RATE = float(os.environ.get("WEAR_RATE", "4"))
HISTORY = int(os.environ.get("WEAR_HISTORY", "5000"))
"""Texts before the measuring begins: the log has its size, the indexes have some depth."""
ALONE = "BENCH_WEAR_ALONE"


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[tuple[Path, Path]]:
    """An ext4 file system of its own: where it is, and its block device's counters."""
    image, at = folder / "image", folder / "disk"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(2**30)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, at], check=True)
    try:
        told = subprocess.run(
            ["findmnt", "-no", "SOURCE", at], check=True, capture_output=True, text=True
        )
        yield at, Path("/sys/block") / Path(told.stdout.strip()).name / "stat"
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def sectors(stat: Path) -> int:
    """Bytes that the block device was told to write (field 7 counts 512-byte sectors)."""
    return int(stat.read_text().split()[6]) * 512


def trickle(gateway: Appliance, sink: Sink, first: int) -> int:
    """Push for SECONDS; how many were pushed, all of which were delivered."""
    count = int(SECONDS * RATE)
    pushes = Trickle(gateway.service.phone, gateway.token, first, count, RATE).join()
    assert all(push.status == 200 for push in pushes)
    gateway.settled()
    assert len(sink.take()) == count
    return count


@contextlib.contextmanager
def watched(pid: int, log: Path) -> Iterator[None]:
    """strace, for as long as the block runs."""
    calls = "pwrite64,pwritev,write,fsync,fdatasync,ftruncate"
    words = ["strace", "-f", "-y", "-qq", "-s", "0", "-o", str(log), "-e", f"trace={calls}"]
    with subprocess.Popen([*words, "-p", str(pid)]) as process:
        time.sleep(1)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def files(log: Path) -> tuple[Counter[str], Counter[str]]:
    """Bytes written and syncs, by file (`db`, `wal`, other), as strace saw them."""
    bytes_, syncs = Counter[str](), Counter[str]()
    unfinished: dict[str, tuple[str, str]] = {}
    for line in log.read_text(errors="replace").splitlines():
        pid = line.split(None, 1)[0]
        if (again := re.search(r"<\.\.\. (\w+) resumed>.*= (-?\d+)", line)) and pid in unfinished:
            call, path = unfinished.pop(pid)
            size = int(again[2])
        elif begun := re.search(r"(\w+)\(\d+<([^>]*)>", line):
            call, path = begun[1], begun[2]
            if "<unfinished" in line:
                unfinished[pid] = (call, path)
                continue
            size = int(done[1]) if (done := re.search(r"= (-?\d+)", line)) else 0
        else:
            continue
        name = {"mmconnect.db": "database", "mmconnect.db-wal": "log"}.get(Path(path).name)
        if name is None:
            continue
        if "sync" in call:
            syncs[name] += 1
        elif "write" in call:
            bytes_[name] += max(0, size)
    return bytes_, syncs


def main() -> None:
    """Print the table."""
    if ALONE not in os.environ:
        for tool in ("strace", "mkfs.ext4", "unshare", "findmnt"):
            if os.geteuid() or not shutil.which(tool):
                sys.exit(f"make wear needs root and {tool}")
        # mounts in a name space of its own: they end with this process, whatever becomes of it
        os.environ[ALONE] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-m", "bench.wear"])  # noqa: S606
    sink = Sink()
    with scratch("wear") as folder, disk(folder) as (at, stat):
        gateway = Appliance.furnish(at)
        gateway.endpoint(sink.url)
        gateway.start()
        try:
            burst(gateway.service.phone, gateway.token, 0, HISTORY)
            gateway.settled()
            sink.take()
            os.sync()
            before = sectors(stat), written(gateway.pid), cpu(gateway.pid)
            count = trickle(gateway, sink, 10**6)
            process = written(gateway.pid) - before[1]
            spent = cpu(gateway.pid) - before[2]
            os.sync()
            device = sectors(stat) - before[0]
            log = folder / "strace"
            with watched(gateway.pid, log):
                again = trickle(gateway, sink, 2 * 10**6)
                time.sleep(1)
            bytes_, syncs = files(log)
        finally:
            gateway.service.stop()
            sink.close()
    say(
        f"{count} texts at {RATE:g} a second, {HISTORY} before them; per text:",
        "",
        "| what | per text |",
        "|---|---|",
        f"| the device wrote, the file system's journal too | {device / count:,.0f} bytes |",
        f"| the process caused to be written | {process / count:,.0f} bytes |",
        f"| written into the log | {bytes_['log'] / again:,.0f} bytes |",
        f"| written into the database (checkpoints) | {bytes_['database'] / again:,.0f} bytes |",
        f"| syncs of the log | {syncs['log'] / again:.2f} |",
        f"| syncs of the database | {syncs['database'] / again:.2f} |",
        f"| CPU | {spent / count * 1e6:,.0f} µs |",
    )


if __name__ == "__main__":
    main()
