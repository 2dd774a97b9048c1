"""The configuration written out and read in again: there and back, in part, twice, or wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Desk

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
TOKEN = "A-token-of-a-phone-24ch"


def furnish(desk: Desk) -> dict[str, str]:
    """Something of everything; the ids."""
    phone = desk(
        *("device", "add", "--name", "Reception", "--app", "generic", "--country", "SG"),
        *("--signing-key", "the-key", "--json"),
    ).json["id"]
    crm = desk("endpoint", "add", "https://crm.example/in", "--name", "CRM", "--json").json["id"]
    desk(
        *("endpoint", "set", crm, "--header", "X-Api-Key: s3cret", "--device", phone),
        *("--from", "+65*", "--text", "hello", "--schedule", "now,5s", "--strict-order", "on"),
    )
    log = desk("endpoint", "add", "https://u:p4ss@log.example/?key=k3y", "--json").json["id"]
    desk("endpoint", "pause", log)
    for name, value in (("site_name", "Acme"), ("retention_messages", "30d")):
        desk("settings", "set", name, value)
    desk("settings", "set", "alert_url", "https://alerts.example/?key=al3rt")
    return {"phone": phone, "crm": crm, "log": log}


def exported(desk: Desk, *words: str) -> dict[str, Any]:
    told = desk("export-config", *words)
    assert told.code == 0, told.err
    document: dict[str, Any] = json.loads(told.out)
    return document


def other(desk: Desk, tmp_path: Path) -> Desk:
    """An appliance with nothing in it."""
    return Desk(tmp_path / "other")


def written(path: Path, document: object) -> str:
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "madeAt"}


def test_there_and_back_with_secrets_and_a_second_time_nothing(desk: Desk, tmp_path: Path):
    furnish(desk)
    whole = exported(desk, "--with-secrets")
    assert whole["withheld"] == []
    new = other(desk, tmp_path)
    file = written(tmp_path / "it.json", whole)
    told = new("import-config", file, "--json").json
    assert told["applied"] is True
    assert {one["what"] for one in told["steps"]} == {"added", "changed"}
    assert [one["name"] for one in told["steps"] if one["secret"]] == [], "none was made anew"
    assert without_times(exported(new, "--with-secrets")) == without_times(whole)
    again = new("import-config", file, "--json").json
    assert again["steps"] == []
    assert desk("import-config", file, "--json").json["steps"] == [], "nor where it came from"


def test_without_secrets_there_is_none_in_it_and_they_are_made_and_told(desk: Desk, tmp_path: Path):
    ids = furnish(desk)
    told = desk("export-config")
    for secret in ("whsec_", "s3cret", "p4ss", "k3y", "al3rt", "the-key"):
        assert secret not in told.out
    document = json.loads(told.out)
    with closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db:
        for (token,) in db.execute("SELECT token FROM device_tokens"):
            assert token not in told.out
    assert "endpoints.0.headers.X-Api-Key" in document["withheld"]
    assert "alertSecret" in document["withheld"]

    file = written(tmp_path / "it.json", document)
    assert desk("import-config", file, "--json").json["steps"] == [], "what is here stays"
    new = other(desk, tmp_path)
    refused = new("import-config", file)
    assert refused.code == 1
    assert "endpoints.1.url" in refused.err
    assert new("endpoint", "list", "--json").json == [], "all of it or nothing"

    document["endpoints"][1]["url"] = "https://log.example/"
    told = new("import-config", written(tmp_path / "it.json", document), "--json").json
    steps = {one["name"]: one for one in told["steps"]}
    assert steps["CRM"]["secret"].startswith("whsec_")
    assert "X-Api-Key" in steps["CRM"]["detail"]
    assert len(steps["Reception"]["secret"]) >= 16
    assert "signing key" in steps["Reception"]["detail"]
    assert steps["alertUrl"]["what"] == "note"
    found = {one["id"]: one for one in new("endpoint", "list", "--json").json}
    assert set(found) == {ids["crm"], ids["log"]}
    assert found[ids["log"]]["state"] == "paused"
    assert found[ids["crm"]]["routing"]["devices"] == [ids["phone"]]


def test_the_secret_of_the_alerts_comes_along_and_can_be_changed(desk: Desk):
    furnish(desk)
    document = exported(desk, "--with-secrets")
    document["alertSecret"] = SECRET
    file = written(desk.directory.parent / "it.json", document)
    (step,) = desk("import-config", file, "--json").json["steps"]
    assert (step["name"], step["detail"], step["secret"]) == ("alertUrl", "its secret", None)
    assert exported(desk, "--with-secrets")["alertSecret"] == SECRET
    assert desk("import-config", file, "--json").json["steps"] == []
    file = written(desk.directory.parent / "it.json", document | {"alertSecret": "short"})
    told = desk("import-config", file)
    assert told.code == 1
    assert "alertSecret: The secret has 5 bytes" in told.err
    assert exported(desk, "--with-secrets")["alertSecret"] == SECRET


def test_a_look_changes_nothing_and_says_what_would(desk: Desk, tmp_path: Path):
    furnish(desk)
    document = exported(desk, "--with-secrets")
    document["settings"]["siteName"] = "Other"
    document["endpoints"][0] |= {"name": "CRM 2", "maxAge": 3600, "secret": SECRET}
    document["devices"][0]["token"] = TOKEN
    del document["endpoints"][1]
    file = written(tmp_path / "it.json", document)
    before = without_times(exported(desk, "--with-secrets"))
    told = desk("import-config", file, "--dry-run", "--json").json
    assert told["applied"] is False
    assert [(one["what"], one["name"], one["detail"]) for one in told["steps"]] == [
        ("changed", "siteName", ""),
        ("changed", "Reception", "token"),
        ("changed", "CRM 2", "name, maxAge, secret"),
    ]
    assert without_times(exported(desk, "--with-secrets")) == before
    assert "leave out --dry-run" in desk("import-config", file, "--dry-run").out
    assert desk("import-config", file, "--json").json["steps"] == told["steps"]
    after = exported(desk, "--with-secrets")
    assert after["endpoints"][0] == document["endpoints"][0]
    assert len(after["endpoints"]) == 2, "what it does not name stays"
    assert after["devices"][0]["token"] == TOKEN


def test_by_name_where_there_is_no_id(desk: Desk, tmp_path: Path):
    ids = furnish(desk)
    document = {
        "mmconnect": "configuration",
        "format": 1,
        "devices": [{"name": "Reception", "country": "DE"}, {"name": "Shop"}],
        "endpoints": [
            {"name": "CRM", "maxAge": 60},
            {"name": "New", "url": "https://new.example/", "routing": {"senders": []}},
        ],
    }
    file = written(tmp_path / "it.json", document)
    steps = desk("import-config", file, "--json").json["steps"]
    assert [(one["what"], one["name"]) for one in steps] == [
        ("changed", "Reception"),
        ("added", "Shop"),
        ("changed", "CRM"),
        ("added", "New"),
    ]
    assert (steps[0]["id"], steps[2]["id"]) == (ids["phone"], ids["crm"])
    assert desk("import-config", file, "--json").json["steps"] == []


def test_an_id_that_was_removed_here_becomes_another(desk: Desk, tmp_path: Path):
    ids = furnish(desk)
    file = written(tmp_path / "it.json", exported(desk, "--with-secrets"))
    desk("endpoint", "remove", ids["crm"], "--yes")
    steps = desk("import-config", file, "--json").json["steps"]
    assert [(one["what"], one["name"]) for one in steps] == [("added", "CRM")]
    assert steps[0]["id"] != ids["crm"]
    assert desk("import-config", file, "--json").json["steps"] == []


def test_routing_by_a_phone_that_has_another_id_here(desk: Desk, tmp_path: Path):
    ids = furnish(desk)
    document = exported(desk, "--with-secrets")
    new = other(desk, tmp_path)
    here = new("device", "add", "--name", "Reception", "--json").json["id"]
    new("import-config", written(tmp_path / "it.json", document))
    found = {one["id"]: one for one in new("endpoint", "list", "--json").json}
    assert found[ids["crm"]]["routing"]["devices"] == [here]
    assert json.loads(new("export-config").out)["tenantId"] != document["tenantId"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpionts": []}, "endpionts"),
        ({"settings": {"retentionMesages": 5}}, "settings.retentionMesages"),
        ({"settings": {"retentionMessages": "soon"}}, "settings.retentionMessages"),
        ({"settings": {"allowedHosts": 7}}, "settings.allowedHosts"),
        ({"settings": []}, "settings"),
        ({"devices": [{"name": "X", "color": 1}]}, "devices.0.color"),
        ({"devices": [{"name": 7}]}, "devices.0.name"),
        ({"devices": [{"app": "auto"}]}, "devices.0.name"),
        ({"devices": [{"name": "X", "token": "short"}]}, "devices.0.token"),
        ({"devices": [{"name": "X", "id": "dev_1"}]}, "devices.0.id"),
        ({"devices": {}}, "devices"),
        ({"devices": ["x"]}, "devices.0"),
        ({"endpoints": [{"name": "X"}]}, "endpoints.0.url"),
        ({"endpoints": [{"name": "X", "url": "ftp://x"}]}, "endpoints.0.url"),
        ({"endpoints": [{"url": "https://x.example"}]}, "endpoints.0.name"),
        ({"endpoints": [{"name": "X", "url": "https://x.example", "maxAge": True}]}, "maxAge"),
        ({"endpoints": [{"name": "X", "url": "https://x.example", "schedule": ["a"]}]}, "schedule"),
        ({"endpoints": [{"name": "X", "url": "https://x.example", "secret": "no"}]}, "secret"),
        ({"endpoints": [{"name": "X", "url": "https://x.example", "numbers": "roman"}]}, "numbers"),
        (
            {"endpoints": [{"name": "X", "url": "https://x.example", "headers": {"Host": "a"}}]},
            "endpoints.0.headers",
        ),
        (
            {
                "endpoints": [
                    {"name": "X", "url": "https://x.example", "routing": {"sender": []}},
                ]
            },
            "endpoints.0.routing.sender",
        ),
        (
            {"endpoints": [{"name": "X", "url": "https://x.example", "routing": {"devices": [7]}}]},
            "endpoints.0.routing.devices",
        ),
        (
            {
                "endpoints": [
                    {
                        "name": "X",
                        "url": "https://x.example",
                        "routing": {"texts": [{"match": "like", "value": "x"}]},
                    },
                ]
            },
            "endpoints.0.routing.texts.0",
        ),
        ({"webhook": "ep_01JD0000000000000000000000"}, "webhook"),
        ({"format": 2}, "format"),
        ({"mmconnect": "backup"}, "no configuration of mmconnect"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_done(
    desk: Desk, tmp_path: Path, change: dict[str, Any], says: str
):
    document: dict[str, Any] = {
        "mmconnect": "configuration",
        "format": 1,
        "settings": {"siteName": "Acme"},
        **change,
    }
    several = document.get("devices", [])
    if isinstance(several, list):
        document["devices"] = [*several, {"name": "Good"}]
    said = desk("import-config", written(tmp_path / "it.json", document))
    assert said.code == 1
    assert says in said.err
    assert "Traceback" not in said.err
    assert desk("device", "list", "--json").json == []
    assert desk("settings", "get", "site_name").out == "–\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1, "a": 2}', "[" * 100_000, "\x00"])
def test_what_is_no_document(desk: Desk, tmp_path: Path, text: str):
    (tmp_path / "it.json").write_text(text)
    said = desk("import-config", str(tmp_path / "it.json"))
    assert said.code == 1
    assert "Traceback" not in said.err
    assert "mmconnect" in said.err


def test_half_a_character_is_no_text(desk: Desk, tmp_path: Path):
    text = (
        '{"mmconnect": "configuration", "format": 1, "settings": {"alertUrl": "https://\\ud800/"}}'
    )
    (tmp_path / "it.json").write_text(text)
    said = desk("import-config", str(tmp_path / "it.json"))
    assert said.code == 1
    assert "half a character" in said.err


def test_into_a_file_that_is_there_and_into_none(desk: Desk, tmp_path: Path):
    furnish(desk)
    file = tmp_path / "it.json"
    told = desk("export-config", str(file), "--with-secrets", "--json").json
    assert (told["devices"], told["endpoints"], told["secrets"]) == (1, 2, True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert desk("export-config", str(file)).code == 1
    assert "whsec_" in file.read_text()
    said = desk("export-config", str(file), "--force")
    assert "left out" in said.out
    assert "whsec_" not in file.read_text()
    assert "cannot be written" in desk("export-config", str(tmp_path / "no" / "x")).err
    assert desk("import-config", str(tmp_path / "none")).code == 2
