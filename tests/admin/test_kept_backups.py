"""Backups that lie on this machine: made, taken away, deleted and set in the browser."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmconnect.admin import concerns
from mmconnect.desk import kept_backups
from mmconnect.domain.days import DAY
from mmconnect.service.machine import RunningMachine
from mmconnect.store import backups
from mmconnect.webhook.events import SystemWarning
from tests.admin.test_settings_pages import opened
from tests.support.inprocess import eventually
from tests.support.wire import ask, request

PATH = "/settings/backup"


def _audit(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / "mmconnect.db")) as db:
        return [row[0] for row in db.execute("SELECT action FROM audit ORDER BY number")]


async def test_one_is_made_shown_taken_away_and_deleted(tmp_path: Path):
    async with opened(tmp_path) as pages:
        assert "There is none yet" in await pages.get(PATH)
        await pages.box.text("hello")
        told = await pages.post(f"{PATH}/make")
        assert (told.status, told.headers["location"]) == (303, PATH)
        (kept,) = kept_backups.every(tmp_path, None)
        page = await pages.get(PATH)
        assert kept.name in page
        assert "scheduled, or by hand" in page

        taken = await pages.post(f"{PATH}/kept/{kept.name}")
        assert taken.headers["content-disposition"] == f'attachment; filename="{kept.name}"'
        assert taken.body == kept.path.read_bytes()
        await eventually(lambda: _audit(tmp_path)[-1:] == ["backup.downloaded"], 60)
        assert await pages.box.database.read(backups.last_made) is not None

        asked = await pages.get(f"{PATH}/kept/{kept.name}/delete")
        assert kept.name in asked
        assert kept.path.exists()
        told = await pages.post(f"{PATH}/kept/{kept.name}/delete")
        assert told.status == 303
        assert kept_backups.every(tmp_path, None) == []
        assert _audit(tmp_path)[-3:] == ["backup.made", "backup.downloaded", "backup.deleted"]


@pytest.mark.parametrize(("days", "asks"), [(29, False), (31, True)])
async def test_one_that_left_long_ago_is_no_good_news(tmp_path: Path, days: int, asks: bool):
    async with opened(tmp_path) as pages:
        at = pages.box.clock.now() - days * DAY
        await pages.box.database.write(lambda db: backups.note_made(db, at))
        assert ("Take one away now" in await pages.get(PATH)) is asks


async def test_why_a_restore_came_to_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with opened(tmp_path) as pages:
        assert "could not be restored" not in await pages.get(PATH)
        monkeypatch.setattr(RunningMachine, "unrestored", lambda self: "There was <no> room")
        page = await pages.get(PATH)
        assert "could not be restored" in page
        assert "There was &lt;no&gt; room" in page


async def test_one_is_looked_into_before_it_is_restored(tmp_path: Path):
    async with opened(tmp_path) as pages:
        await pages.box.text("hello")
        await pages.post(f"{PATH}/make")
        (kept,) = kept_backups.every(tmp_path, None)
        page = await pages.get(f"{PATH}/kept/{kept.name}/restore")
        assert "Everything that is here now is replaced" in page
        kept.path.write_bytes(kept.path.read_bytes()[:5000])
        told = await ask(pages.port, request(f"{PATH}/kept/{kept.name}/restore", method="GET"))
        assert told.status == 303, "it is damaged, which the page then says"


async def test_names_that_are_none(tmp_path: Path):
    async with opened(tmp_path) as pages:
        for name in ("mmconnect.db", "..%2Fmmconnect.db", "mmconnect-2026-01-01T000000Z.db"):
            for verb in ("delete", "restore"):
                told = await ask(pages.port, request(f"{PATH}/kept/{name}/{verb}", method="GET"))
                assert told.status == 404
            assert (await pages.post(f"{PATH}/kept/{name}")).status == 404
            assert (await pages.post(f"{PATH}/kept/{name}/delete")).status == 404
        assert (tmp_path / "mmconnect.db").exists()


async def test_the_schedule_is_set_and_what_cannot_be_is_said_beside_it(tmp_path: Path):
    async with opened(tmp_path) as pages:
        told = await pages.post(
            f"{PATH}/schedule", backup_schedule="weekly", backup_keep="3", backup_folder=""
        )
        assert told.status == 303
        wished = pages.box.watch.look().preferences
        assert (wished.backup_schedule, wished.backup_keep) == ("weekly", 3)
        told = await pages.post(
            f"{PATH}/schedule", backup_schedule="weekly", backup_keep="0", backup_folder="stick"
        )
        page = told.body.decode()
        assert told.status == 400
        assert len(re.findall(r'aria-invalid="true"', page)) == 2
        assert "1 to 365" in page
        assert pages.box.watch.look().preferences.backup_keep == 3


def test_a_warning_leads_to_the_page():
    warning = SystemWarning(
        code="backup", sentence="No backup could be made: there is no folder /x.", remedy="Make it."
    )
    found: Any = SimpleNamespace(problems=[], offline=False, machine=[warning], examined=None)
    (concern,) = concerns._machine(found)
    assert concern.title == "No backup could be made: there is no folder /x"
    assert concern.sentence == "Make it."
    assert concern.do == ("Look at the backups", PATH)


async def test_one_that_cannot_be_made_says_why(tmp_path: Path):
    async with opened(tmp_path) as pages:
        await pages.post(
            f"{PATH}/schedule", backup_schedule="", backup_keep="", backup_folder="/no/such/place"
        )
        told = await pages.post(f"{PATH}/make")
        cookie = told.headers["set-cookie"].partition(";")[0]
        said = await ask(pages.port, request(PATH, {"Cookie": cookie}, method="GET"))
        assert "there is no folder /no/such/place" in said.body.decode()
