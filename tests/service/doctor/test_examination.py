"""The examination as a whole: a look that fails keeps nobody from the rest, and none lasts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from mmconnect.desk.doctor import Mark, Report
from mmconnect.domain.clock import SystemClock
from mmconnect.service.doctor import hardware, looks_at_data, speed
from mmconnect.service.doctor.examination import examine
from mmconnect.service.doctor.scene import Before, Subject
from mmconnect.store import inspection
from tests.support.desk import machine_of
from tests.support.inprocess import appliance
from tests.support.receiver import answer, receiver

NOBODY_LISTENS = Before(me=0, rules=[])


async def of(directory: Path, command: str = "mmconnect") -> Report:
    return await examine(
        Subject(
            directory=directory,
            source="a test",
            clock=SystemClock(),
            before=NOBODY_LISTENS,
            command=command,
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
    monkeypatch.setattr(looks_at_data, "DISK_PATIENCE", 1.0)
    monkeypatch.setattr(speed, "measure", lambda directory, clock: never.wait())
    report = await of(tmp_path)
    never.set()
    (fsync,) = [one for one in report.findings if one.check == "fsync"]
    assert fsync.mark is Mark.PROBLEM
    assert "within 1 s: it hangs" in fsync.found


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
