"""Endpoints by the API: what comes back, what is refused, and what only one answer shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.support.api import Api, api_of
from tests.support.inprocess import SECRET, FakeClock, appliance
from tests.support.receiver import answer, receiver

URL = "https://crm.example.com/inbound"


async def added(api: Api, **fields: Any) -> dict[str, Any]:
    told = await api.post("/endpoints", {"url": URL, **fields})
    assert told.status == 201, told
    return told.json


async def test_an_endpoint_from_first_to_last(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        assert (await api.get("/endpoints")).json == {"items": []}
        told = await api.post("/endpoints", {"url": URL})
        made = told.json
        assert (told.status, made["url"], made["name"]) == (201, URL, "crm.example.com")
        assert signing.standard_key(made["secret"]) is not None
        assert told.headers["location"] == f"/v1/endpoints/{made['id']}"
        shown = {name: value for name, value in made.items() if name != "secret"}
        assert (await api.get(f"/endpoints/{made['id']}")).json == shown
        assert (await api.get("/endpoints")).json == {"items": [shown]}
        assert made["id"] in box.watch.look().endpoints, "the service knows it at once"

        changed = await api.patch(f"/endpoints/{made['id']}", {"name": "CRM", "maxAge": 60})
        assert changed.json == shown | {"name": "CRM", "maxAge": 60}

        gone = await api.delete(f"/endpoints/{made['id']}")
        assert gone.json == {"id": made["id"], "removed": True, "cancelled": 0}
        for again in (
            await api.get(f"/endpoints/{made['id']}"),
            await api.delete(f"/endpoints/{made['id']}"),
            await api.patch(f"/endpoints/{made['id']}", {"name": "x"}),
            await api.post(f"/endpoints/{made['id']}/pause"),
        ):
            assert (again.status, again.json["error"]) == (404, "not_found")


async def test_everything_that_can_be_set_is_set(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        (device,) = box.tokens
        wanted = {
            "name": "Door",
            "numbers": "digits",
            "events": ["device.silent", "message.received"],
            "maxAge": 300,
            "schedule": [0, 5, 10],
            "concurrency": 2,
            "strictOrder": True,
            "plainHeaders": False,
            "plainHttp": True,
        }
        routing = {
            "devices": [device],
            "sims": [2],
            "senders": [{"match": "prefix", "value": "+65"}],
            "texts": [{"match": "contains", "value": "open"}],
        }
        made = await added(api, **wanted, headers={"X-Api-Key": "s3cret"}, routing=routing)
        assert {name: made[name] for name in wanted} == wanted
        assert made["headers"] == {"X-Api-Key": "***"}
        assert made["routing"].pop("id").startswith("rule_")
        assert made["routing"] == routing
        back = await api.patch(f"/endpoints/{made['id']}", {"schedule": None, "routing": None})
        assert back.json["schedule"][-1] == 86400
        assert back.json["routing"]["senders"] == []


async def test_own_headers_are_added_replaced_kept_and_taken_away(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = await added(api, headers={"X-A": "1", "X-B": "2", "X-C": "3"})
        path = f"/endpoints/{made['id']}"
        await api.patch(path, {"headers": {"x-a": "9", "X-B": None, "X-C": "***", "X-D": "4"}})
        assert dict(box.endpoint_row(made["id"]).headers) == {"x-a": "9", "X-C": "3", "X-D": "4"}
        told = await api.patch(path, {"headers": {"X-New": "***"}})
        assert (told.status, told.json["issues"][0]["path"]) == (400, "headers.X-New")
        assert dict(box.endpoint_row(made["id"]).headers) == {"x-a": "9", "X-C": "3", "X-D": "4"}


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["url"]),
        ({"url": "ftp://x"}, ["url"]),
        ({"url": "http://93.184.216.34/"}, ["plainHttp"]),
        ({"url": URL, "nmae": "CRM"}, ["nmae"]),
        ({"url": 7, "name": ""}, ["url", "name"]),
        ({"url": URL, "maxAge": "14d"}, ["maxAge"]),
        ({"url": URL, "maxAge": True}, ["maxAge"]),
        ({"url": URL, "schedule": [5]}, ["schedule"]),
        ({"url": URL, "events": ["message.lost"]}, ["events.0"]),
        ({"url": URL, "concurrency": 0}, ["concurrency"]),
        ({"url": URL, "headers": {"Host": "x"}}, ["headers"]),
        ({"url": URL, "routing": {"devices": ["dev_none"]}}, ["routing.devices"]),
        ({"url": URL, "routing": {"texts": [{"match": "contains"}]}}, ["routing.texts.0.value"]),
        ({"url": URL, "ca": "no certificate"}, ["ca"]),
        ({"url": URL, "secret": "short"}, ["secret"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_with_its_place(
    tmp_path: Path, body: dict[str, Any], paths: list[str]
):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.post("/endpoints", body)
        assert (told.status, told.json["error"]) == (400, "validation_error")
        assert [issue["path"] for issue in told.json["issues"]] == paths
        assert box.one("SELECT count(*) FROM endpoints") == 0


async def test_a_secret_is_shown_when_it_is_made_and_in_no_other_answer(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = await added(api, secret=SECRET)
        assert made["secret"] == SECRET
        path = f"/endpoints/{made['id']}"
        rotated = (await api.post(f"{path}/rotate-secret", {"overlap": 3600})).json
        assert rotated.keys() == {"id", "secret", "previousExpiresAt"}
        assert rotated["secret"] != SECRET
        assert box.endpoint_row(made["id"]).secrets[0].value == rotated["secret"]
        assert (await api.post(f"{path}/end-overlap")).json == {"id": made["id"], "ended": 1}
        at_once = (await api.post(f"{path}/rotate-secret", {"overlap": 0})).json
        assert at_once["previousExpiresAt"] is None
        again = await api.post(f"{path}/rotate-secret", {"secret": at_once["secret"]})
        assert (again.status, again.json["error"]) == (409, "conflict")
        for told in (await api.get("/endpoints"), await api.get(path)):
            for secret in (SECRET, rotated["secret"], at_once["secret"]):
                assert secret not in told.body.decode()


async def test_a_test_is_one_attempt_and_its_answer_comes_back(tmp_path: Path):
    async with (
        appliance(tmp_path) as box,
        api_of(box) as api,
        receiver(answer(500, b"no thanks"), answer(200, b"welcome")) as there,
    ):
        made = await added(api, url=there.url)
        path = f"/endpoints/{made['id']}"
        failed = (await api.post(f"{path}/test")).json
        assert (failed["state"], failed["status"], failed["answer"]) == ("failed", 500, "no thanks")
        assert failed["error"]
        worked = (await api.post(f"{path}/test")).json
        assert (worked["state"], worked["status"], worked["error"]) == ("delivered", 200, None)
        assert worked["attempts"] == 1


async def test_the_check_up(tmp_path: Path):
    async with (
        appliance(tmp_path, clock=FakeClock()) as box,
        api_of(box) as api,
        receiver(answer(200)) as there,
    ):
        made = await added(api, url=there.url)
        found = (await api.post(f"/endpoints/{made['id']}/check")).json
        assert found["ok"] is False, "it takes what is wrongly signed"
        told = {check["check"]: check["ok"] for check in found["checks"]}
        assert told == {"signed": True, "repeated": True, "forged": False, "quick": True}


async def test_pausing_and_resuming(tmp_path: Path):
    async with (
        appliance(tmp_path) as box,
        api_of(box) as api,
        receiver(answer(200)) as there,
    ):
        made = await added(api, url=there.url)
        path = f"/endpoints/{made['id']}"
        assert (await api.post(f"{path}/pause")).json["state"] == "paused"
        first = await box.text("one")
        assert (await api.get(path)).json["waiting"] == 1
        both = await api.post(f"{path}/resume", {"none": True, "newerThan": "2026-01-01T00:00:00Z"})
        assert both.status == 400
        none = (await api.post(f"{path}/resume", {"none": True})).json
        assert (none["state"], none["cancelled"], none["waiting"]) == ("active", 1, 0)
        assert box.deliveries(first)[0].state == "cancelled"
        await api.post(f"{path}/pause")
        second = await box.text("two")
        resumed = (await api.post(f"{path}/resume")).json
        assert (resumed["state"], resumed["cancelled"]) == ("active", 0)
        await box.settled(second)


async def test_the_order_that_people_see_and_pages_of_it(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        ids = [(await added(api, name=f"e{n}"))["id"] for n in range(5)]
        await api.post(f"/endpoints/{ids[4]}/move", {"direction": "up"})
        wanted = [*ids[:3], ids[4], ids[3]]
        assert [one["id"] for one in await api.all("/endpoints", limit=2)] == wanted
        first = (await api.get("/endpoints", limit=2)).json
        await api.delete(f"/endpoints/{wanted[1]}")  # the one that the cursor stands on
        rest = (await api.get("/endpoints", limit=2, cursor=first["nextCursor"])).json
        assert [one["id"] for one in rest["items"]] == wanted[2:4]
        wrong = await api.get("/endpoints", cursor="nonsense")
        assert (wrong.status, wrong.json["issues"][0]["path"]) == (400, "cursor")


async def test_what_a_routing_would_have_matched(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        wanted = await box.text("open the door")
        await box.text("nothing to open here", "+4915112345678")
        routing = {
            "senders": [{"match": "prefix", "value": "+65"}],
            "texts": [{"match": "contains", "value": "OPEN"}],
        }
        told = await api.post("/routing/preview", {"routing": routing})
        assert told.json == {"matched": 1, "of": 2, "messageIds": [wanted]}
        bad = await api.post(
            "/routing/preview", {"routing": {"texts": [{"match": "pattern", "value": "("}]}}
        )
        assert (bad.status, bad.json["issues"][0]["path"]) == (400, "routing")


async def test_each_change_is_on_the_audit_list_with_the_key(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        key = (await api.get("/key")).json["id"]
        made = await added(api)
        path = f"/endpoints/{made['id']}"
        await api.patch(path, {"name": "CRM"})
        await api.post(f"{path}/pause")
        await api.post(f"{path}/resume")
        await api.post(f"{path}/rotate-secret")
        await api.delete(path)
        rows = box.rows("SELECT actor, address, action, subject FROM audit ORDER BY number")
        assert rows == [
            (key, "127.0.0.1", f"endpoint.{verb}", made["id"])
            for verb in ("added", "changed", "paused", "resumed", "secret_rotated", "removed")
        ]
