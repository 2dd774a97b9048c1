"""The local server of the simulated SMS Gateway keeps to the description of the app's."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import smsgate_push
from tests.support.inprocess import eventually
from tests.support.receiver import receiver
from tests.support.smsgate_asking import ask, listen
from tests.support.smsgate_faults import JUNK
from tests.support.smsgate_phone import SmsgatePhone
from tests.support.tls import authority

MS = 1767225600000
SENDER = "+15551234567"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a phone ends after 5 s, and this machine may stand still for as long."""
    monkeypatch.setattr(smsgate_push, "CONNECT_SECONDS", 60.0)
    monkeypatch.setattr(smsgate_push, "ANSWER_SECONDS", 60.0)


@pytest.fixture
def phone() -> Iterator[SmsgatePhone]:
    with SmsgatePhone() as running:
        yield running


def test_versions_bring_routes():
    seen = {}
    for version in ("1.14.0", "1.36.0", "1.54.0", "1.58.0", "1.63.0", "1.64.0", "1.68.0"):
        with SmsgatePhone(version=version) as phone:
            seen[version] = [
                ask(phone, "/settings").status,
                ask(phone, "/auth/token", {"scopes": ["inbox:list"]}).status,
                ask(phone, "/inbox").status,
                "refresh_token" in ask(phone, "/auth/token", {"scopes": ["all:any"]}).text,
                "simCards" in ask(phone, "/device").text,
            ]
    assert seen == {
        "1.14.0": [404, 404, 404, False, False],
        "1.36.0": [404, 404, 404, False, False],
        "1.54.0": [200, 404, 404, False, False],
        "1.58.0": [200, 201, 404, False, False],
        "1.63.0": [200, 201, 200, False, False],
        "1.64.0": [200, 201, 200, True, False],
        "1.68.0": [200, 201, 200, True, True],
    }


def test_health_is_open_and_a_failed_check_is_a_500(phone: SmsgatePhone):
    told = ask(phone, "/health", auth=None)
    assert (told.status, told.json["status"], told.json["version"]) == (200, "pass", "1.68.0")
    phone.app.battery = 20
    assert ask(phone, "/health", auth=None).json["status"] == "warn"
    phone.wifi(True, internet=False)
    told = ask(phone, "/health", auth=None)
    assert (told.status, told.json["status"]) == (500, "fail")
    assert told.json["checks"]["connection:status"]["status"] == "fail"


def test_the_device_is_an_array_of_one(phone: SmsgatePhone):
    (told,) = ask(phone, "/device").json
    assert told["id"] == phone.app.device_id
    assert [s["simNumber"] for s in told["simCards"]] == [1, 2]
    assert "phoneNumber" not in told["simCards"][1]
    assert ask(phone, "/devices").status == 404


def test_passwords_tokens_and_scopes(phone: SmsgatePhone):
    for wrong in (None, "Basic " + base64.b64encode(b"sms:no").decode(), "Bearer x.y.z", "Basic !"):
        told = ask(phone, "/inbox", auth=wrong)
        assert (told.status, "WWW-Authenticate" in told.headers) == (401, True)
    made = ask(phone, "/auth/token", {"scopes": ["inbox:list"], "ttl": 3600}).json
    bearer = "Bearer " + made["access_token"]
    assert ask(phone, "/inbox", auth=bearer).status == 200
    assert ask(phone, "/logs", auth=bearer).status == 403
    assert ask(phone, "/auth/token", {"scopes": ["inbox:list"]}, auth=bearer).status == 403
    assert ask(phone, "/inbox", auth="Bearer " + made["refresh_token"]).status == 401
    for body in ({"scopes": ["all:any"], "ttl": 365 * 86400 + 1}, {"scopes": ["none"]}, {}):
        assert ask(phone, "/auth/token", body).status == 400
    assert ask(phone, f"/auth/token/{made['id']}", method="DELETE").status == 204
    assert ask(phone, "/inbox", auth=bearer).status == 401


