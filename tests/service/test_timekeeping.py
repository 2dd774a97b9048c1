"""The Timekeeper on a real database, with a clock that is set and runs as the test says."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from mmconnect.delivery.sender import Answer
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Endpoint
from mmconnect.service import timekeeping
from mmconnect.service.clock_sync import Dates
from mmconnect.service.timekeeping import Timekeeper
from mmconnect.service.watch import Watch
from mmconnect.store import configuration, devices, endpoints, gaps, jumps, settings
from mmconnect.store.database import Database
from mmconnect.store.messages import take
from mmconnect.webhook.outcome import Trouble
from tests.store.making import delivery, device, endpoint, ids, message, new_message
from tests.support.clocks import DAY, NOW, SetClock
from tests.support.inprocess import eventually

YEARS = 20 * 365 * DAY
MAX_AGE = 900
BOOT_1970 = 12_000


@dataclass
class Kept:
    """A running Timekeeper and what it keeps the time of."""

    time: Timekeeper
    clock: SetClock
    database: Database
    watch: Watch
    warnings: list[str]

    @property
    def state(self) -> str:
        """What is believed of the clock just now."""
        return self.time.standing.state.value

    @property
    def endpoint(self) -> Endpoint:
        return next(iter(self.watch.look().endpoints.values()))

    async def turn(self, seconds: float = 1.0) -> None:
        """Time passes, and the loop looks at the clock; what follows is written."""
        self.clock.advance(seconds)
        await self.watch.refresh()
        await self.time._turn()
        await self.database.write(lambda db: None)
        await self.time._turn()

    async def text(self, made: int | None = None, due: int | None = None) -> str:
        """A text waits from now on; the id of its delivery."""
        now = self.time.now() if made is None else made
        value = message(next(iter(self.watch.look().devices)), received_at=now)
        new = delivery(value, self.endpoint.id)

        def write(db: sqlite3.Connection) -> None:
            take(db, new_message(value, [new]))
            if due is not None:
                db.execute("UPDATE deliveries SET due_at = ? WHERE id = ?", (due, new.id))

        await self.database.write(write)
        return new.id

    async def row(self, delivery_id: str) -> tuple[int | None, int]:
        """When it is due, and from when its age counts."""
        return await self.database.read(
            lambda db: db.execute(
                "SELECT due_at, coalesce(renewed_at, created_at) FROM deliveries WHERE id = ?",
                (delivery_id,),
            ).fetchone()
        )

    async def too_old(self, delivery_id: str) -> bool:
        self.time._cache.clear()
        return (await self.row(delivery_id))[1] <= self.time.too_old(self.endpoint)

    async def change(self, write: Callable[[sqlite3.Connection], object]) -> None:
        await self.database.write(write)
        await self.database.write(lambda db: db.execute("UPDATE revision SET number = number + 1"))
        await self.watch.refresh()


@dataclass
class Machine:
    """What stays when mmconnect stops: the disk, the clock, and whether NTP is there."""

    directory: Path
    clock: SetClock
    ntp: bool = False

    @asynccontextmanager
    async def running(self, clean: bool = True) -> AsyncIterator[Kept]:
        database = Database.open(self.directory)
        try:
            await database.write(lambda db: settings.ensure_tenant(db, Ids(self.clock)))
            if not (await database.read(configuration.load)).endpoints:
                phone, receiver = device(), endpoint(max_age=MAX_AGE)
                await database.write(lambda db: devices.add(db, phone, "token"))
                await database.write(lambda db: endpoints.add(db, receiver))
            watch = Watch(database, await database.read(configuration.load))
            dates = Dates(lambda: frozenset({"192.168.1.2"}))
            made = Timekeeper(
                database, watch.look, self.clock, ids, kernel=lambda: self.ntp, dates=dates
            )
            warnings: list[str] = []
            made.belief.on_warning = lambda told: warnings.extend([told] if told else [])
            await made.start()
            yield Kept(made, self.clock, database, watch, warnings)
            if clean:
                await made.stop()
        finally:
            await database.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, SetClock())


# -- what it has lived is certain -----------------------------------------------------------------


async def test_what_waits_in_this_run_expires_though_nobody_knows_the_clock(
    machine: Machine,
) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        assert kept.state == "unknown"
        await kept.turn(MAX_AGE - 1)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


@pytest.mark.parametrize("jump", [3, -3, DAY, -DAY, YEARS, -YEARS])
@pytest.mark.parametrize("ntp", [False, True])
async def test_a_jump_makes_nothing_older_or_younger(
    machine: Machine, jump: int, ntp: bool
) -> None:
    machine.ntp = ntp
    async with machine.running() as kept:
        await kept.turn(3600)
        made = await kept.text(due=kept.time.now() + 300_000)
        await kept.turn(60)
        machine.clock.set_by(jump)
        await kept.turn(0)
        due, born = await kept.row(made)
        now = kept.time.now()
        assert born == now - 60_000
        assert due == now + 240_000
        await kept.turn(MAX_AGE - 61)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


async def test_there_and_back_again_leaves_everything_as_it_was(machine: Machine) -> None:
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 7_200_000)
        for jump in (DAY, -DAY, YEARS, -YEARS, -DAY, DAY, 7, -7):
            machine.clock.set_by(jump)
            await kept.turn(1)
        assert await kept.row(made) == (NOW + 7_200_000, NOW)
        await kept.turn(MAX_AGE - 9)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


@pytest.mark.parametrize("jump", [3600, -3600, DAY, -DAY])
async def test_what_is_written_by_either_time_comes_on_its_side_of_the_move(
    machine: Machine, jump: int
) -> None:
    """Who asks first for the time makes the loop look; nothing moves twice, or not at all."""
    async with machine.running() as kept:
        old = await kept.text(due=NOW + 300_000)
        machine.clock.set_by(jump)
        assert kept.time.now() == NOW
        new = await kept.text(due=kept.time.now() + 5_000)  # dated by the old time
        now = kept.time.now()
        assert now == NOW + jump * 1000
        later = await kept.text(due=now + 7_000)
        await kept.turn(0)
        assert await kept.row(old) == (now + 300_000, now)
        assert await kept.row(new) == (now + 5_000, now)
        assert await kept.row(later) == (now + 7_000, now)


async def test_all_times_of_one_stretch_of_code_agree(machine: Machine) -> None:
    """Else what is claimed by one time would be judged, or written, by another."""
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 300_000)
        machine.clock.set_by(DAY)
        claimed_at, threshold = kept.time.now(), kept.time.too_old(kept.endpoint)
        assert (claimed_at, threshold) == (NOW, NOW - MAX_AGE * 1000)
        machine.clock.set_by(-DAY - 7)
        assert kept.time.now() == NOW
        with closing(sqlite3.connect(machine.directory / "mmconnect.db")) as rows:
            # in the same stretch: after any wait it may have moved by the seven seconds
            (due,) = rows.execute("SELECT due_at FROM deliveries WHERE id = ?", (made,)).fetchone()
        assert due == NOW + 300_000


async def test_nothing_is_too_old_until_all_has_moved_and_is_known(machine: Machine) -> None:
    async with machine.running() as kept:
        before = kept.time.too_old(kept.endpoint)
        assert before == NOW - MAX_AGE * 1000
        machine.clock.set_by(-DAY)
        kept.time.now()
        await asyncio.sleep(0)
        assert kept.time.moving
        assert kept.time.too_old(kept.endpoint) == 0
        await eventually(lambda: not kept.time.moving)
        assert kept.time.too_old(kept.endpoint) == 0  # which gaps there are is to be read
        await kept.turn(0)
        assert kept.time.too_old(kept.endpoint) == before - DAY * 1000


async def test_gaps_that_were_read_while_the_clock_was_set_do_not_count(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine.running() as kept:
        await kept.change(lambda db: None)
        read = kept.database.read

        async def slow(function: Callable[[sqlite3.Connection], object]) -> object:
            found = await read(function)
            machine.clock.set_by(-DAY)
            kept.time.now()
            await asyncio.sleep(0)
            await eventually(lambda: not kept.time.moving)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(kept.database, "read", slow)
            await kept.time._load()
        assert kept.time.too_old(kept.endpoint) == 0
        await kept.turn(0)
        assert kept.time.too_old(kept.endpoint) == NOW - DAY * 1000 - MAX_AGE * 1000


async def test_others_are_told_once_all_is_moved(machine: Machine) -> None:
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 300_000)
        seen: list[int] = []
        rows = sqlite3.connect(machine.directory / "mmconnect.db")
        kept.time.on_jump = lambda: seen.append(
            rows.execute("SELECT due_at FROM deliveries WHERE id = ?", (made,)).fetchone()[0]
        )
        machine.clock.set_by(DAY)
        kept.time.now()
        await eventually(lambda: seen)
        assert seen == [NOW + 300_000 + DAY * 1000]
        rows.close()


async def test_a_move_waits_for_a_disk_that_is_full(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 300_000)

        def full(*_: object) -> None:
            raise StoreUnavailable("full")

        told: list[bool] = []
        kept.time.on_jump = lambda: told.append(kept.time.moving)
        with monkeypatch.context() as patch:
            patch.setattr(jumps, "shift", full)
            for jump in (DAY, 3600):  # and meanwhile it is set again
                machine.clock.set_by(jump)
                kept.time.now()
                await asyncio.sleep(0)
                await kept.database.write(lambda db: None)  # after the move, which has failed
        assert (await kept.row(made))[0] == NOW + 300_000
        assert kept.time.moving
        machine.clock.advance(0.5)
        now = NOW + (DAY + 3600) * 1000 + 500
        late = await kept.text()  # by the new time, and before the move
        await kept.turn(0)
        assert await kept.row(made) == (now + 299_500, now - 500)
        assert await kept.row(late) == (now, now), "it does not wait another day"
        assert told == [False]


async def test_another_thread_notices_nothing(machine: Machine) -> None:
    async with machine.running() as kept:
        machine.clock.set_by(DAY)
        assert await asyncio.to_thread(kept.time.now) == NOW
        assert await asyncio.to_thread(kept.time.now) == NOW
        assert not kept.time.moving


# -- over a restart -------------------------------------------------------------------------------


async def test_a_start_twenty_years_later_is_a_jump_whatever_the_owner_says(
    machine: Machine,
) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        await kept.change(lambda db: settings.put(db, "clock_trusted", "on"))
        await kept.turn(1)
        assert kept.state == "trusted"
    machine.clock.set_by(YEARS)
    async with machine.running() as kept:
        await kept.turn(1)
        assert kept.state == "unknown"
        assert kept.time.standing.suspect
        assert not await kept.too_old(made)
        assert kept.warnings
    machine.clock.set_by(30 * DAY)
    async with machine.running() as kept:
        await kept.turn(1)
        assert kept.state == "trusted", "a month off is no jump"


@pytest.mark.parametrize("off", [3600, DAY, 3 * DAY, YEARS])
async def test_time_it_was_off_counts_only_by_a_clock_that_is_right(
    machine: Machine, off: int
) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        await kept.turn(600)
    machine.clock.set_by(off)
    async with machine.running() as kept:
        assert not await kept.too_old(made)
        await kept.turn(299)
        assert not await kept.too_old(made)
        machine.ntp = True
        await kept.turn(0)
        assert await kept.too_old(made)


async def test_what_two_runs_have_lived_adds_up(machine: Machine) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        await kept.turn(600)
    machine.clock.set_by(DAY)
    async with machine.running() as kept:
        await kept.turn(100)
    machine.clock.set_by(DAY)
    async with machine.running() as kept:
        await kept.turn(199)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


@pytest.mark.parametrize("clean", [True, False])
async def test_a_boot_in_1970_then_ntp(machine: Machine, clean: bool) -> None:
    machine.ntp = True
    async with machine.running(clean) as kept:
        await kept.turn(1)
        made = await kept.text(due=NOW + 301_000)
        await kept.turn(99)
    machine.ntp = False
    machine.clock.start_at(BOOT_1970)
    async with machine.running() as kept:
        assert kept.state == "wrong"
        assert "before 2025" in (kept.time.standing.sentence or "")
        assert not kept.time.may_prune()
        assert not await kept.too_old(made)
        due, born = await kept.row(made)
        assert due is not None
        assert BOOT_1970 < due <= BOOT_1970 + 301_000  # nobody waits for 56 years
        assert born == NOW + 1000
        await kept.turn(60)
        fresh = await kept.text()
        assert await kept.row(fresh) == (BOOT_1970 + 60_000, BOOT_1970 + 60_000)
        await kept.turn(60)
        assert len(kept.warnings) == 1

        machine.clock.set_by((NOW - BOOT_1970) / 1000 + 500)  # off for 400 seconds or so
        await kept.turn(0)
        assert not await kept.too_old(made)  # not known to be right yet
        assert not await kept.too_old(fresh)
        assert (await kept.row(fresh))[1] == kept.time.now() - 60_000
        machine.ntp = True
        await kept.turn(0)
        assert kept.time.standing.known
        assert not await kept.too_old(made)
        assert not await kept.too_old(fresh)
        await kept.turn(MAX_AGE - 619)
        assert await kept.too_old(made)  # by the time it really is
        assert not await kept.too_old(fresh)


async def test_texts_of_1970_are_new_to_a_run_that_knows_the_time(machine: Machine) -> None:
    machine.clock.start_at(BOOT_1970)
    async with machine.running() as kept:
        made = await kept.text()
        await kept.turn(10)
    machine.clock.start_at(NOW)
    async with machine.running() as kept:
        assert not await kept.too_old(made)
        machine.ntp = True
        await kept.turn(1)
        assert not await kept.too_old(made)
        assert (await kept.row(made))[1] == NOW + 1000
        await kept.turn(MAX_AGE)
        assert await kept.too_old(made)


async def test_twenty_years_ahead_over_a_restart_and_back(machine: Machine) -> None:
    machine.ntp = True
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 60_000)
        await kept.turn(10)
    machine.ntp = False
    machine.clock.set_by(YEARS)
    async with machine.running() as kept:
        assert not kept.time.may_prune()
        assert not await kept.too_old(made)
        fresh = await kept.text(due=kept.time.now() + 300_000)
        await kept.turn(10)
        machine.clock.set_by(-YEARS)
        machine.ntp = True
        await kept.turn(0)
        assert not await kept.too_old(made)
        assert await kept.row(fresh) == (NOW + 310_000, NOW + 10_000)
        assert (await kept.row(made))[1] == NOW


@pytest.mark.parametrize("back", [3600, DAY, YEARS])
async def test_a_start_before_the_last_run_keeps_waits(machine: Machine, back: int) -> None:
    async with machine.running() as kept:
        made = await kept.text(due=NOW + 300_000)
        await kept.turn(10)
    machine.clock.set_by(-back)
    async with machine.running() as kept:
        assert kept.state == "wrong"
        now = kept.time.now()
        assert (await kept.row(made))[0] == now + 290_000
        assert not await kept.too_old(made)


# -- what is known --------------------------------------------------------------------------------


def answered(date: str) -> Answer:
    return Answer(status=200, trouble=None, duration_ms=20, address="10.0.0.9:443", date=date)


async def test_receivers_tell_that_it_is_right(machine: Machine) -> None:
    async with machine.running() as kept:
        for _ in range(2):
            await kept.turn(61)
            now = kept.time.now()
            kept.time.saw(answered(formatdate(now / 1000, usegmt=True)))
        kept.time.saw(Answer(status=None, trouble=Trouble.TIMEOUT, duration_ms=9, address=None))
        await kept.turn()
        assert kept.state == "agrees"
        assert kept.time.standing.known
        machine.clock.set_by(3600)
        await kept.turn(0)
        assert kept.time.now() == now + 3_601_000
        assert kept.state == "unknown"  # that was another clock


async def test_receivers_tell_that_it_is_wrong(machine: Machine) -> None:
    machine.ntp = True
    async with machine.running() as kept:
        for _ in range(3):
            await kept.turn(61)
            now = kept.time.now()
            ahead = formatdate(now / 1000 + 3600, usegmt=True)
            kept.time.saw(answered(ahead))
        await kept.turn()
        assert kept.state == "wrong"
        assert len(kept.warnings) == 1
        assert "60 minutes behind" in kept.warnings[0]
        await kept.turn()
        assert len(kept.warnings) == 1


async def test_the_owners_word_counts_until_the_clock_proves_it_wrong(machine: Machine) -> None:
    async with machine.running() as kept:
        await kept.change(lambda db: settings.put(db, "clock_trusted", "on"))
        await kept.turn()
        assert kept.state == "trusted"
        assert kept.time.may_prune()
        machine.clock.set_by(2 * DAY)
        await kept.turn(0)
        assert not kept.time.may_prune()
        await kept.turn(0)
        assert kept.state == "unknown"
        assert "set forward by 2 days" in kept.warnings[0]
        await kept.turn(DAY + 1)
        assert kept.state == "trusted"
        assert kept.time.may_prune()


async def test_pruning_after_a_long_time_off_waits_until_it_is_sure(machine: Machine) -> None:
    async with machine.running() as kept:
        assert not kept.time.may_prune()
    machine.clock.set_by(3 * DAY)
    machine.ntp = True
    async with machine.running() as kept:
        await kept.turn()
        assert not kept.time.may_prune()
        await kept.turn(600)
        assert kept.time.may_prune()
        machine.ntp = False
        await kept.turn()
        assert not kept.time.may_prune()


async def test_a_change_is_logged_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with machine.running() as kept:
        await kept.turn(60)
        assert not caplog.messages  # NTP takes a while after a boot
        await kept.turn(200)
        await kept.turn(200)
        assert sum("not known whether" in m for m in caplog.messages) == 1
        machine.ntp = True
        await kept.turn(1)
        await kept.turn(1)
        assert caplog.messages[-1] == "The clock is right (synchronised)"
        assert len(caplog.messages) == 2


# -- pauses, and what is written ------------------------------------------------------------------


async def test_a_pause_stops_the_age(machine: Machine) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        await kept.turn(600)

        def pause(db: sqlite3.Connection) -> None:
            endpoints.pause(db, kept.endpoint.id, machine.clock.now())

        await kept.change(pause)
        await kept.turn(30 * DAY)
        machine.clock.set_by(DAY)  # while it is paused
        await kept.turn(3600)
        assert not await kept.too_old(made)

        def resume(db: sqlite3.Connection) -> None:
            endpoints.resume(db, kept.endpoint.id, machine.clock.now())

        await kept.change(resume)
        await kept.turn(299)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


async def test_a_pause_that_is_over_moves_with_a_jump(machine: Machine) -> None:
    async with machine.running() as kept:
        made = await kept.text()
        await kept.change(
            lambda db: db.execute(
                "INSERT INTO age_gaps (endpoint_id, from_at, to_at, reason)"
                " VALUES (?, ?, ?, 'paused')",
                (kept.endpoint.id, NOW, NOW + 600_000),
            )
        )
        await kept.turn(1000)
        machine.clock.set_by(DAY)
        await kept.turn(499)
        assert not await kept.too_old(made)
        await kept.turn(1)
        assert await kept.too_old(made)


async def test_the_database_knows_which_time_is_in_doubt(machine: Machine) -> None:
    """So that the next start knows, also after a power cut."""

    async def doubtful(kept: Kept) -> list[tuple[int, int | None]]:
        return [(g.from_at, g.to_at) for g in await kept.database.read(gaps.load)]

    async with machine.running() as kept:
        await kept.turn(10)
    stopped = machine.clock.now()
    machine.clock.set_by(3600)
    async with machine.running() as kept:
        assert await doubtful(kept) == [(stopped, stopped + 3_600_000)]
        await kept.turn(100)
        machine.clock.set_by(DAY)
        await kept.turn(0)
        assert await doubtful(kept) == [(stopped, stopped + 3_600_000 + DAY * 1000)]
        machine.clock.set_by(-DAY - 3600)
        await kept.turn(0)
        assert await doubtful(kept) == []  # it was not off at all
        machine.clock.set_by(60)
        await kept.turn(0)
        assert await doubtful(kept) == [(stopped, stopped + 60_000)]
        machine.ntp = True
        await kept.turn(0)
        assert await doubtful(kept) == []
        assert not kept.time._gaps


async def test_an_idle_machine_writes_nothing(machine: Machine) -> None:
    async with machine.running() as kept:

        async def seen() -> int:
            found = await kept.database.read(jumps.last_seen)
            assert found is not None
            return found

        await kept.turn(61)
        await kept.turn(61)
        before = await seen()
        for _ in range(60):
            await kept.turn(61)
        assert await seen() == before
        await kept.text()
        await kept.turn(61)
        busy = await seen()
        assert busy == machine.clock.now()
        for _ in range(8):
            await kept.turn(61)
        assert await seen() == busy  # a text waits, but nothing else is written
        await kept.turn(120)
        assert await seen() == machine.clock.now()
    async with machine.running():
        pass


async def test_the_loop_never_dies(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeping, "INTERVAL", 0.001)
    async with machine.running() as kept:
        turns: list[int] = []

        async def turn() -> None:
            turns.append(1)
            raise OSError("something")

        monkeypatch.setattr(kept.time, "_turn", turn)
        task = asyncio.create_task(kept.time.run())
        await eventually(lambda: len(turns) > 3)
        task.cancel()
        await asyncio.wait([task])
