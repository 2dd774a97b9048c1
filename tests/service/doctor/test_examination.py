"""The examination as a whole: a look that fails keeps nobody from the rest, and none lasts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from mmconnect import config
from mmconnect.desk.doctor import Mark, Report
from mmconnect.domain.clock import Clock, SystemClock
from mmconnect.service.doctor import copies, disk, examination, hardware, looks_at_data, speed
from mmconnect.service.doctor.examination import examine
from mmconnect.service.doctor.scene import Before, Subject
from mmconnect.store import inspection, settings
from tests.support.desk import backups_of, machine_of
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.receiver import answer, receiver

NOBODY_LISTENS = Before(me=0, rules=[])


async def of(
    directory: Path,
    command: str = "mmconnect",
    clock: Clock | None = None,
    before: Before = NOBODY_LISTENS,
    **more: Any,
) -> Report:
    return await examine(
        Subject(
            directory=directory,
            source="a test",
            clock=clock or SystemClock(),
            before=before,
            command=command,
            **more,
        )
    )


async def test_a_look_that_fails_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def breaks() -> hardware.Vitals:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(hardware, "look", breaks)
    report = await of(tmp_path)
    (machine,) = [one for one in report.findings if one.check == "machine"]
    assert machine.mark is Mark.NOTE
    assert machine.found == "It could not be looked at: Input/output error."
    assert {"versions", "clock", "directory"} <= {one.check for one in report.findings}


async def test_a_disk_that_hangs_is_told_and_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    never = threading.Event()
    (tmp_path / "mmconnect.db").touch()
    monkeypatch.setattr(looks_at_data, "DISK_PATIENCE", 1.0)
    monkeypatch.setattr(speed, "measure", lambda directory, clock: never.wait())
    monkeypatch.setattr(looks_at_data, "_inspect", lambda scene, file, seconds: never.wait())
    monkeypatch.setattr(disk, "space", lambda directory: never.wait())
    report = await of(tmp_path, seconds=0.1)
    never.set()
    (fsync,) = [one for one in report.findings if one.check == "fsync"]
    assert fsync.mark is Mark.PROBLEM
    assert "within 1 s: it hangs" in fsync.found
    (database,) = [one for one in report.findings if one.check == "database"]
    assert database.found == "It cannot be opened: the disk does not answer."
    assert "restore" not in (database.remedy or ""), "nothing says that it is damaged"
    (room,) = [one for one in report.findings if one.check == "disk"]
    assert room.found == "It could not be looked at: there was no answer in time."


async def test_what_only_this_machine_is_to_reach_is_let_through_no_firewall(tmp_path: Path):
    door = {"name": "input", "hook": "input", "type": "filter", "policy": "drop"}
    rules = [{"chain": {"family": "inet", "table": "filter", **door}}]
    for host, away in (("127.0.0.1", False), ("0.0.0.0", True)):
        where = {"MMCONNECT_ADMIN_LISTEN": f"{host}:8480"}
        report = await of(
            tmp_path, options=config.settle({}, where, {}), before=Before(me=0, rules=rules)
        )
        (wall,) = [one for one in report.findings if one.check == "firewall"]
        assert "8481 (phones)" in wall.found
        assert ("8480" in wall.found) is away


async def test_commands_are_as_they_have_to_be_typed(tmp_path: Path):
    typed = r"./mm --data-dir '/a\1b'"
    report = await of(tmp_path / "none", typed)
    (missing,) = [one for one in report.findings if one.check == "directory"]
    assert missing.remedy is not None
    assert f"`{typed} serve`" in missing.remedy
    plain = await of(tmp_path / "none")
    (missing,) = [one for one in plain.findings if one.check == "directory"]
    assert "`mmconnect serve`" in (missing.remedy or "")


async def test_receivers_are_connected_to_and_sent_nothing(tmp_path: Path):
    async with receiver(answer(200)) as hook, appliance(tmp_path) as box:
        await box.endpoint(hook.url)
        report = await machine_of(box).examine()
        (found,) = [one for one in report.findings if one.check == "receivers"]
        assert found.mark is Mark.OK
        assert f"127.0.0.1:{hook.port}" in found.found
        assert hook.arrivals == []
        assert await box.database.read(lambda db: inspection.in_flight(db)) == {}


async def test_what_the_address_rule_refuses_is_not_connected_to(tmp_path: Path):
    async with appliance(tmp_path) as box:
        await box.endpoint("http://169.254.169.254/latest")
        report = await machine_of(box).examine()
        (found,) = [one for one in report.findings if one.check == "receivers"]
        assert found.mark is Mark.PROBLEM
        assert "credentials" in found.found


async def test_two_who_ask_the_service_at_once_get_the_same(tmp_path: Path):
    async with appliance(tmp_path) as box:
        machine = machine_of(box)
        assert machine.examined() is None
        one, other = await asyncio.gather(machine.examine(), machine.examine())
        assert one is other is machine.examined()


async def backup(box: Appliance, later: float = 0.0) -> tuple[Mark, str]:
    """What is found of the backups, so many seconds from now."""
    report = await of(box.directory, clock=FakeClock(box.clock.now() + round(later * 1000)))
    (found,) = [one for one in report.findings if one.check == "backup"]
    return found.mark, f"{found.found} {found.remedy or ''}"


async def test_backups_are_looked_for_where_they_lie(tmp_path: Path):
    """On the data's own disk, too: those have left no note in the database."""
    async with appliance(tmp_path, clock=FakeClock(), tokens=("the-phone",)) as box:
        await box.text("hello")
        assert (await backup(box))[1].startswith("There is none yet: the first is made")
        mark, told = await backup(box, 5 * 86_400)
        assert (mark, "although they are made" in told) == (Mark.NOTE, True)
        await backups_of(box).make()
        mark, told = await backup(box, 5 * 86_400)
        assert (mark, told[:33]) == (Mark.OK, "The last one was made 5 days ago,")
        await box.database.write(lambda db: settings.put(db, "backup_folder", "/no/stick"))
        mark, told = await backup(box)
        assert mark is Mark.NOTE
        assert "Another cannot be made: there is no folder /no/stick. Plug its disk in" in told
        there = tmp_path / "stick"
        there.mkdir()
        await box.database.write(lambda db: settings.put(db, "backup_folder", str(there)))
        assert (await backup(box))[0] is Mark.OK
        assert list(there.iterdir()) == [], "nothing was tried there"


async def test_a_stick_that_hangs_keeps_nobody_from_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    never = threading.Event()
    monkeypatch.setattr(examination, "DISK_PATIENCE", 1.0)
    monkeypatch.setattr(copies, "look", lambda *_, **__: never.wait())
    async with appliance(tmp_path) as box:
        mark, told = await backup(box)
        never.set()
        assert (mark, "does not answer" in told) == (Mark.NOTE, True)