def test_tokens_run_out_and_are_refreshed_once():
    with SmsgatePhone(ttl_scale=0.001) as phone:
        now = time.time()
        phone.app.access.clock = lambda: now
        made = ask(phone, "/auth/token", {"scopes": ["inbox:list"], "ttl": 30000}).json
        bearer = "Bearer " + made["access_token"]
        now += 29.9
        assert ask(phone, "/inbox", auth=bearer).status == 200
        now += 0.2
        assert ask(phone, "/inbox", auth=bearer).status == 401
        offered = "Bearer " + made["refresh_token"]
        again = ask(phone, "/auth/token/refresh", method="POST", auth=offered)
        assert again.status == 200
        assert ask(phone, "/inbox", auth="Bearer " + again.json["access_token"]).status == 200
        assert ask(phone, "/auth/token/refresh", method="POST", auth=offered).status == 401


def test_a_changed_password_waits_for_a_restart(phone: SmsgatePhone):
    phone.set_password("other")
    assert ask(phone, "/").status == 200
    phone.restart()
    assert ask(phone, "/").status == 401


def test_the_inbox_is_newest_first_in_pages(phone: SmsgatePhone):
    phone.fill(5000, start=MS / 1000, step=60)
    took = list[float]()
    while len(took) < 5 and min(took, default=1.0) >= 1:  # a busy machine is no proof
        begun = time.monotonic()
        told = ask(phone, "/inbox?limit=500&offset=4800")
        took.append(time.monotonic() - begun)
    assert min(took) < 1
    assert told.headers["X-Total-Count"] == "5000"
    assert [row["contentPreview"] for row in told.json] == [f"text {n}" for n in range(199, -1, -1)]
    assert len(ask(phone, "/inbox").json) == 50
    for bad in ("limit=0", "limit=501", "offset=-1", "limit=x", "type=RCS"):
        assert ask(phone, "/inbox?" + bad).status == 400, bad
    window = "from=2026-01-01T00:01:00.000Z&to=2026-01-01T00:03:00Z"
    assert [r["contentPreview"] for r in ask(phone, "/inbox?" + window).json] == [
        "text 3",
        "text 2",
        "text 1",
    ]


def test_dates_in_the_inbox_are_read_strictly(phone: SmsgatePhone):
    told = ask(phone, "/inbox?from=2026-01-01T00:00:00.000000Z")
    assert (told.status, list(told.json)) == (400, ["message"])
    assert ask(phone, "/inbox?from=2026-01-01T00:00:00+05:30").status == 400
    right = quote("2026-01-01T00:00:00+05:30", safe="")
    assert ask(phone, "/inbox?from=" + right).status == 200
    assert ask(phone, "/logs?from=yesterday").status == 200


def test_what_a_row_of_the_inbox_says(phone: SmsgatePhone):
    phone.receive(SENDER, "Your code is 123456 & it's <ok>", sent_at=MS / 1000)
    phone.receive(SENDER, kind="DATA_SMS", data=bytes(70), sent_at=MS / 1000 - 1, sim=2)
    phone.receive(SENDER, kind="MMS", subject="holiday", sent_at=MS / 1000 - 2, sim=None)
    jpeg = [("p.jpg", "image/jpeg", b"JPEG")]
    phone.receive(SENDER, "look", kind="MMS_DOWNLOADED", attachments=jpeg, sent_at=MS / 1000 - 3)
    text, data, notice, mms = ask(phone, "/inbox").json
    assert text == {
        "id": "text:436272637",
        "type": "SMS",
        "sender": SENDER,
        "recipient": "+15550199",
        "simNumber": 1,
        "contentPreview": "Your code is 123456 & it's <ok>",
        "createdAt": "2026-01-01T05:30:00.000+05:30",
        "attachments": [],
    }
    assert (data["contentPreview"], "recipient" in data) == ("00" * 64 + "...", False)
    assert data["id"].startswith("data:")
    assert (notice["contentPreview"], "simNumber" in notice) == ("holiday", False)
    assert notice["id"].startswith("mms-header:")
    assert (mms["contentPreview"], mms["id"][:4]) == ("look", "mms:")
    part = mms["attachments"][0]
    assert (part["size"], "data" in part) == (4, False)
    assert ask(phone, f"/inbox/{mms['id']}/attachments/{part['partId']}").body == b"JPEG"
    (only,) = ask(phone, "/inbox?type=MMS_DOWNLOADED&includeAttachments=true").json
    assert base64.b64decode(only["attachments"][0]["data"]) == b"JPEG"


