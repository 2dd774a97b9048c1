"""What else is done with phones by the API: simulating, reading again, fetching, trying a push."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmconnect.desk.desk import Listeners
from mmconnect.store import devices
from tests.support.api import Api, api_of
from tests.support.inprocess import Appliance, appliance
from tests.support.receiver import answer, receiver
from tests.support.smsgate_phone import SmsgatePhone

ODD = b'{"who": "81230000", "what": "balance"}'
JSON = {"Content-Type": "application/json"}


async def test_a_simulated_text_goes_the_whole_way(tmp_path: Path):
    async with (
        appliance(tmp_path) as box,
        api_of(box, listeners=lambda: Listeners(phone=(f"127.0.0.1:{box.port}",))) as api,
        receiver(answer(200)) as there,
    ):
        await box.endpoint(there.url)
        (device,) = box.tokens
        told = await api.post(
            f"/devices/{device}/simulate", {"from": "+15550100", "text": "h\N{GRINNING FACE}"}
        )
        assert told.json["duplicate"] is False
        await box.settled(told.json["messageId"])
        assert there.texts == ["h\N{GRINNING FACE}"]
        gone = await api.post("/devices/dev_none/simulate", {"from": "1", "text": "x"})
        assert gone.status == 404
        assert (await api.post(f"/devices/{device}/simulate", {"from": "1"})).status == 400


async def test_a_listener_that_is_not_there(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        (device,) = box.tokens
        told = await api.post(f"/devices/{device}/simulate", {"from": "1", "text": "x"})
        assert (told.status, told.json["error"]) == (409, "conflict")


async def test_what_was_not_understood_is_read_again_after_the_mapping_is_mended(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        await box.endpoint(there.url)
        (device,) = box.tokens
        first = (await box.push(JSON, ODD)).json["id"]
        second = (await box.push(JSON, ODD.replace(b"balance", b"again"))).json["id"]
        still = (await api.post(f"/messages/{first}/reread")).json
        assert (still["state"], still["deliveries"]) == ("not_understood", 0)
        mapping = {"from": "who", "text": "what"}
        tried = (
            await api.post("/devices/preview", {"body": ODD.decode(), "mapping": mapping})
        ).json
        assert (tried["outcome"], tried["payload"]["text"]) == ("text", "balance")
        assert {f["field"]: f["path"] for f in tried["fields"] if f["path"]}["from"] == "who"
        assert (await api.patch(f"/devices/{device}", {"mapping": mapping})).status == 200
        good = (await api.post(f"/messages/{first}/reread")).json
        assert (good["state"], good["deliveries"]) == ("understood", 1)
        rest = (await api.post(f"/devices/{device}/reread")).json
        assert [one["id"] for one in rest["items"]] == [second]
        assert rest["left"] == 0
        await there.until(2)
        assert sorted(there.texts) == ["again", "balance"]
        assert (await api.post("/messages/msg_none/reread")).status == 404
        assert (await api.post("/devices/dev_none/reread")).status == 404


async def test_trying_a_push_stores_nothing(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = (await api.post("/devices/preview", {"body": ODD.decode()})).json
        assert told["outcome"] == "not_understood"
        assert told["reason"]
        told = (await api.post("/devices/preview", {"body": "", "headers": {"X": "y"}})).json
        assert told["outcome"] == "not_understood"
        assert (await api.post("/devices/preview", {"body": "x" * 70_000})).status == 400
        assert (await api.post("/devices/preview", {"body": "{}", "app": "pigeon"})).status == 400
        assert box.one("SELECT count(*) FROM messages") == 0


async def test_a_phone_is_fetched_from_and_no_longer(tmp_path: Path):
    with SmsgatePhone(password="as-the-app-shows") as phone:
        async with appliance(tmp_path) as box, api_of(box) as api:
            await fetched(box, api, phone)


async def fetched(box: Appliance, api: Api, phone: SmsgatePhone) -> None:
    (device,) = box.tokens
    path = f"/devices/{device}"
    given = {"phoneUrl": phone.url, "phonePassword": "as-the-app-shows"}
    wrong = await api.post(f"{path}/link", {**given, "phonePassword": "wrong-password"})
    assert (wrong.status, wrong.json["issues"][0]["path"]) == (400, "phoneUrl")
    assert (await api.get(path)).json["link"] is None
    linked = await api.post(f"{path}/link", {**given, "interval": 5})
    assert (linked.status, linked.json["way"], linked.json["app"]) == (200, "pull", "smsgate")
    assert linked.json["link"]
    told = await api.get(path)
    assert "as-the-app-shows" not in told.body.decode()
    assert (await api.post(f"{path}/unlink")).json["link"] is None
    assert (await api.post(f"{path}/unlink")).status == 409


def keep_back(box: Appliance, device: str, ids: list[str]) -> None:
    """As if the phone's inbox had held them when it was first read."""
    rows = [(one, device, "history") for one in ids]
    box.change(lambda db: db.executemany("INSERT INTO kept_back VALUES (?, ?, ?)", rows))


async def test_texts_that_were_kept_back_are_sent_or_left(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        (device,) = box.tokens
        ids = [await box.text(f"kept {number}") for number in range(3)]
        keep_back(box, device, ids[:1])
        await box.endpoint(there.url)
        sent = await api.post(f"/devices/{device}/history", {"what": "send"})
        assert sent.json == {"texts": 1, "deliveries": 1}
        await box.settled(ids[0])
        keep_back(box, device, ids[1:])
        left = await api.post(f"/devices/{device}/history", {"what": "leave"})
        assert left.json == {"texts": 2, "deliveries": 0}
        assert (await api.post(f"/devices/{device}/history", {"what": "burn"})).status == 400
        assert (await api.post("/devices/dev_none/history", {"what": "send"})).status == 404


async def test_a_phone_that_was_told_the_new_address(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        (device,) = box.tokens
        found = box.watch.look().devices[device]
        box.change(lambda db: devices.change(db, replace(found, push_base="http://10.9.9.9:8481")))
        assert (await api.get(f"/devices/{device}")).json["pushBase"] == "http://10.9.9.9:8481"
        told = await api.post(f"/devices/{device}/told")
        assert told.json["pushBase"] == f"http://127.0.0.1:{box.port}"


async def test_pages_of_who_changed_what(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        key = (await api.get("/key")).json["id"]
        for number in range(5):
            await api.patch("/settings", {"replayRate": number + 1})
        found = await api.all("/audit", limit=2)
        assert found[0]["detail"] == "replay_rate: 4 → 5"
        assert len(found) == 5
        assert {(one["actor"], one["action"]) for one in found} == {(key, "settings.changed")}
