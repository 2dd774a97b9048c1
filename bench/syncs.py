"""How often a text is synced to the disk: one at a time, in a burst, and at a trickle.

    python -m bench.syncs            (SYNCS_SECONDS=300; needs strace)

Counts fsync and fdatasync of the whole process, checkpoints included. The rule: at most 1.7 a text
one at a time, 0.5 in a burst, 2.1 at a trickle of five minutes. Exit code 1 when one is missed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Sink, Trickle, burst
from bench.support import Appliance, say, scratch

SECONDS = int(os.environ.get("SYNCS_SECONDS", "300"))
LIMITS = {"one at a time": 1.7, "burst": 0.5, "trickle": 2.1}


@contextmanager
def counted(pid: int, log: Path) -> Iterator[None]:
    """strace, for as long as the block runs."""
    words = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fsync,fdatasync,sync_file_range"]
    with subprocess.Popen([*words, "-p", str(pid)]) as process:
        time.sleep(1)
        try:
            yield
        finally:
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            process.wait()


def calls(log: Path) -> int:
    """How many syncs strace saw."""
    return sum("sync" in line and "resumed" not in line for line in log.read_text().splitlines())


def main() -> None:
    """Count, print, judge."""
    if not shutil.which("strace"):
        sys.exit("bench.syncs needs strace")
    sink = Sink()
    missed = 0
    say("| texts | how | syncs a text | at most |", "|---|---|---|---|")
    with scratch("syncs") as folder:
        gateway = Appliance.furnish(folder)
        gateway.endpoint(sink.url)
        gateway.start()
        try:
            phone, token = gateway.service.phone, gateway.token
            burst(phone, token, 0, 500)
            gateway.settled()
            for number, (how, limit) in enumerate(LIMITS.items(), 1):
                sink.take()
                log = folder / f"strace-{number}"
                with counted(gateway.pid, log):
                    first = number * 10**6
                    if how == "trickle":
                        texts = len(Trickle(phone, token, first, SECONDS * 5, 5).join())
                    else:
                        lines = 1 if how == "one at a time" else 32
                        texts = len(burst(phone, token, first, 200 if lines == 1 else 2000, lines))
                    gateway.settled()
                each = calls(log) / texts
                bad = each > limit
                missed += bad
                say(f"| {texts:,} | {how} | {each:.2f} | {limit}{' MISSED' if bad else ''} |")
        finally:
            gateway.service.stop()
            sink.close()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