def test_settings_are_checked_and_secrets_kept(phone: SmsgatePhone):
    good = {"webhooks": {"retry_count": 3, "signing_key": "k" * 32}, "unknown": {"a": 1}}
    told = ask(phone, "/settings", good, method="PATCH")
    assert (told.status, told.json["webhooks"]) == (
        200,
        {"internet_required": True, "retry_count": 3},
    )
    assert phone.app.settings.signing_key == "k" * 32
    assert phone.app.notifications == ["settings changed"]
    for part, key, value in (
        ("webhooks", "retry_count", 0),
        ("webhooks", "internet_required", "yes"),
        ("gateway", "cloud_url", "http://x"),
        ("gateway", "notification_channel", "FCM"),
        ("ping", "interval_seconds", "often"),
    ):
        assert ask(phone, "/settings", {part: {key: value}}, method="PATCH").status == 400, key
    assert ask(phone, "/settings").json["webhooks"]["retry_count"] == 3
    ask(phone, "/settings", {"webhooks": {"retry_count": None}}, method="PATCH")
    assert ask(phone, "/settings").json["webhooks"]["retry_count"] == 15
    assert ask(phone, "/settings", {}, method="PUT").status == 405


@pytest.mark.parametrize("key", ["#abc", "//abc", "null", "'abc'"])
def test_some_signing_keys_do_not_survive(phone: SmsgatePhone, key: str):
    told = ask(phone, "/settings", {"webhooks": {"signing_key": key}}, method="PATCH")
    assert told.status == 200
    assert phone.app.settings.signing_key not in (key, "")


def test_a_webhook_is_replaced_listed_and_dropped(phone: SmsgatePhone):
    for path in ("a", "b"):
        hook = {"id": "mine", "url": f"https://192.168.1.9/{path}", "event": "sms:received"}
        assert ask(phone, "/webhooks", hook).status == 201
    hook = {"id": "mine", "url": "https://192.168.1.9/b", "event": "sms:received"}
    assert ask(phone, "/webhooks").json == [{**hook, "source": "Local"}]
    assert ask(phone, "/webhooks", {**hook, "deviceId": "other"}).status == 400
    for _ in range(2):
        assert ask(phone, "/webhooks/mine", method="DELETE").status == 204
    assert ask(phone, "/webhooks").json == []


def test_a_new_ping_interval_waits_for_a_restart(phone: SmsgatePhone):
    listen(phone, "https://127.0.0.1:1/x", "system:ping")
    ask(phone, "/settings", {"ping": {"interval_seconds": 1}}, method="PATCH")
    time.sleep(0.05)
    assert phone.queue == []
    phone.restart()
    phone.until(lambda: len(phone.queue) > 1)
    assert b'"health":{"version":"1.68.0"' in phone.queue[0].body


async def test_tls_is_trusted_only_with_the_authority_installed(tmp_path: Path):
    made = authority(tmp_path)
    async with receiver(tls=made.server) as there:
        with SmsgatePhone(time_scale=0.001) as phone:
            phone.app.register({"url": there.url, "event": "sms:received"})
            phone.receive(SENDER, "secret")
            await eventually(lambda: len(phone.pushes) > 1)
            assert there.arrivals == []
            phone.trust(made.pem)
            await there.until(1)
            await eventually(lambda: not phone.waiting)
            told = [e["message"] for e in phone.app.logs if e["module"] == "webhooks"]
            assert told[0].startswith("Webhook network error: ")
            assert "Trust anchor for certification path not found" in told[0]
        with SmsgatePhone(time_scale=0.001) as phone:
            phone.trust(made.pem)
            url = there.url.replace("127.0.0.1", "127.0.0.2")
            phone.app.register({"url": url, "event": "sms:received"})
            phone.receive(SENDER, "secret")
            await eventually(lambda: phone.pushes)
            assert phone.pushes[0].error == "Failed to connect to /127.0.0.2:" + str(there.port)


