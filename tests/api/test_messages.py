"""Messages by the API: listed, searched, shown whole, sent on, deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mmconnect.domain.clock import iso
from tests.support.api import api_of
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import answer, receiver, when


async def test_pages_stay_where_they_are_while_texts_come(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        assert (await api.get("/messages")).json == {"items": []}
        ids = [await box.text(f"text {n}") for n in range(7)]
        first = (await api.get("/messages", limit=3)).json
        assert [one["id"] for one in first["items"]] == ids[:3:-1]
        await box.text("later")
        second = (await api.get("/messages", limit=3, cursor=first["nextCursor"])).json
        assert [one["id"] for one in second["items"]] == ids[3:0:-1]
        last = (await api.get("/messages", limit=3, cursor=second["nextCursor"])).json
        assert [one["id"] for one in last["items"]] == ids[:1]
        assert "nextCursor" not in last
        wrong = await api.get("/messages", cursor="bXNn")
        assert (wrong.status, wrong.json["issues"][0]["path"]) == (400, "cursor")


async def test_searching(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        api_of(box) as api,
        receiver(answer(200)) as there,
    ):
        (device,) = box.tokens
        unwanted = await box.text("nobody wants this", "+4915112345678")
        await box.endpoint(there.url)
        clock.advance(3600)
        noon = iso(clock.now())
        balance = await box.text("Your balance is 5")
        await box.settled(balance)
        odd = (await box.push({"Content-Type": "application/json"}, b'{"colour":"red"}')).json["id"]

        async def found(**query: Any) -> list[str]:
            return [one["id"] for one in await api.all("/messages", **query)]

        assert await found(search="balance") == [balance]
        assert await found(text="BALANCE") == [balance]
        assert await found(**{"from": "1511234"}) == [unwanted]
        assert await found(state="delivered") == [balance]
        assert await found(state="unwanted") == [unwanted]
        assert await found(state="unrecognised") == [odd]
        assert await found(kind="unrecognised") == [odd]
        assert await found(deviceId=device, limit=1) == [odd, balance, unwanted]
        assert await found(deviceId="dev_none") == []
        assert await found(since=noon) == [odd, balance]
        assert await found(until=noon) == [unwanted]
        assert await found(events="true") == []
        for query in ({"state": "lost"}, {"since": "yesterday"}, {"events": "yes"}, {"q": "x"}):
            assert (await api.get("/messages", **query)).status == 400


async def test_a_message_whole(tmp_path: Path):
    async with (
        appliance(tmp_path) as box,
        api_of(box) as api,
        receiver(answer(500), answer(200)) as there,
    ):
        endpoint = await box.endpoint(there.url, schedule=(0, 1))
        message = await box.text("<b>hello</b> \N{GRINNING FACE}\x07")
        await box.settled(message, attempts=2)
        told = (await api.get(f"/messages/{message}")).json
        assert told["text"] == "<b>hello</b> \N{GRINNING FACE}\x07"
        assert told["deliveryCount"] == 1
        assert '"text"' in told["raw"]
        assert told["payload"].encode() == there.arrivals[-1].body
        (sent,) = told["deliveries"]
        assert (sent["endpointId"], sent["state"]) == (endpoint, "delivered")
        assert [one["status"] for one in sent["attemptList"]] == [500, 200]
        assert (await api.get("/messages/msg_none")).status == 404


async def test_sending_a_text_to_an_endpoint_that_never_got_it(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        message = await box.text("before the endpoint was there")
        endpoint = await box.endpoint(there.url)
        told = await api.post(f"/messages/{message}/send", {"endpointId": endpoint})
        assert (told.status, told.json["trigger"]) == (201, "send")
        assert told.headers["location"] == f"/v1/deliveries/{told.json['id']}"
        await box.settled(message)
        assert there.texts == ["before the endpoint was there"]

        await api.post(f"/endpoints/{endpoint}/pause")
        first = await api.post(f"/messages/{message}/send", {"endpointId": endpoint})
        again = await api.post(f"/messages/{message}/send", {"endpointId": endpoint})
        assert (again.status, again.json["id"]) == (201, first.json["id"]), "it is on its way"

        for path, body, status in (
            ("/messages/msg_none/send", {"endpointId": endpoint}, 404),
            (f"/messages/{message}/send", {"endpointId": "ep_none"}, 404),
            (f"/messages/{message}/send", {}, 400),
        ):
            assert (await api.post(path, body)).status == status
        odd = (await box.push({"Content-Type": "application/json"}, b'{"colour":"red"}')).json["id"]
        refused = await api.post(f"/messages/{odd}/send", {"endpointId": endpoint})
        assert (refused.status, refused.json["error"]) == (409, "conflict")
        assert "was not understood" in refused.json["message"]


async def test_a_text_is_deleted_for_good(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        endpoint = await box.endpoint(there.url)
        await api.post(f"/endpoints/{endpoint}/pause")
        message = await box.text("forget me")
        told = await api.delete(f"/messages/{message}")
        assert told.json == {"id": message, "deleted": True, "cancelled": 1}
        assert box.rows("SELECT begun, proven FROM erasures") == [(1, 0)], "for the janitor"
        for again in (
            await api.delete(f"/messages/{message}"),
            await api.get(f"/messages/{message}"),
        ):
            assert (again.status, again.json["error"]) == (404, "not_found")
        assert (await api.get("/messages")).json == {"items": []}
        assert (await api.get("/deliveries")).json == {"items": []}
        ((detail,),) = box.rows("SELECT detail FROM audit WHERE action = 'message.deleted'")
        assert detail == "1 deleted"


async def test_a_text_is_wiped_and_its_message_stays(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        endpoint = await box.endpoint(there.url)
        message = await box.text("forget me")
        await box.settled(message)
        told = (await api.post(f"/messages/{message}/wipe")).json
        assert (told["text"], told["raw"], told["payload"]) == ("", None, None)
        assert told["wipedAt"] is not None
        assert len(told["deliveries"]) == 1
        assert (await api.post(f"/messages/{message}/wipe")).json == told
        refused = await api.post(f"/deliveries/{told['deliveries'][0]['id']}/retry")
        assert refused.status == 409
        assert "wiped" in refused.json["message"]
        await api.post(f"/endpoints/{endpoint}/pause")
        waiting = await box.text("not yet")
        assert (await api.post(f"/messages/{waiting}/wipe")).status == 409
        assert (await api.get(f"/messages/{waiting}")).json["text"] == "not yet"
        assert (await api.post("/messages/msg_none/wipe")).status == 404


async def test_one_that_is_being_sent_stays(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver() as there:
        there.then(when(go := asyncio.Event()))
        await box.endpoint(there.url)
        message = await box.text()
        await eventually(lambda: there.arrivals)
        told = await api.delete(f"/messages/{message}")
        assert (told.status, told.json["error"]) == (409, "conflict")
        go.set()
        await box.settled(message)
        assert (await api.delete(f"/messages/{message}")).status == 200


async def test_everything_of_a_number_goes(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for number in ("+6581230000", "+6581230000", "+6581230001"):
            await box.push(*generic_json({"from": number, "text": f"hi {number}", "id": number}))
        kept = await box.text("other", "+6581230002")
        told = await api.post("/messages/purge", {"from": "6581230000"})
        assert told.json == {"deleted": 1, "cancelled": 0, "inFlight": []}
        left = [one["from"] for one in await api.all("/messages")]
        assert left == ["+6581230002", "+6581230001"]
        assert (await api.get(f"/messages/{kept}")).status == 200
        for body in ({}, {"from": ""}, {"from": "  "}, {"from": 7}):
            assert (await api.post("/messages/purge", body)).status == 400
