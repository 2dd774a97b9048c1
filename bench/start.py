"""How long from the command to the first text taken, and what the process holds while it idles.

`python -m bench.start PROGRAM…` for each program (of two forms of a build, and `source`), with
HTTPS and without it, in turns: so a machine that slows down slows all of them. Medians. What it
computes meanwhile says more than the time, on a machine that has other work.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.support import cpu, memory
from tests.support.service import ROOT, ask

ROUNDS = int(os.environ.get("START_ROUNDS", "5"))
IDLE = float(os.environ.get("START_IDLE", "3"))
"""Seconds after which memory is read."""
LISTEN = "127.0.0.1:0"
NOTE = "mmconnect.lock"


def words(program: str) -> list[str]:
    """Its command line."""
    return [sys.executable, "-m", "mmconnect"] if program == "source" else [program]


def family(pid: int) -> Iterator[int]:
    """A process and its children: the one-file build has one."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        yield from family(int(child))


def furnished(directory: Path, program: str, tls: bool) -> str:
    """A data directory with a phone, and with a certificate; the phone's token."""
    line, where = words(program), ["--data-dir", str(directory), "--json"]
    phone = [*line, "device", "add", "--name", "Phone", "--app", "generic", *where]
    made = subprocess.run(phone, check=True, capture_output=True, cwd=ROOT)
    if tls:
        subprocess.run([*line, "tls", "create-ca", *where], check=True, capture_output=True)
    return str(json.loads(made.stdout)["token"])


def measured(program: str, directory: Path, token: str, tls: bool) -> tuple[float, ...]:
    """Seconds to the first text taken, and of CPU; RSS and PSS of it all, idle, in MB of 2^20."""
    (directory / NOTE).unlink(missing_ok=True)
    secure = LISTEN if tls else "off"
    options = ["--admin-listen", LISTEN, "--phone-listen", LISTEN]
    options += ["--phone-tls-listen", secure, "--admin-tls-listen", secure]
    begun = time.monotonic()
    process = subprocess.Popen(
        [*words(program), "serve", "--data-dir", str(directory), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        while not (phone := listening(directory)):
            time.sleep(0.002)
        text = json.dumps({"from": "+15550100", "text": "hello", "id": str(begun)}).encode()
        status, _, said = ask(phone, "POST", f"/in/{token}", text)
        took = time.monotonic() - begun
        assert status == 200, said
        computed = sum(map(cpu, family(process.pid)))
        time.sleep(IDLE)
        held = [memory(pid) for pid in family(process.pid)]
        return took, computed, sum(rss for rss, _, _ in held), sum(pss for _, pss, _ in held)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def listening(directory: Path) -> tuple[str, int] | None:
    """Where phones push to, as soon as it says so."""
    try:
        host, _, port = json.loads((directory / NOTE).read_bytes())["phone"][0].rpartition(":")
    except (OSError, ValueError, LookupError):
        return None
    return host, int(port)


def main() -> None:
    """Print a row for each program, with HTTPS and without."""
    programs = sys.argv[1:] or ["source"]
    seen: dict[tuple[str, bool], list[tuple[float, ...]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as scratch:
        for n in range(ROUNDS + 1):
            for number, program in enumerate(programs):
                for tls in (False, True):
                    place = Path(scratch) / f"{number}-{tls}"
                    if n == 0:  # the first start makes the database, and warms the disk's cache
                        place.mkdir()
                        (place / "token").write_text(furnished(place / "data", program, tls))
                    token = (place / "token").read_text()
                    row = measured(program, place / "data", token, tls)
                    if n:
                        seen[program, tls].append(row)
    print("| program | HTTPS | first text taken, s | CPU, s | RSS, MB | PSS, MB |")
    print("|---|---|---|---|---|---|")
    for (program, tls), rows in seen.items():
        took, computed, rss, pss = (statistics.median(column) for column in zip(*rows, strict=True))
        https = "on" if tls else "off"
        print(f"| {program} | {https} | {took:.2f} | {computed:.2f} | {rss:.1f} | {pss:.1f} |")


if __name__ == "__main__":
    main()
