"""Backups by the schedule: when one is due, what stays, and what comes of one that fails."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmconnect.desk import kept_backups
from mmconnect.domain.errors import NotFound, Refused, StoreError, StoreUnavailable
from mmconnect.service import backup, backup_schedule, gentle
from mmconnect.service.backup_schedule import APART, SETTLED, BackupSchedule, last_night
from mmconnect.service.warnings import DISK_FINE, Warnings
from mmconnect.store import alerts, backups, settings
from tests.support.inprocess import NOW, Appliance, FakeClock, appliance
from tests.support.receiver import receiver

DAY, HOUR = 86_400.0, 3600.0


@dataclass
class Nights:
    """An appliance whose nights pass quickly."""

    box: Appliance
    clock: FakeClock
    warnings: Warnings
    schedule: BackupSchedule
    known: bool = True
    _count: int = 0

    async def text(self) -> None:
        self._count += 1
        await self.box.text(f"text {self._count}")

    async def wait(self, seconds: float) -> None:
        """Time passes, and it is looked whether a backup is due."""
        self.clock.advance(seconds)
        await self.schedule.turn()

    async def put(self, name: str, value: str) -> None:
        self.box.change(lambda db: settings.put(db, name, value))
        await self.box.watch.refresh()

    @property
    def made(self) -> list[str]:
        """The names of what the schedule has made, oldest first."""
        place = kept_backups.folder(
            self.box.directory, self.box.watch.look().preferences.backup_folder
        )
        return [one.name for one in reversed(kept_backups.scheduled(place))]

    @property
    def told(self) -> list[str]:
        return [one.sentence for one in self.warnings.now]


@asynccontextmanager
async def nights(directory: Path, text: bool = True, at: int = NOW) -> AsyncIterator[Nights]:
    clock = FakeClock(at)
    async with appliance(directory, clock=clock, tokens=("t" * 24,) if text else ()) as box:
        warnings = Warnings(
            *(box.database, box.watch.look, box.ids, clock, directory, box.dispatcher.wake)
        )
        schedule = BackupSchedule(
            *(box.database, box.watch.look, clock, directory, warnings),
            known=lambda: found.known,
            flush=box.figures.flush,
        )
        found = Nights(box, clock, warnings, schedule)
        if text:
            await found.text()
        yield found


def texts(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])


async def test_the_first_comes_soon_after_the_start_and_then_one_a_night(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED - 1)
        assert found.made == []
        await found.wait(1)
        assert len(found.made) == 1
        for _ in range(8 * 4):
            await found.text()
            await found.wait(3 * HOUR)
        assert len(found.made) == 5
        stamps = [name.removesuffix(".db").rpartition("T")[2] for name in found.made[1:]]
        assert len(set(stamps)) == 1, "always at the same hour"
        newest = tmp_path / "backups" / found.made[-1]
        assert newest.stat().st_mode & 0o777 == 0o600
        assert texts(newest) > texts(tmp_path / "backups" / found.made[0])
        assert not list(newest.parent.glob("*.part"))


async def test_nothing_new_no_new_one_and_then_one_again(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED)
        for _ in range(8 * 3):
            await found.wait(3 * HOUR)
        assert len(found.made) == 1
        await found.text()
        await found.wait(HOUR)
        assert len(found.made) == 1, "the night before had nothing; the next one has"
        await found.wait(DAY)
        assert len(found.made) == 2
        await found.put("retention_messages", "10d")
        await found.wait(DAY)
        assert len(found.made) == 3, "what somebody has set is worth one, too"


async def test_an_appliance_with_nothing_to_lose_makes_none(tmp_path: Path):
    async with nights(tmp_path, text=False) as found:
        for _ in range(3):
            await found.wait(DAY)
        assert found.made == []


@pytest.mark.parametrize("keep", [1, 2])
async def test_as_many_stay_as_are_to_whatever_the_millisecond(tmp_path: Path, keep: int):
    """Names have seconds: what was just made is known again all the same, and stays."""
    async with nights(tmp_path, at=NOW + 637) as found:
        await found.put("backup_keep", str(keep))
        for number in range(1, 5):
            await found.text()
            made = await found.schedule.make()
            assert found.made[-1] == made.name
            assert len(found.made) == min(keep, number)
            assert kept_backups.find(tmp_path, None, made.name) == made
            found.clock.advance(0.2)


async def test_once_a_week_and_never(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.put("backup_schedule", "weekly")
        for _ in range(4 * 21):
            await found.wait(6 * HOUR)
            await found.text()
        assert len(found.made) == 4, "the first at once, then three Sundays"
        await found.put("backup_schedule", "off")
        for _ in range(21):
            await found.wait(DAY)
            await found.text()
        assert len(found.made) == 4


async def test_an_old_one_goes_when_a_new_one_is_whole_and_nothing_else_does(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.put("backup_keep", "3")
        folder = tmp_path / "backups"
        folder.mkdir()
        for name in ("mine.db", "before-schema-7.db", "mmconnect-mine.db"):
            (folder / name).write_text("x")
        await found.wait(SETTLED)
        for _ in range(6):
            await found.text()
            await found.wait(DAY)
        assert len(found.made) == 3
        assert {"mine.db", "before-schema-7.db", "mmconnect-mine.db"} < {
            one.name for one in folder.iterdir()
        }


async def test_a_restart_makes_no_second_one(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED)
        await found.text()
        anew = BackupSchedule(
            *(found.box.database, found.box.watch.look, found.clock, tmp_path, found.warnings),
            known=lambda: True,
            flush=found.box.figures.flush,
        )
        found.clock.advance(SETTLED)
        await anew.turn()
        assert len(found.made) == 1
        found.clock.advance(DAY)
        await anew.turn()
        assert len(found.made) == 2


async def test_a_clock_that_jumps_makes_no_storm_and_a_future_name_is_in_nobodys_way(
    tmp_path: Path,
):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED)
        found.clock.advance(APART)
        for n in range(25):  # each minute it jumps ten years ahead, and some days more, and back
            jump = (3650 + n) * 86_400_000
            found.clock._now += jump
            await found.text()
            await found.wait(60)
            found.clock._now -= jump
            await found.text()
            await found.wait(60)
        assert len(found.made) <= 3
        assert any(name.startswith("mmconnect-2036") for name in found.made)
        await found.put("backup_keep", "2")
        for _ in range(3):
            await found.text()
            await found.wait(DAY)
        assert [name for name in found.made if name.startswith("mmconnect-2036")] == []
        assert len(found.made) == 2


async def test_one_that_is_named_by_a_clock_far_ahead_does_not_count(tmp_path: Path):
    years = 3650 * 86_400_000
    async with nights(tmp_path, at=NOW + years) as found:
        await found.wait(SETTLED)
        assert len(found.made) == 1
        found.clock._now -= years
        await found.text()
        await found.wait(APART)
        assert len(found.made) == 2
        await found.text()
        await found.wait(DAY)
        assert len(found.made) == 3


async def test_one_that_was_made_is_made_also_where_that_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with nights(tmp_path) as found:

        async def full(*_: object) -> None:
            raise StoreUnavailable("the disk is full")

        monkeypatch.setattr(found.box.database, "write", full)
        monkeypatch.setattr(backup_schedule, "elsewhere", lambda place, directory: True)
        made = await found.schedule.make()
        assert found.made == [made.name]
        assert found.told == []


async def test_by_a_clock_that_is_not_known_to_be_right_a_day_has_to_pass(tmp_path: Path):
    async with nights(tmp_path) as found:
        found.known = False
        await found.wait(SETTLED)
        assert len(found.made) == 1, "there was none at all"
        found.clock._now = 1000  # 1970: a machine without a clock
        for _ in range(23):
            await found.text()
            await found.wait(HOUR)
        assert len(found.made) == 1
        await found.wait(HOUR)
        assert len(found.made) == 2
        newest = max(texts(tmp_path / "backups" / name) for name in found.made)
        assert texts(tmp_path / "backups" / found.made[-1]) == newest, "the order of names is right"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    free = SimpleNamespace(free=100 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    return free


async def test_no_room_is_told_and_tried_again_and_removes_nothing(
    tmp_path: Path, disk: SimpleNamespace
):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED)
        before = found.made
        disk.free = DISK_FINE
        await found.text()
        await found.wait(DAY)
        assert found.made == before
        (told,) = found.told
        assert "have to stay free" in told
        disk.free = 100 * 2**30
        await found.wait(APART - 60)
        assert found.made == before
        await found.wait(60)
        assert len(found.made) == 2
        assert found.told == []


async def test_as_many_stay_as_there_is_room_for(tmp_path: Path, disk: SimpleNamespace):
    async with nights(tmp_path) as found:
        await found.wait(SETTLED)
        for _ in range(3):
            await found.text()
            await found.wait(DAY)
        assert len(found.made) == 4
        newest = found.made[-1]
        size = (tmp_path / "backups" / newest).stat().st_size
        await found.text()
        found.clock.advance(DAY)
        real = kept_backups.remove

        def remove(path: Path) -> None:
            real(path)
            disk.free += size

        disk.free = DISK_FINE + 2 * size
        with pytest.MonkeyPatch.context() as patch:
            # what the new one takes is gone by the time that it is looked at again
            patch.setattr(kept_backups, "remove", remove)
            patch.setattr(backup_schedule, "back_up", _taking(disk, backup.back_up))
            await found.schedule.turn()
        assert 1 < len(found.made) < 5
        assert found.made[-1] > newest


def _taking(disk: SimpleNamespace, real: Callable[..., object]) -> Callable[..., object]:
    def back_up(directory: Path, file: Path, **how: object) -> object:
        done = real(directory, file, **how)
        disk.free -= 2 * file.stat().st_size
        return done

    return back_up


async def test_a_folder_that_is_not_there_is_not_made_and_a_person_is_told(tmp_path: Path):
    place = tmp_path / "media" / "stick"
    (tmp_path / "data").mkdir()
    async with nights(tmp_path / "data") as found:
        await found.put("backup_folder", str(place))
        await found.wait(SETTLED)
        (warning,) = found.warnings.now
        assert str(place) in warning.sentence
        assert "Plug its disk in" in warning.remedy
        assert str(place) not in " ".join(found.warnings.shown), "anybody may read that"
        assert not place.exists()
        with pytest.raises(StoreError, match="there is no folder"):
            await found.schedule.make()
        place.mkdir(parents=True)
        await found.wait(APART)
        assert found.told == []
        assert len(found.made) == 1
        await found.put("backup_schedule", "off")
        await found.wait(1)


async def test_each_reason_is_sent_to_the_alert_url_and_so_is_a_second_failure(
    tmp_path: Path, disk: SimpleNamespace
):
    stick = tmp_path / "stick"
    (tmp_path / "data").mkdir()
    async with nights(tmp_path / "data") as found, receiver() as there:
        await found.put("alert_url", there.url)
        found.box.change(lambda db: alerts.sync(db, found.box.ids, found.clock.now()))
        await found.put("backup_folder", str(stick))

        async def told(count: int) -> str:
            await found.warnings.turn()
            await there.until(count)
            assert there.arrivals[-1].json["warning"]["code"] == "backup"
            return str(there.arrivals[-1].json["message"])

        await found.wait(SETTLED)
        assert "there is no folder" in await told(1)
        await found.wait(APART)
        await found.warnings.turn()
        assert len(found.box.rows("SELECT 1 FROM messages WHERE kind = 'event'")) == 1
        stick.mkdir()
        disk.free = DISK_FINE + 1
        await found.wait(APART)
        assert "have to stay free" in await told(2)
        disk.free = 100 * 2**30
        await found.wait(APART)
        assert (found.told, len(found.made)) == ([], 1)
        disk.free = DISK_FINE + 1
        with pytest.raises(StoreError, match="have to stay free"):
            await found.schedule.make()
        found.clock.advance(APART)
        assert "have to stay free" in await told(3)


async def test_a_setting_that_was_mended_is_tried_at_once(tmp_path: Path):
    async with nights(tmp_path) as found:
        await found.put("backup_folder", "/nowhere/at/all")
        await found.wait(SETTLED)
        assert found.told != []
        await found.put("backup_folder", "default")
        await found.wait(60)
        assert len(found.made) == 1
        assert found.told == []


async def test_what_an_end_in_mid_work_has_left_goes_and_two_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with nights(tmp_path) as found:
        folder = tmp_path / "backups"
        folder.mkdir()
        part = folder / "mmconnect-2026-06-01T030000Z.db.part"
        part.write_text("half")
        part.with_name(f"{part.name}-journal").write_text("of that")
        first = asyncio.create_task(found.schedule.make())
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            await found.schedule.make()
        await first
        assert [one.name for one in folder.iterdir()] == found.made


async def test_the_end_of_the_service_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with nights(tmp_path) as found:
        began = asyncio.Event()
        loop, real = asyncio.get_running_loop(), gentle.Gentle.__call__

        def halting(self: gentle.Gentle, fd: int) -> Callable[[], bool]:
            real(self, fd)
            loop.call_soon_threadsafe(began.set)
            return lambda: self._stopped.wait(600)

        monkeypatch.setattr(gentle.Gentle, "__call__", halting)
        monkeypatch.setattr(backups, "_STEPS", 1)
        work = asyncio.create_task(found.schedule.make())
        await began.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert list((tmp_path / "backups").iterdir()) == []


async def test_made_on_another_disk_it_counts_as_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with nights(tmp_path) as found:
        await found.schedule.make()
        assert await found.box.database.read(backups.last_made) is None
        monkeypatch.setattr(backup_schedule, "elsewhere", lambda *_: True)
        found.clock.advance(60)
        await found.schedule.make()
        assert await found.box.database.read(backups.last_made) == found.clock.now()
        await found.wait(DAY)
        assert len(found.made) == 2, "that note is no news"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Singapore", "America/Los_Angeles", "Europe/Berlin"])
def test_when_a_night_is(zone: str, monkeypatch: pytest.MonkeyPatch):
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for hours in range(0, 24 * 400, 7):
            now = NOW + hours * 3_600_000
            night = datetime.fromtimestamp(last_night(now, weekly=False) / 1000).astimezone()
            assert 0 <= now - night.timestamp() * 1000 <= 25 * 3_600_000
            assert night.hour in (3, 4)
            week = datetime.fromtimestamp(last_night(now, weekly=True) / 1000).astimezone()
            assert 0 <= now - week.timestamp() * 1000 <= (7 * 24 + 1) * 3_600_000
            assert (week.strftime("%a"), week.hour in (3, 4)) == ("Sun", True)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_name_leads_to_a_backup_and_nowhere_else(tmp_path: Path):
    folder = tmp_path / "backups"
    folder.mkdir()
    (tmp_path / "mmconnect.db").write_text("x")
    name = kept_backups.name_at(NOW)
    (folder / name).write_text("x")
    (folder / "before-schema-3.db").symlink_to(tmp_path / "mmconnect.db")
    assert kept_backups.find(tmp_path, None, name).made_at == NOW
    for bad in ("../mmconnect.db", "mmconnect.db", "before-schema-3.db", "", f"{name}\n"):
        with pytest.raises(NotFound):
            kept_backups.find(tmp_path, None, bad)
    assert datetime.fromtimestamp(NOW / 1000, UTC).strftime("%Y-%m-%dT%H%M%SZ") in name
