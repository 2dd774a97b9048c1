"""`/v1/webhooks`, asked as a client of the hosted service asks it."""

from __future__ import annotations

from pathlib import Path

from tests.support.api import api_of
from tests.support.inprocess import appliance
from tests.support.receiver import answer, receiver

URL = "https://crm.example.com/inbound-sms"


async def test_before_the_first_put_there_is_none(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.get("/webhooks")
        assert (told.status, told.json["error"]) == (404, "no_webhook_config")


async def test_the_first_put_returns_the_secret_and_no_later_one_does(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        first = await api.put("/webhooks", {"url": URL, "enabled": True})
        assert first.status == 201
        secret = first.json.pop("secret")
        assert secret.startswith("whsec_")
        made = first.json
        del made["secret"]
        assert made == {"id": made["id"], "url": URL, "enabled": True}
        assert (await api.get("/webhooks")).json == made
        again = await api.put("/webhooks", {"url": URL + "/2", "enabled": True})
        assert (again.status, again.json) == (200, made | {"url": URL + "/2"})
        assert box.endpoint_row(made["id"]).secrets[0].value == secret
        assert (await api.put("/webhooks", {"url": URL})).json == made, "enabled unless told"


async def test_it_gets_every_text_as_the_hosted_service_writes_it(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        await api.put("/webhooks", {"url": there.url, "enabled": True})
        await box.settled(await box.text("balance", "+6581230000"))
        (got,) = there.arrivals
        body = got.json
        assert (body["from"], body["text"]) == ("6581230000", "balance")
        assert (got.header("X-MAC-Signature") or "").startswith("sha256=")


async def test_while_it_is_not_enabled_texts_wait(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api, receiver(answer(200)) as there:
        made = await api.put("/webhooks", {"url": there.url, "enabled": False})
        assert (made.status, made.json["enabled"]) == (201, False)
        message = await box.text()
        assert box.deliveries(message)[0].state == "pending"
        assert (await api.get("/webhooks")).json["enabled"] is False
        told = await api.put("/webhooks", {"url": there.url, "enabled": True})
        assert (told.status, told.json["enabled"]) == (200, True)
        await box.settled(message)


async def test_it_is_an_endpoint_and_gone_with_it(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        made = (await api.put("/webhooks", {"url": URL})).json
        assert (await api.get(f"/endpoints/{made['id']}")).json["url"] == URL
        await api.delete(f"/endpoints/{made['id']}")
        assert (await api.get("/webhooks")).status == 404
        other = await api.put("/webhooks", {"url": URL})
        assert other.status == 201
        assert other.json["id"] != made["id"]


async def test_what_is_refused_changes_nothing(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        for body in (
            {},
            {"enabled": True},
            {"url": "ftp://x"},
            {"url": URL, "enabled": "yes"},
            {"url": URL, "secret": "whsec_x"},
            {"url": "http://93.184.216.34/"},
        ):
            told = await api.put("/webhooks", body)
            assert (told.status, told.json["error"]) == (400, "validation_error"), body
            assert told.json["issues"]
        assert (await api.get("/webhooks")).status == 404
        assert box.one("SELECT count(*) FROM endpoints") == 0
