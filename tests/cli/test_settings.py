"""`mmconnect settings`: values are read before they are kept; secrets in a URL are not listed."""

from __future__ import annotations

import pytest

from mmconnect.store import preferences
from tests.cli.conftest import Desk


def test_the_list_has_every_setting_with_its_default(desk: Desk):
    told = desk("settings", "list", "--json").json
    assert len(told) == len(preferences.SETTINGS) + 2
    assert told["retentionMessages"] == 90 * 86400
    assert (told["siteName"], told["wipeAfter"], told["wipeDelivered"]) == (None, None, False)
    shown = desk("settings", "list").out
    for name in preferences.BY_NAME:
        assert name in shown
    assert "90d" in shown


@pytest.mark.parametrize(
    ("name", "value", "kept", "shown"),
    [
        ("retention_messages", "2w", 14 * 86400, "14d"),
        ("wipe_after", "36h", 36 * 3600, "36h"),
        ("wipe_after", "off", None, "off"),
        ("wipe_delivered", "ON", True, "on"),
        ("country", "de", "DE", "DE"),
        ("site_name", " Acme GmbH ", "Acme GmbH", "Acme GmbH"),
        ("replay_rate", "60", 60, "60"),
        ("backup_schedule", "Weekly", "weekly", "weekly"),
        ("backup_keep", "30", 30, "30"),
        ("backup_folder", "/media/usb1/", "/media/usb1", "/media/usb1"),
        ("backup_folder", "default", None, "default"),
        ("address_allow", "169.254.7.0/24, fe80::/10", ["169.254.7.0/24", "fe80::/10"], None),
    ],
)
def test_what_is_set_is_what_get_says_until_it_is_unset(
    desk: Desk, name: str, value: str, kept: object, shown: str | None
):
    before = desk("settings", "get", name, "--json").json
    assert list(desk("settings", "set", name, value, "--json").json.values()) == [kept]
    assert list(desk("settings", "get", name, "--json").json.values()) == [kept]
    if shown is not None:
        assert desk("settings", "get", name).out == f"{shown}\n"
    assert desk("settings", "unset", name, "--json").json == before
    assert desk("settings", "get", name, "--json").json == before


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("retention_messages", "soon", "not a duration"),
        ("retention_messages", "0", "more than nothing"),
        ("retention_messages", "9" * 30 + "d", "at most ten years"),
        ("wipe_delivered", "maybe", "on or off"),
        ("country", "XX", "two letters"),
        ("site_name", " ", "1 to 200"),
        ("alert_url", "ftp://x", "http://HOST"),
        ("alert_url", "http://x/a b", "http://HOST"),
        ("alert_url", "http://x:99999/", "Port out of range"),
        ("alert_url", "http://x:0/", "port 0"),
        ("alert_url", "http://93.184.216.34/", "https://"),
        ("address_deny", "10.0.0.0/99", "10.0.0.0/99"),
        ("replay_rate", "0", "1 to 1000"),
        ("backup_schedule", "hourly", "daily, weekly or off"),
        ("backup_keep", "0", "1 to 365"),
        ("backup_folder", "stick", "/media/usb1/mmconnect"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(desk: Desk, name: str, value: str, why: str):
    said = desk("settings", "set", name, value)
    assert said.code == 2
    assert name in said.err
    assert why in said.err
    assert "Traceback" not in said.err
    assert desk("settings", "get", name).code == 0


@pytest.mark.parametrize("verb", [["get"], ["set"], ["unset"]])
def test_an_unknown_setting_is_refused_with_those_that_there_are(desk: Desk, verb: list[str]):
    said = desk("settings", *verb, "erasure_open", *(["1"] if verb == ["set"] else []))
    assert said.code == 2
    assert "retention_messages" in said.err
    assert desk("settings", "get", "tenant_id").code == 2, "who the tenant is never changes"


def test_what_may_be_secret_in_a_url_is_listed_only_when_asked_for(desk: Desk):
    url = "https://me:pass@alerts.example.com/x?token=s3cret"
    for words in (("set", "alert_url", url), ("list",), ("list", "--json")):
        out = desk("settings", *words).out
        assert "s3cret" not in out
        assert "pass" not in out
        assert "alerts.example.com/x" in out
    assert desk("settings", "get", "alert_url").out == f"{url}\n"
    assert desk("settings", "set", "alert_url", "-", given="https://example.com/y\n").code == 0
    assert desk("settings", "get", "alert_url").out == "https://example.com/y\n"


def test_the_alert_url_is_an_endpoint_with_a_secret_shown_once(desk: Desk):
    made = desk("settings", "set", "alert_url", "http://10.0.0.9/alerts", "--json").json
    assert made["secret"].startswith("whsec_")
    moved = desk("settings", "set", "alert_url", "http://10.0.0.8/alerts", "--json").json
    assert moved == {"alertUrl": "http://10.0.0.8/alerts"}
    (endpoint,) = desk("endpoint", "list", "--json").json
    assert (endpoint["alert"], endpoint["url"]) == (True, "http://10.0.0.8/alerts")
    refused = desk("endpoint", "remove", endpoint["id"], "--yes")
    assert refused.code == 1
    assert "settings set alert_url off" in refused.err
    assert desk("settings", "set", "alert_url", "off").code == 0
    assert desk("endpoint", "list", "--json").json == []


def test_of_the_alert_url_what_may_be_secret_is_shown_when_asked_for_alone(desk: Desk):
    secret = "http://bob:pw@10.0.0.9/alerts?token=s3cret"
    desk("settings", "set", "alert_url", secret)
    for words in (("settings", "list"), ("endpoint", "list"), ("endpoint", "list", "--json")):
        told = desk(*words)
        assert "10.0.0.9/alerts" in told.out
        assert "s3cret" not in told.out
        assert "pw@" not in told.out
    assert desk("settings", "get", "alert_url").out.strip() == secret


def test_an_alert_url_that_can_get_nothing_is_told(desk: Desk):
    told = desk("settings", "set", "alert_url", "http://169.254.169.254/")
    assert (told.code, "nothing will be sent there" in told.err) == (0, True)


def test_a_duration_without_its_unit_is_refused(desk: Desk) -> None:
    """90 would be 90 seconds, and the log gone."""
    told = desk("settings", "set", "retention_messages", "90")
    assert told.code == 2
    assert "of what? Write 90d for days" in told.err
    assert desk("settings", "get", "retention_messages").out.strip() == "90d"
