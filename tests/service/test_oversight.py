"""Signs of life of phones are written down, and refusals told, however the database is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mmconnect.service.oversight import save_presences
from mmconnect.store import database
from mmconnect.store.connection import FILE
from mmconnect.webhook.events import DEVICE_REJECTED
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.receiver import receiver


async def save(box: Appliance) -> None:
    await save_presences(
        box.database, box.presences, box.watch.look, box.ids, box.clock, box.dispatcher.wake
    )


async def test_refusals_survive_a_database_that_cannot_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr("mmconnect.delivery.dispatcher.AFTER_ERROR", 0.05)
    async with appliance(tmp_path, tokens=()) as box, receiver() as there:
        await box.endpoint(there.url, events=frozenset({DEVICE_REJECTED}))
        await box.device(app="smsgate", signing_key="a-key-of-the-device")
        await save(box)
        for _ in range(3):
            assert (await box.push({}, b"{}")).status == 401
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        await save(box)
        assert (await box.push({}, b"{}")).status == 401
        blocker.close()
        await eventually(lambda: box.database.trouble is None)
        await save(box)
        (arrival,) = await there.until(1)
        assert arrival.json["count"] == 4
        assert arrival.json["message"].startswith("4 pushes of Reception were refused")
        await save(box)
        assert box.one("SELECT rejected FROM device_presence") == 4
        assert box.one("SELECT count(*) FROM messages") == 1
        assert box.intake.counts.rejected == {"bad_signature": 4}
