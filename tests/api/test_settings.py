"""Settings by the API: every one, with its type, and what a secret in a URL looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk.settings import BY_CAMEL, KNOWN
from tests.support.api import api_of
from tests.support.inprocess import appliance

GOOD: dict[str, Any] = {
    "siteName": "Acme",
    "country": "de",
    "retentionMessages": 86400,
    "retentionAttempts": 3600,
    "wipeAfter": 7200,
    "wipeDelivered": True,
    "alertUrl": "https://example.com/alerts?key=s3cret",
    "addressAllow": ["169.254.7.0/24"],
    "addressDeny": ["192.0.2.0/24", "198.51.100.0/24"],
    "clockTrusted": True,
    "replayRate": 60,
    "appearance": "dark",
    "trustedProxies": ["10.0.0.1/32"],
    "basePath": "/mmconnect",
    "allowedHosts": ["sms.example.com"],
    "backupSchedule": "weekly",
    "backupKeep": 3,
    "backupFolder": "/media/usb1/mmconnect",
}


async def test_every_setting_is_set_and_has_its_default_again(tmp_path: Path):
    assert GOOD.keys() == BY_CAMEL.keys(), "try the new one, too"
    async with appliance(tmp_path) as box, api_of(box) as api:
        before = (await api.get("/settings")).json
        assert list(before) == [known.camel for known in KNOWN.values()]
        for name, value in GOOD.items():
            told = await api.patch("/settings", {name: value})
            assert told.status == 200, told
            shown = {"country": "DE", "alertUrl": "https://example.com/alerts?…"}
            assert told.json[name] == shown.get(name, value)
            assert (await api.get("/settings")).json[name] == shown.get(name, value)
        told = await api.patch("/settings", dict.fromkeys(GOOD))
        assert told.json == before


async def test_an_alert_urls_secret_is_shown_once(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.patch("/settings", {"alertUrl": GOOD["alertUrl"], "country": "SG"})
        secret = told.json["alertSecret"]
        assert secret.startswith("whsec_")
        (alert,) = (await api.get("/endpoints")).json["items"]
        assert (alert["alert"], alert["url"]) == (True, "https://example.com/alerts?…")
        again = await api.patch("/settings", {"alertUrl": "https://example.com/other"})
        assert "alertSecret" not in again.json
        for told in (
            await api.patch(f"/endpoints/{alert['id']}", {"name": "x"}),
            await api.delete(f"/endpoints/{alert['id']}"),
        ):
            assert (told.status, told.json["error"]) == (409, "conflict")
        audit = str(box.rows("SELECT action, subject, detail FROM audit"))
        assert "settings.changed" in audit
        assert "s3cret" not in audit


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ({"retention": 1}, "retention"),
        ({"retentionMessages": "90d"}, "retentionMessages"),
        ({"retentionMessages": 0}, "retentionMessages"),
        ({"retentionMessages": 2**31}, "retentionMessages"),
        ({"wipeDelivered": "on"}, "wipeDelivered"),
        ({"country": "XX"}, "country"),
        ({"siteName": " "}, "siteName"),
        ({"alertUrl": "ftp://x"}, "alertUrl"),
        ({"alertUrl": "https://x:99999/"}, "alertUrl"),
        ({"addressDeny": ["10.0.0.0/99"]}, "addressDeny"),
        ({"addressDeny": ["10.0.0.0/8,192.168.0.0/16"]}, "addressDeny"),
        ({"addressDeny": "10.0.0.0/8"}, "addressDeny"),
        ({"replayRate": 1001}, "replayRate"),
    ],
)
async def test_what_cannot_be_set(tmp_path: Path, body: dict[str, Any], path: str):
    async with appliance(tmp_path) as box, api_of(box) as api:
        told = await api.patch("/settings", body | ({"clockTrusted": True} if body else {}))
        assert (told.status, told.json["error"]) == (400, "validation_error")
        assert [issue["path"] for issue in told.json["issues"]] == [path]
        assert (await api.get("/settings")).json["clockTrusted"] is False, "all or nothing"
