"""The power is cut at many moments of one busy run: whatever the disk then holds is whole.

The run is recorded (strace), and the record is played back up to each moment (tests/support/power).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.store.connection import connect
from tests.e2e.conftest import Gateway
from tests.support import power
from tests.support.burst import Burst, Text
from tests.support.service import DB, until

INSTANTS = int(os.environ.get("POWER_INSTANTS", "60"))
TEXTS = int(os.environ.get("POWER_TEXTS", "300"))

pytestmark = [
    pytest.mark.apt,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
    pytest.mark.timeout(1800),
]


def test_whatever_is_lost_reordered_or_torn_it_opens_and_holds_what_was_promised(
    still: Gateway, tmp_path: Path
) -> None:
    seed = int(os.environ.get("POWER_SEED", random.randrange(10**6)))
    print(f"POWER_SEED={seed}")  # shown when the test fails
    chance = random.Random(seed)
    service = still.service.start()
    record, directory = tmp_path / "record", service.directory
    assert service.process is not None
    pid = service.process.pid
    tracer = subprocess.Popen([*power.STRACE, "-o", str(record), "-p", str(pid)])
    try:
        until(lambda: _traced(pid), "each of its threads is traced", 60)
        start, begun = _at_rest(directory, record)
        texts = [Text(f"e{n}", f"+1555{n % 30:07d}", f"text {n} {'x' * n}") for n in range(TEXTS)]
        Burst(service.phone, still.token, texts).join(600)
        assert service.stop(120) == 0
        tracer.wait(60)
    finally:
        service.kill()
        tracer.kill()
        tracer.wait()

    events = [one for one in power.read(record, directory) if one.begun >= begun]
    print(sorted(Counter(f"{one.call} {Path(one.path).name}" for one in events).items()))
    instants = sorted(chance.sample(range(len(events)), min(INSTANTS, len(events))))
    disk, place = power.Disk.holding(start), tmp_path / "found"
    promised, lost = 0, 0
    for number, event in enumerate(events):
        disk.play(event)
        if instants and number == instants[0]:
            instants.pop(0)
            for found in (disk.snapshot(), disk.cut(chance), disk.cut(chance)):
                lost += found != disk.snapshot()
                _whole(found, disk.acknowledged, place)
            promised = max(promised, len(disk.acknowledged))
    print(f"{promised} promised; {lost} times something was missing")
    assert promised > TEXTS / 2
    assert lost > 10


def _traced(pid: int) -> bool:
    try:
        threads = [one / "status" for one in Path(f"/proc/{pid}/task").iterdir()]
        return all("TracerPid:\t0" not in one.read_text() for one in threads)
    except OSError:
        return False  # one has just ended


def _at_rest(directory: Path, record: Path) -> tuple[dict[str, bytes], int]:
    """The files, and the place in the record up to which they are as it says."""
    while True:
        before = record.read_bytes()
        found = {
            str(directory / name): (directory / name).read_bytes() for name in (DB, f"{DB}-wal")
        }
        if record.read_bytes() == before:
            return found, before.count(b"\n")


def _whole(found: dict[str, bytes], acknowledged: set[str], place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path, content in found.items():
        if Path(path).name in (DB, f"{DB}-wal"):
            (place / Path(path).name).write_bytes(content)
    with closing(connect(place / DB)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {one for (one,) in db.execute("SELECT id FROM messages")}
        assert acknowledged <= stored, f"{len(acknowledged - stored)} promised texts are lost"
