"""Devices by the API: added, changed, given a new token, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.api import api_of
from tests.support.inprocess import FakeClock, appliance
from tests.support.phones import generic_json


async def test_a_phone_from_first_to_last(tmp_path: Path):
    async with appliance(tmp_path, clock=FakeClock(), tokens=()) as box, api_of(box) as api:
        assert (await api.get("/devices")).json == {"items": []}
        told = await api.post("/devices", {"name": "Reception", "app": "generic", "country": "SG"})
        given = told.json
        assert told.status == 201
        assert told.headers["location"] == f"/v1/devices/{given['id']}"
        assert given["pushUrl"].endswith(f"/in/{given['token']}")
        assert "/pair/" in given["pairUrl"]
        pushed = await box.push(
            *generic_json({"from": "8123 0000", "text": "hi"}), token=given["token"]
        )
        assert pushed.status == 200, "the service knows it at once"
        path = f"/devices/{given['id']}"
        shown = (await api.get(path)).json
        assert (shown["name"], shown["textsToday"]) == ("Reception", 1)
        assert shown["lastHeardAt"] is not None
        assert given["token"] not in str(shown)
        (listed,) = (await api.get("/devices")).json["items"]
        assert listed.items() <= shown.items()

        changed = await api.patch(path, {"name": "Desk", "silentAfter": 3600, "country": None})
        assert (changed.json["name"], changed.json["silentAfter"]) == ("Desk", 3600)
        assert changed.json["country"] is None

        renewed = (await api.post(f"{path}/new-token")).json
        assert renewed["token"] != given["token"]
        paired = (await api.post(f"{path}/pair")).json
        assert paired["pairCode"] != renewed["pairCode"]

        assert (await api.delete(path)).json == {"id": given["id"], "removed": True}
        refused = await box.push(*generic_json({"from": "1", "text": "x"}), token=renewed["token"])
        assert refused.status == 401
        for again in (await api.get(path), await api.delete(path), await api.post(f"{path}/pair")):
            assert (again.status, again.json["error"]) == (404, "not_found")


async def test_who_asks_by_the_api_is_told_of_no_command(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for path in ("/devices/dev_none", "/endpoints/ep_none", "/messages/msg_none"):
            told = await api.get(path)
            assert told.status == 404
            assert "mmconnect" not in told.json["message"], path
        told = await api.delete("/devices/dev_none")
        assert told.json["message"] == "There is no device dev_none."


async def test_a_signing_key_is_taken_and_never_shown(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        (device,) = box.tokens
        told = await api.patch(f"/devices/{device}", {"signingKey": "k3y-of-the-app"})
        assert told.json["signed"] is True
        for one in (told, await api.get(f"/devices/{device}"), await api.get("/devices")):
            assert "k3y-of-the-app" not in one.body.decode()
        assert (await api.patch(f"/devices/{device}", {"signingKey": None})).json["signed"] is False


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x", "app": "pigeon"}, "app"),
        ({"name": "x", "country": "XX"}, "country"),
        ({"name": "x", "country": "Singapore"}, "country"),
        ({"name": "x", "dedupeWindow": -1}, "dedupeWindow"),
        ({"name": "x", "silentAfter": 5}, "silentAfter"),
        ({"name": "x", "mapping": {"sender": "a", "colour": "b"}}, "mapping.colour"),
        ({"name": "x", "token": "mine"}, "token"),
    ],
)
async def test_what_cannot_be(tmp_path: Path, body: dict[str, Any], path: str):
    async with appliance(tmp_path, tokens=()) as box, api_of(box) as api:
        told = await api.post("/devices", body)
        assert (told.status, told.json["error"]) == (400, "validation_error")
        assert path in [issue["path"] for issue in told.json["issues"]]
        assert box.one("SELECT count(*) FROM devices") == 0


async def test_pages_of_devices(tmp_path: Path):
    async with (
        appliance(tmp_path, tokens=[f"token-{n}" for n in range(5)]) as box,
        api_of(box) as api,
    ):
        found = [one["id"] for one in await api.all("/devices", limit=2)]
        assert found == list(box.tokens)


async def test_each_change_is_on_the_audit_list(tmp_path: Path):
    async with appliance(tmp_path, tokens=()) as box, api_of(box) as api:
        made = (await api.post("/devices", {"name": "Reception"})).json
        path = f"/devices/{made['id']}"
        await api.patch(path, {"name": "Desk"})
        await api.post(f"{path}/new-token")
        await api.delete(path)
        rows = box.rows("SELECT action, subject, detail FROM audit ORDER BY number")
        assert [action for action, _, _ in rows] == [
            *("device.added", "device.changed", "device.token_renewed", "device.removed")
        ]
        assert {subject for _, subject, _ in rows} == {made["id"]}
        assert made["token"] not in str(rows)
