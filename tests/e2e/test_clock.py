"""The real process under a clock that jumps: by days, to 1970, by twenty years, running or not.

libfaketime gives the process another wall clock, and leaves the monotonic ones alone, as a machine
does whose clock is set. What the kernel says of synchronisation is the test's to decide.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NOT_DELIVERED, Gateway
from tests.support.service import DB, until

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
pytestmark = [
    pytest.mark.apt,
    pytest.mark.skipif(not _LIBRARIES, reason="needs libfaketime (apt-get install faketime)"),
]

DAY = 86_400
YEARS = 20 * 365 * DAY
TEXTS = 2
"""Fewer than hold an endpoint that fails."""
WAIT = 8.0
"""Seconds that all texts have still to wait when the clock is set."""

_PROGRAM = """
import os
from mmconnect.service import clock_sync
clock_sync._ask_kernel = lambda to: 0 if os.path.exists({ntp!r}) else 5
from mmconnect.cli import main
raise SystemExit(main())
"""


class World:
    """What time it is for the service, and whether its kernel knows."""

    def __init__(self, directory: Path, gateway: Gateway) -> None:
        self._offset, self._ntp = directory / "offset", directory / "ntp"
        self.gateway, self.service = gateway, gateway.service
        gateway.service.program = [sys.executable, "-c", _PROGRAM.format(ntp=str(self._ntp))]
        self.offset(0)

    def offset(self, seconds: int) -> None:
        """The service's clock is set, to that many seconds beside ours."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._offset)  # never half a number

    def is_1970(self) -> None:
        self.offset(60 - int(time.time()))

    def synchronised(self) -> None:
        self._ntp.touch()

    def wait_attempts(self, count: int) -> None:
        """That many attempts are recorded, and nothing is in flight."""
        until(
            lambda: (
                self.service.count("SELECT count(*) FROM attempts") >= count
                and not self.service.count(
                    "SELECT count(*) FROM deliveries WHERE state = 'in_flight'"
                )
            ),
            lambda: f"{count} attempts are recorded: {self.service.log_text()[-2000:]}",
        )

    def failing_texts(self) -> tuple[float, float]:
        """Texts of two senders have failed, and all wait WAIT seconds from the first monotonic time
        that is given; what arrives after the second one has waited."""
        self.gateway.receiver.status = 500
        for n in range(TEXTS):
            assert self.gateway.text(f"t{n}", f"+1555000{n % 2}") == 200
        self.wait_attempts(TEXTS)
        begun, due = time.monotonic(), self.now + round(WAIT * 1000)
        self.write("UPDATE deliveries SET due_at = ? WHERE state = 'pending'", due)
        self.write("UPDATE revision SET number = number + 1")
        self.gateway.receiver.status = 200
        return begun, time.monotonic()

    @property
    def now(self) -> int:
        """What the service takes for the time, UTC ms."""
        return time.time_ns() // 1_000_000 + int(self._offset.read_text()) * 1000

    def write(self, sql: str, *values: object) -> None:
        """Write into the live database, as another program would."""
        with contextlib.closing(sqlite3.connect(self.service.directory / DB, timeout=60)) as db, db:
            db.execute(sql, values)

    def all_delivered(self) -> None:
        """All is delivered, none expired, and nobody was sent more than the schedule has it."""
        until(
            lambda: not self.service.count(NOT_DELIVERED),
            lambda: f"all is delivered: {self.states()} {self.service.log_text()[-3000:]}",
            within=60,
        )
        assert set(self.states()) == {"delivered"}

    def states(self) -> dict[str, int]:
        with self.service.looking() as db:
            return dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))

    def times(self) -> dict[str, list[float]]:
        """When each text's POSTs arrived."""
        found: dict[str, list[float]] = defaultdict(list)
        for arrival in list(self.gateway.receiver.arrivals):
            found[arrival.id].append(arrival.at)
        return found


@pytest.fixture
def world(tmp_path: Path, still: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LD_PRELOAD", str(_LIBRARIES[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(tmp_path / "offset"))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("DONT_FAKE_MONOTONIC", "1")
    made = World(tmp_path, still)
    yield made
    still.service.kill()


def short_lived(world: World) -> None:
    """Texts are worth a quarter of an hour: any jump that was believed would make them expire."""
    world.write("UPDATE endpoints SET max_age = 900")


@pytest.mark.parametrize("jump", [DAY, -DAY, YEARS, -YEARS])
def test_while_it_runs_nobody_waits_longer_or_shorter(world: World, jump: int) -> None:
    short_lived(world)
    world.service.start()
    begun, told = world.failing_texts()
    world.offset(jump)
    world.all_delivered()
    for arrivals in world.times().values():
        assert next(at for at in arrivals if at > told) - begun > WAIT - 1, "not before its time"
        assert len(arrivals) <= 3
    assert world.gateway.receiver.wrong == []


def test_there_and_back_and_there_again(world: World) -> None:
    short_lived(world)
    world.service.start()
    begun, told = world.failing_texts()
    for n, jump in enumerate((DAY, 0, YEARS, -DAY), 1):
        world.offset(jump)
        until(
            lambda n=n: world.service.log_text().count("The clock was set") >= n,  # type: ignore[misc]
            "it notices",
        )
    world.all_delivered()
    for arrivals in world.times().values():
        assert next(at for at in arrivals if at > told) - begun > WAIT - 1, "not before its time"
        assert len(arrivals) <= 3


@pytest.mark.parametrize(
    ("jump", "clean"),
    [(DAY, True), (-DAY, True), (-DAY, False), (YEARS, False), (-YEARS, True)],
)
def test_over_a_restart(world: World, jump: int, clean: bool) -> None:
    short_lived(world)
    world.service.start()
    world.failing_texts()
    if clean:
        assert world.service.stop() == 0
    else:
        world.service.kill()
    world.offset(jump)
    world.service.start()
    world.all_delivered()
    assert max(len(arrivals) for arrivals in world.times().values()) <= 3
    assert world.gateway.sound()


def test_a_boot_in_1970_and_then_ntp(world: World) -> None:
    short_lived(world)
    world.synchronised()
    world.service.start()
    world.failing_texts()
    assert world.service.stop() == 0
    world._ntp.unlink()

    world.is_1970()
    world.service.start()
    assert world.gateway.text("t-1970", "+15550009") == 200  # taken, whatever the clock says
    with world.service.looking() as db:
        (received,) = db.execute("SELECT min(received_at) FROM messages").fetchone()
    assert received < DAY * 1000
    page = world.service.page()
    assert world.service.readyz()[0] == 200
    assert "before 2025" in page
    assert "timedatectl" in page

    world.offset(0)
    world.synchronised()
    until(
        lambda: "The clock is right (synchronised)" in world.service.log_text().split("1970")[-1],
        "it is believed",
    )
    world.all_delivered()
    assert "2025" not in world.service.page()
    assert max(len(arrivals) for arrivals in world.times().values()) <= 4


def test_a_clock_that_is_right_lets_what_it_slept_through_expire(world: World) -> None:
    """The counter-proof: the same day off, by a clock that is known to be right."""
    short_lived(world)
    world.synchronised()
    world.service.start()
    world.failing_texts()
    assert world.service.stop() == 0
    world.offset(DAY)
    world.service.start()
    until(
        lambda: set(world.states()) == {"expired"},
        lambda: f"all expire: {world.states()}",
    )
    done = world.service.cli("delivery", "retry", "--state", "expired")
    assert done
    world.all_delivered()