def test_a_failed_push_is_in_the_log(phone: SmsgatePhone):
    listen(phone, "https://127.0.0.1:1/x")
    phone.receive(SENDER, "nobody there")
    phone.until(lambda: phone.pushes)
    entry = ask(phone, "/logs").json[0]
    assert (entry["module"], entry["priority"]) == ("webhooks", "ERROR")
    assert entry["message"] == "Webhook network error: Failed to connect to /127.0.0.1:1"
    assert entry["createdAt"].endswith("+05:30")


def test_answers_that_are_wrong(phone: SmsgatePhone):
    phone.fill(100)
    phone.trouble.garbage = JUNK
    assert ask(phone, "/inbox").body == JUNK
    phone.trouble.clear()
    phone.trouble.oversized = 3_000_000
    assert len(ask(phone, "/inbox").body) == 3_000_000
    phone.trouble.clear()
    phone.trouble.status, phone.trouble.only, phone.trouble.times = 503, "/inbox", 1
    assert [ask(phone, p).status for p in ("/", "/inbox", "/inbox")] == [200, 503, 200]
    phone.trouble.clear()
    for wrong in ("cut", "reset"):
        setattr(phone.trouble, wrong, True)
        with pytest.raises((http.client.HTTPException, urllib.error.URLError, OSError)):
            ask(phone, "/inbox")
        phone.trouble.clear()
    phone.trouble.hang = True
    with pytest.raises(TimeoutError):
        ask(phone, "/inbox", timeout=0.1)
    phone.trouble.clear()
    phone.trouble.latency = 0.1
    begun = time.monotonic()
    assert ask(phone, "/inbox").status == 200
    assert time.monotonic() - begun >= 0.1
    assert [asked.path for asked in phone.requests][:2] == ["/inbox", "/inbox"]


def test_another_address_and_another_phone_at_the_old_one(phone: SmsgatePhone):
    old = phone.port
    phone.move("127.0.0.5")
    assert phone.url == f"http://127.0.0.5:{old}"
    assert ask(phone, "/device").json[0]["id"] == phone.app.device_id
    with SmsgatePhone(port=old, device_id="0" * 32) as other:
        assert ask(other, "/device").json[0]["id"] == "0" * 32


def test_sending_to_a_wrong_number_tells_of_its_failure(phone: SmsgatePhone):
    listen(phone, "https://127.0.0.1:1/x", "sms:failed")
    message = {"id": "m1", "textMessage": {"text": "hi"}, "phoneNumbers": ["12"]}
    told = ask(phone, "/messages", message)
    assert (told.status, told.json["state"]) == (202, "Pending")
    assert ask(phone, "/messages", message).status == 409
    assert ask(phone, "/messages/m1").json["state"] == "Failed"
    assert [row.hook.event for row in phone.queue] == ["sms:failed"]


def test_an_update_wipes_old_rows_once():
    with SmsgatePhone(version="1.62.0") as phone:
        phone.fill(3)
        phone.update("1.68.0")
        assert ask(phone, "/inbox").json == []
        period = {"since": "2020-01-01T00:00:00Z", "until": "2040-01-01T00:00:00Z"}
        assert ask(phone, "/inbox/refresh", {**period, "until": "soon"}).status == 400
        assert ask(phone, "/inbox/refresh", period).status == 202
        assert len(ask(phone, "/inbox").json) == 3


def test_a_refresh_with_webhooks_tells_of_new_ones_only():
    for version, extra, told in (
        ("1.65.1", {}, ["sms:received"] * 3),
        ("1.68.0", {}, ["sms:received"]),
        ("1.71.0", {"webhookDelivery": "Batch"}, ["sms:batch:received"]),
    ):
        with SmsgatePhone(version=version) as phone:
            phone.fill(2)
            phone.kill_app()
            phone.app.monitoring = False
            phone.receive(SENDER, "new")
            phone.start()
            for event in dict.fromkeys(told):
                listen(phone, "https://127.0.0.1:1/x", event)
            period = {"since": "2020-01-01T00:00:00Z", "until": "2040-01-01T00:00:00Z"}
            ask(phone, "/inbox/refresh", {**period, "triggerWebhooks": True, **extra})
            assert [row.hook.event for row in phone.queue] == told, version
