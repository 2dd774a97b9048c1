"""The power is cut at many moments of one busy run: whatever the disk then holds is whole.

The run is recorded, and the record is played back up to each moment (tests/support/power). Some of
what is found then is started for real: everything that was promised is delivered.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.store.connection import connect
from tests.e2e.conftest import NOT_DELIVERED, Gateway
from tests.support import power, recorded
from tests.support.burst import Burst, Receiver, Text
from tests.support.program import source_only
from tests.support.service import DB, Service, until

INSTANTS = int(os.environ.get("POWER_INSTANTS", "30"))
TEXTS = int(os.environ.get("POWER_TEXTS", "150"))
STARTS = int(os.environ.get("POWER_STARTS", "1"))

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("POWER_SEED", random.randrange(10**6)))
    print(f"POWER_SEED={seed}")  # shown when the test fails
    return random.Random(seed)


@pytest.fixture
def texts() -> list[Text]:
    return [Text(f"e{n}", f"+1555{n % 30:07d}", f"text {n} {'x' * n}") for n in range(TEXTS)]


@pytest.mark.apt
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_whatever_is_lost_reordered_or_torn_it_opens_and_holds_what_was_promised(
    still: Gateway, tmp_path: Path, texts: list[Text], chance: random.Random
) -> None:
    service = still.service.start()
    record, directory = tmp_path / "record", service.directory
    assert service.process is not None
    pid = service.process.pid
    tracer = subprocess.Popen([*recorded.ATTACHED, "-o", str(record), "-p", str(pid)])
    try:
        until(lambda: _traced(pid), "each of its threads is traced", 60)
        disk, begun = _at_rest(directory, record)
        Burst(service.phone, still.token, texts).join(600)
        assert service.stop(120) == 0
        tracer.wait(60)
    finally:
        service.kill()
        tracer.kill()
        tracer.wait()

    events = [one for one in recorded.read(record, directory) if one.begun >= begun]
    counted = Counter(f"{one.call} {Path(one.path).name}" for one in events)
    print(sorted(counted.items()))
    assert counted[f"unlink {DB}-wal"] == 1, "the log goes at the last close"
    moments = sorted(chance.sample(range(len(events)), min(INSTANTS, len(events))))
    moments = sorted({*moments, *range(len(events) - 5, len(events))})
    for_real = {*chance.sample(moments, min(STARTS, len(moments)))}
    place, promised, lost = tmp_path / "found", 0, 0
    for number, event in enumerate(events):
        disk.play(event)
        if number not in moments:
            continue
        whole = disk.snapshot()
        for found in (whole, cut := disk.cut(chance), disk.cut(chance)):
            lost += found != whole
            _laid_down(found, directory, place)
            _whole(place, disk.acknowledged)
        promised = len(disk.acknowledged)
        if number in for_real:
            _laid_down(cut, directory, place)
            _starts(place, still.receiver, disk.acknowledged)
    print(f"{promised} promised; {lost} times something was missing")
    assert promised == TEXTS
    assert lost > len(moments) / 2


@source_only
def test_a_snapshot_at_any_moment_of_a_busy_run_is_whole(
    gateway: Gateway, tmp_path: Path, texts: list[Text], chance: random.Random
) -> None:
    """The process stands still while its files are copied: what a snapshot of the disk has."""
    service = gateway.service
    assert service.process is not None
    taken: list[tuple[Path, set[str]]] = []
    burst = Burst(service.phone, gateway.token, texts)
    for number in range(max(3, INSTANTS // 10)):
        burst.wait_acked(chance.randrange(TEXTS))
        acknowledged = {one.answer["id"] for one in texts if one.acked}
        service.process.send_signal(signal.SIGSTOP)
        try:
            until(lambda: _stands(service), "it stands still")
            place = tmp_path / f"snapshot-{number}"
            shutil.copytree(service.directory, place)
            taken.append((place, acknowledged))
        finally:
            service.process.send_signal(signal.SIGCONT)
    burst.join(600)
    assert service.stop(120) == 0
    for place, acknowledged in taken:
        _whole(place, acknowledged)
    _starts(taken[-1][0], gateway.receiver, taken[-1][1])


def _stands(service: Service) -> bool:
    assert service.process is not None
    try:
        tasks = Path(f"/proc/{service.process.pid}/task").iterdir()
        return all((one / "stat").read_text().rpartition(") ")[2][0] == "T" for one in tasks)
    except OSError:
        return False  # one has just ended


def _traced(pid: int) -> bool:
    try:
        threads = [one / "status" for one in Path(f"/proc/{pid}/task").iterdir()]
        return all("TracerPid:\t0" not in one.read_text() for one in threads)
    except OSError:
        return False  # one has just ended


def _at_rest(directory: Path, record: Path) -> tuple[power.Disk, int]:
    """The files, and the place in the record up to which they are as it says."""
    while True:
        before = record.read_bytes()
        disk = power.Disk.holding(directory)
        if record.read_bytes() == before:
            return disk, before.count(b"\n")


def _laid_down(found: power.Found, directory: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    power.put(found, directory, place)


def _whole(place: Path, acknowledged: set[str]) -> None:
    with closing(connect(place / DB)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {one for (one,) in db.execute("SELECT id FROM messages")}
        assert acknowledged <= stored, f"{len(acknowledged - stored)} promised texts are lost"


def _starts(place: Path, receiver: Receiver, acknowledged: set[str]) -> None:
    """What was not delivered is delivered now, and the doctor finds the database sound."""
    service = Service(place)
    with service.looking() as db:
        open_ = "SELECT message_id FROM deliveries WHERE state <> 'delivered'"
        waiting = {one for (one,) in db.execute(open_)}
    receiver.forget()
    try:
        service.start()
        until(lambda: not service.count(NOT_DELIVERED), "everything is delivered")
        assert waiting <= set(receiver.times)
        with service.looking() as db:
            delivered = {one for (one,) in db.execute("SELECT message_id FROM deliveries")}
        assert acknowledged <= delivered
        checks = service.run("doctor", "--full", "--json").stdout
        (database,) = (one for one in json.loads(checks)["checks"] if one["check"] == "database")
        assert database["mark"] == "ok", database
        assert service.stop() == 0
    finally:
        service.kill()
