"""Deliveries by the API: listed, sent again one or many, given up on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery.replays import Replays
from mmconnect.domain.clock import iso
from mmconnect.store import erasure
from tests.support.api import api_of
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver


async def failed(box: Appliance, count: int) -> list[str]:
    """So many deliveries that have failed for good; their ids."""
    made = []
    for number in range(count):
        found = await box.settled(await box.text(f"text {number}", f"+658123{number:04}"), "failed")
        made.append(found.id)
    return made


async def test_lists_and_their_filters(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        api_of(box) as api,
        receiver(answer(404)) as bad,
        receiver(answer(200)) as good,
    ):
        bad.default = answer(404)
        one = await box.endpoint(bad.url, schedule=(0,))
        first = await failed(box, 1)
        clock.advance(3600)
        noon = iso(clock.now())
        two = await box.endpoint(good.url)
        message = await box.text("both")
        await eventually(
            lambda: {d.state for d in box.deliveries(message)} == {"failed", "delivered"}
        )
        both = {d.endpoint_id: d.id for d in box.deliveries(message)}

        async def found(**query: Any) -> list[str]:
            return [one["id"] for one in await api.all("/deliveries", limit=1, **query)]

        everything = sorted([*first, *both.values()], reverse=True)
        assert await found() == everything
        assert await found(state="failed") == [both[one], *first]
        assert await found(state=["failed", "delivered"]) == everything
        assert await found(state="pending") == []
        assert await found(endpointId=two) == [both[two]]
        assert await found(messageId=message) == sorted(both.values(), reverse=True)
        assert await found(since=noon) == sorted(both.values(), reverse=True)
        assert await found(until=noon) == first
        for query in (
            {"state": "lost"},
            {"since": "2026-02-30T00:00:00Z"},
            {"cursor": "x"},
            {"limit": 201},
        ):
            assert (await api.get("/deliveries", **query)).status == 400

        whole = (await api.get(f"/deliveries/{first[0]}")).json
        assert [one["status"] for one in whole["attemptList"]] == [404]
        assert "flow active" in whole["attemptList"][0]["error"]
        assert (await api.get("/deliveries/dlv_none")).status == 404


async def test_any_delivery_is_sent_again_a_delivered_one_too(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        endpoint = await box.endpoint(there.url)
        message = await box.text()
        done = await box.settled(message)
        told = await api.post(f"/deliveries/{done.id}/retry")
        assert (told.status, told.json["id"]) == (200, done.id)
        await box.settled(message, attempts=2)
        assert {one.id for one in there.arrivals} == {message}, "the same id"
        assert len({one.body for one in there.arrivals}) == 1, "the same bytes"
        assert (await api.post("/deliveries/dlv_none/retry")).status == 404
        test = (await api.post(f"/endpoints/{endpoint}/test")).json
        refused = await api.post(f"/deliveries/{test['id']}/retry")
        assert (refused.status, refused.json["error"]) == (409, "conflict")
        await api.delete(f"/endpoints/{endpoint}")
        refused = await api.post(f"/deliveries/{done.id}/retry")
        assert refused.status == 409
        assert "was removed" in refused.json["message"]


async def test_cancelling_one_and_many(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        api_of(box) as api,
        receiver(answer(200)) as there,
    ):
        endpoint = await box.endpoint(there.url)
        await api.post(f"/endpoints/{endpoint}/pause")
        ids = []
        for number in range(4):
            ids.append(box.deliveries(await box.text(f"text {number}"))[0].id)
            clock.advance(60)
        told = await api.post(f"/deliveries/{ids[0]}/cancel")
        assert (told.status, told.json["state"]) == (200, "cancelled")
        assert (await api.post(f"/deliveries/{ids[0]}/cancel")).json["state"] == "cancelled"
        told = await api.post("/deliveries/cancel", {"ids": [ids[1]]})
        assert told.json == {"cancelled": 1, "inFlight": 0}
        before = iso(clock.now() - 60_000)
        told = await api.post("/deliveries/cancel", {"endpointId": endpoint, "before": before})
        assert told.json == {"cancelled": 1, "inFlight": 0}
        left = [one["id"] for one in await api.all("/deliveries", state="pending")]
        assert left == ids[3:]
        for body, status in (
            ({}, 400),
            ({"ids": ids, "endpointId": endpoint}, 400),
            ({"ids": ids, "before": before}, 400),
            ({"ids": []}, 400),
            ({"endpointId": "ep_none"}, 404),
            ({"ids": ["dlv_none", ids[3]]}, 404),
        ):
            assert (await api.post("/deliveries/cancel", body)).status == status, body
        assert [one["id"] for one in await api.all("/deliveries", state="pending")] == left
        assert (await api.post("/deliveries/dlv_none/cancel")).status == 404


async def test_a_bulk_retry_is_a_replay_that_can_be_watched(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        there.default = answer(404)
        endpoint = await box.endpoint(there.url, schedule=(0,))
        ids = await failed(box, 3)
        counted = await api.post("/deliveries/retry", {"state": "failed", "dryRun": True})
        assert counted.json == {"retried": 0, "matching": 3, "replay": None}
        none = await api.post("/deliveries/retry", {"state": ["expired", "cancelled"]})
        assert none.json == {"retried": 0, "matching": 0, "replay": None}
        assert (await api.get("/replays")).json == {"items": []}
        there.default = answer(200)
        ordered = (
            await api.post("/deliveries/retry", {"state": ["failed"], "endpointId": endpoint})
        ).json
        assert (ordered["retried"], ordered["matching"]) == (3, 3)
        path = f"/replays/{ordered['replay']}"
        before = (await api.get(path)).json
        assert (before["state"], before["total"]) == ("running", 3)
        assert before["filter"]["endpointId"] == endpoint
        assert (await api.get("/replays")).json == {"items": [before]}
        working = asyncio.create_task(
            Replays(box.database, box.watch.look, box.dispatcher.wake, box.clock).run()
        )
        try:
            await eventually(lambda: all(d.state == "delivered" for d in box.deliveries()))
        finally:
            working.cancel()
        after = (await api.get(path)).json
        assert (after["state"], after["done"]) == ("finished", 3)
        assert (await api.post(f"{path}/cancel")).json == after, "over already"
        assert sorted(one.id for one in box.deliveries()) == sorted(ids)


async def test_a_replay_is_stopped(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        there.default = answer(404)
        await box.endpoint(there.url, schedule=(0,))
        await failed(box, 1)
        made = [
            (await api.post("/deliveries/retry", {"state": "failed"})).json["replay"]
            for _ in range(3)
        ]
        told = await api.post(f"/replays/{made[0]}/cancel")
        assert told.json["state"] == "cancelled"
        assert [one["id"] for one in await api.all("/replays", limit=1)] == made[::-1]
        for method, path in (("GET", "/replays/rpl_none"), ("POST", "/replays/rpl_none/cancel")):
            assert (await api.ask(method, path)).status == 404


async def test_these_are_sent_again_all_or_none(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        there.default = answer(404)
        endpoint = await box.endpoint(there.url, schedule=(0,))
        ids = await failed(box, 2)
        test = (await api.post(f"/endpoints/{endpoint}/test")).json["id"]
        there.default = answer(200)
        assert (await api.post("/deliveries/retry", {"ids": [*ids, test]})).status == 409
        assert (await api.post("/deliveries/retry", {"ids": [*ids, "dlv_none"]})).status == 404
        assert {d.state for d in box.deliveries()} == {"failed"}, "nothing was sent again"
        told = await api.post("/deliveries/retry", {"ids": ids})
        assert told.json == {"retried": 2, "matching": 2, "replay": None}
        await eventually(
            lambda: [d.state for d in box.deliveries() if d.id in ids] == ["delivered"] * 2
        )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "2026-06-12T00:00:00Z"},
        {"state": "in_flight"},
        {"state": []},
        {"state": "failed", "ids": ["dlv_x"]},
        {"ids": ["dlv_x"], "since": "2026-06-12T00:00:00Z"},
        {"ids": ["dlv_x"], "dryRun": True},
        {"ids": ["dlv_x", "dlv_x"]},
        {"state": "failed", "since": "2h"},
    ],
)
async def test_bulk_retries_that_cannot_be(tmp_path: Path, body: dict[str, Any]):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.post("/deliveries/retry", body)
        assert (told.status, told.json["error"]) == (400, "validation_error")


async def test_a_bulk_retry_for_an_endpoint_that_is_not_there(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.post("/deliveries/retry", {"state": "failed", "endpointId": "ep_none"})
        assert (told.status, told.json["error"]) == (404, "not_found")


async def test_what_was_sent_is_told_as_it_was_received(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        await box.endpoint(there.url, headers=(("X-Api-Key", "s3cret"),))
        delivery = await box.settled(await box.text("h\u00e9llo"))
        told = (await api.get(f"/deliveries/{delivery.id}/requests")).json
        (arrival,) = there.arrivals
        assert told["body"].encode() == arrival.body
        (one,) = told["attempts"]
        assert (one["number"], one["request"]["url"]) == (1, there.url)
        assert [(h["name"], h["value"]) for h in one["request"]["headers"]] == [
            (name, "***" if name == "X-Api-Key" else value) for name, value in arrival.headers
        ]
        assert one["request"]["repeatHeaders"] is None
        message = box.one("SELECT message_id FROM deliveries")
        box.change(lambda db: erasure.wipe(db, [message], box.clock.now()))
        told = (await api.get(f"/deliveries/{delivery.id}/requests")).json
        assert told == {"body": None, "attempts": [{"number": 1, "request": None}]}
        assert (await api.get("/deliveries/dlv_none/requests")).status == 404
