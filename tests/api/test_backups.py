"""Backups by the API: made, listed, taken away, removed; by a key that may, and by no other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk import kept_backups
from mmconnect.desk.keys import Scope
from mmconnect.domain.days import DAY
from mmconnect.store import backups
from tests.support.api import Api, api_of
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.wire import Line, request

ONLY = [Scope.BACKUP]


def _audit(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / "mmconnect.db")) as db:
        found = db.execute("SELECT action, actor FROM audit ORDER BY number").fetchall()
    assert all(actor.startswith("key_") for _, actor in found)
    return [action for action, _ in found]


async def test_one_is_made_listed_taken_away_and_removed(tmp_path: Path):
    async with appliance(tmp_path, tokens=("the-phone",)) as box, api_of(box, scopes=ONLY) as api:
        await box.text("hello")
        assert (await api.get("/backups")).json == {"items": []}
        nothing = await api.get("/backups/latest")
        assert (nothing.status, nothing.json["error"]) == (404, "not_found")
        made = await api.post("/backups")
        assert made.status == 201
        assert made.headers["location"] == f"/v1/backups/{made.json['id']}"
        assert made.json["why"] == "scheduled"
        assert (await api.get("/backups")).json["items"] == [made.json]
        for name in (made.json["id"], "latest"):
            assert (await api.get(f"/backups/{name}")).json == made.json
            taken = await api.get(f"/backups/{name}/file")
            assert taken.status == 200
            saved = taken.headers["content-disposition"]
            assert saved == f'attachment; filename="{made.json["id"]}"'
            assert taken.body == Path(made.json["file"]).read_bytes()  # noqa: ASYNC240
            assert len(taken.body) == made.json["bytes"]
        away = ["backup.made", "backup.downloaded", "backup.downloaded"]
        await eventually(lambda: _audit(tmp_path) == away, 60)
        assert await box.database.read(backups.last_made) is not None
        assert (await api.delete("/backups/latest")).status == 404, "it has to be named"
        gone = await api.delete(f"/backups/{made.json['id']}")
        assert gone.json == {"id": made.json["id"], "removed": True}
        assert (await api.get(f"/backups/{made.json['id']}")).status == 404
        assert _audit(tmp_path)[-1] == "backup.deleted"


async def test_the_latest_is_none_that_a_wrong_clock_has_named(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        ahead = kept_backups.name_at(box.clock.now() + 3650 * DAY)
        (tmp_path / kept_backups.FOLDER).mkdir()
        (tmp_path / kept_backups.FOLDER / ahead).write_bytes(b"x")
        assert (await api.get("/backups/latest")).json["id"] == ahead, "there is no other"
        made = await api.post("/backups")
        assert (await api.get("/backups/latest")).json == made.json


async def test_the_list_has_pages_and_what_was_set_aside(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        folder = tmp_path / kept_backups.FOLDER
        folder.mkdir()
        for name in ("mmconnect-2026-06-12T010000Z.db", "before-schema-7.db", "notes.db"):
            (folder / name).write_bytes(b"x")
        found = await api.all("/backups", limit=1)
        assert {one["id"]: one["why"] for one in found} == {
            "before-schema-7.db": "before-upgrade",
            "mmconnect-2026-06-12T010000Z.db": "scheduled",
        }


@pytest.mark.parametrize("scopes", [[Scope.READ, Scope.WRITE], [Scope.METRICS]])
async def test_no_other_key_may_have_anything_of_them(tmp_path: Path, scopes: list[Scope]):
    async with appliance(tmp_path) as box, api_of(box, scopes=scopes) as api:
        name = (await box_made(box)).name
        for method, path in (
            ("GET", "/backups"),
            ("POST", "/backups"),
            ("GET", f"/backups/{name}"),
            ("GET", f"/backups/{name}/file"),
            ("DELETE", f"/backups/{name}"),
        ):
            told = await api.ask(method, path)
            assert (told.status, told.json["error"]) == (403, "forbidden"), path
            assert "`backup`" in told.json["message"]
        assert [one.name for one in kept_backups.every(tmp_path, None)] == [name]


async def box_made(box: Appliance) -> Any:
    """A backup as the schedule makes it."""
    from tests.support.desk import backups_of

    return await backups_of(box).make()


async def test_a_key_for_backups_may_nothing_else(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        for path in ("/messages", "/endpoints", "/settings", "/status", "/configuration"):
            assert (await api.get(path)).status == 403, path
        assert (await api.patch("/settings", {"backupKeep": 1})).status == 403


async def test_one_that_cannot_be_made_says_why_and_what_to_do(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box, scopes=[*ONLY, Scope.WRITE]) as api:
        away = tmp_path / "stick"
        assert (await api.patch("/settings", {"backupFolder": str(away)})).status == 200
        told = await api.post("/backups")
        assert (told.status, told.json["error"]) == (409, "conflict")
        assert str(away) in told.json["message"]
        assert "plug" in told.json["message"].lower()


@pytest.mark.parametrize(
    "name",
    ["..%2Fmmconnect.db", "%2e%2e%2fmmconnect.db", "mmconnect.db", "..", "none.db", "x%00.db"],
)
async def test_a_name_leads_to_no_other_file(tmp_path: Path, name: str):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        await box_made(box)
        for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
            told = await api.ask(method, f"/backups/{name}{path}")
            assert told.status in (404, 405), (method, path, told)
        assert (tmp_path / "mmconnect.db").exists()


async def test_one_that_vanishes_or_cannot_be_read_is_a_refusal(tmp_path: Path, monkeypatch):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        made = (await api.post("/backups")).json

        def broken(self: Path, mode: str) -> Any:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "open", broken)
        told = await api.get(f"/backups/{made['id']}/file")
        assert (told.status, told.json["error"]) == (409, "conflict")
        assert "Input/output error" in told.json["message"]


async def test_who_hangs_up_halfway_breaks_nothing(tmp_path: Path, caplog):
    async with appliance(tmp_path) as box, api_of(box, scopes=ONLY) as api:
        name = "mmconnect-2026-06-12T010000Z.db"
        (tmp_path / kept_backups.FOLDER).mkdir()
        (tmp_path / kept_backups.FOLDER / name).write_bytes(bytes(64 * 2**20))
        line = await Line.open(api.port)
        sent = {"Authorization": f"Bearer {api.key}"}
        await line.send(request(f"/v1/backups/{name}/file", sent, method="GET"))
        await line.reader.readexactly(1000)
        line.writer.transport.abort()
        assert (await api.get(f"/backups/{name}")).status == 200
        await eventually(lambda: not _handing_over(), 60)
        assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []
        assert _audit(tmp_path) == [], "it has not left the machine"


def _handing_over() -> bool:
    """Whether some task is still at it."""
    import asyncio

    return any("_handed" in str(task.get_stack()) for task in asyncio.all_tasks())


async def test_a_secret_of_the_configuration_needs_that_scope(tmp_path: Path):
    """Whoever may read sees everything but secrets; with both scopes, those too."""
    for scopes, status in (
        ([Scope.READ], 403),
        ([Scope.READ, Scope.WRITE], 403),
        ([Scope.READ, Scope.BACKUP], 200),
    ):
        directory = tmp_path / "-".join(scopes)
        directory.mkdir()
        async with appliance(directory) as box, api_of(box, scopes=scopes) as api:
            await box.endpoint("http://127.0.0.1:9/x")
            plain = await api.get("/configuration")
            assert plain.status == 200
            assert "whsec_" not in plain.body.decode()
            told = await api.get("/configuration", secrets="true")
            assert told.status == status
            assert ("whsec_" in told.body.decode()) is (status == 200)
            wanted = ["config.exported"] if status == 200 else []
            assert [one for one in _audit(directory) if one.startswith("config")] == wanted


async def test_a_configuration_goes_from_one_appliance_to_another(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    every = list(Scope)
    async with appliance(tmp_path / "a", tokens=()) as box, api_of(box, scopes=every) as api:
        await api.post("/endpoints", {"url": "http://127.0.0.1:9/x", "name": "CRM"})
        await api.post("/devices", {"name": "Reception", "app": "smsgate"})
        await api.patch("/settings", {"siteName": "Acme", "retentionMessages": 86400})
        taken = (await api.get("/configuration", secrets="true")).json
        bare = (await api.get("/configuration")).json
        again = await api.post("/configuration", taken)
        assert again.json == {"applied": True, "steps": []}, "all is so already"
    async with appliance(tmp_path / "b", tokens=()) as box, api_of(box, scopes=every) as api:
        tried = await api.ask("POST", "/configuration", bare, query={"dryRun": "true"})
        assert tried.json["applied"] is False
        assert (await api.get("/endpoints")).json["items"] == []
        assert all(one["secret"] is None for one in tried.json["steps"])
        done = await api.post("/configuration", bare)
        told = [(one["what"], one["name"]) for one in done.json["steps"]]
        assert told == [(one["what"], one["name"]) for one in tried.json["steps"]]
        assert ("changed", "siteName") in told
        secrets = {one["name"]: one["secret"] for one in done.json["steps"]}
        assert secrets["CRM"].startswith("whsec_"), "made anew, and shown this once"
        assert secrets["Reception"]
        whole = await api.post("/configuration", taken)
        assert whole.status == 200, whole
        assert {one["what"] for one in whole.json["steps"]} <= {"changed", "note"}
        assert (await _secrets(api)) == taken["endpoints"][0]["secret"]


async def _secrets(api: Api) -> str:
    (endpoint,) = (await api.get("/configuration", secrets="true")).json["endpoints"]
    return str(endpoint["secret"])


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"format": 1}, "mmconnect"),
        ({"mmconnect": "backup", "format": 1}, "mmconnect"),
        ({"mmconnect": "configuration", "format": 2}, "format"),
        ({"mmconnect": "configuration", "format": 1, "endpoint": []}, "endpoint"),
        ({"mmconnect": "configuration", "format": 1, "endpoints": [{}]}, "endpoints.0"),
        (
            {"mmconnect": "configuration", "format": 1, "settings": {"backupKeep": "many"}},
            "settings.backupKeep",
        ),
        (
            {"mmconnect": "configuration", "format": 1, "devices": [{"name": 7}]},
            "devices.0.name",
        ),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, document: dict[str, Any], path: str
):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.post("/configuration", document)
        assert (told.status, told.json["error"]) == (400, "validation_error"), told
        assert any(one["path"].startswith(path) for one in told.json["issues"]), told
