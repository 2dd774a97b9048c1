"""What `endpoint add` and `endpoint set` take, refuse and show."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk.endpoint_values import schedule_words, words
from mmconnect.webhook import schedule
from tests.cli.conftest import Desk
from tests.unit.test_trust import CA

URL = "http://127.0.0.1:9/x"


@pytest.fixture
def device(desk: Desk) -> str:
    return str(desk("device", "add", "--name", "Reception", "--json").json["id"])


def add(desk: Desk, *more: str) -> str:
    return str(desk("endpoint", "add", URL, *more, "--json").json["id"])


def show(desk: Desk, endpoint: str) -> dict[str, Any]:
    return dict(desk("endpoint", "show", endpoint, "--json").json)


def stored(desk: Desk, column: str, endpoint: str) -> Any:
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db:
        return db.execute(f"SELECT {column} FROM endpoints WHERE id = ?", (endpoint,)).fetchone()[0]


@pytest.fixture
def given(tmp_path: Path, device: str) -> list[tuple[list[str], dict[str, Any]]]:
    """Flags, and what `show` says of them."""
    (tmp_path / "ca.pem").write_text(CA)
    (tmp_path / "headers").write_text("Authorization: Bearer secret-1\n\nX-Room: Süd\n", "utf-8")
    return [
        (["--name", " CRM "], {"name": "CRM"}),
        (["--numbers", "digits"], {"numbers": "digits"}),
        (
            ["--events", "endpoint.held, device.silent"],
            {"events": ["device.silent", "endpoint.held"]},
        ),
        (["--max-age", "15m"], {"maxAge": 900}),
        (["--schedule", "now, 5s,5m,30d"], {"schedule": [0, 5, 300, 2592000]}),
        (["--schedule", "0"], {"schedule": [0]}),
        (["--concurrency", "3"], {"concurrency": 3}),
        (["--strict-order", "on"], {"strictOrder": True}),
        (["--plain-headers", "off"], {"plainHeaders": False}),
        (["--plain-http", "on"], {"plainHttp": True}),
        (["--header", "X-A: 1", "--header", "X-B:2:3"], {"headers": {"X-A": "***", "X-B": "***"}}),
        (
            ["--header", f"@{tmp_path}/headers"],
            {"headers": {"Authorization": "***", "X-Room": "***"}},
        ),
        (
            ["--ca", f"{tmp_path}/ca.pem"],
            {"ca": {"subject": "Home CA, Example", "expiresAt": EXPIRES}},
        ),
        (["--device", device, "--sim", "2", "--sim", "1"], {"devices": [device], "sims": [1, 2]}),
        (
            ["--from", "+65 8123 0000", "--from", "DBS-Bank", "--from", "exact:a*"],
            {"senders": ["exact +6581230000", "exact DBS-Bank", "exact a*"]},
        ),
        (
            ["--from", "+65*", "--from", "prefix:+49 30", "--from", r"pattern:^\d{5}$"],
            {"senders": ["prefix +65", "prefix +4930", r"pattern ^\d{5}$"]},
        ),
        (
            ["--text", "code", "--text", "exact:STOP", "--text", "pattern:a:b", "--text", "a:b"],
            {"texts": ["contains code", "exact STOP", "pattern a:b", "contains a:b"]},
        ),
    ]


EXPIRES = "2126-10-31T00:11:16.000Z"


def agree(shown: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if name in ("devices", "sims"):
            assert shown["routing"][name] == value
        elif name in ("senders", "texts"):
            assert [f"{c['match']} {c['value']}" for c in shown["routing"][name]] == value
        elif name == "headers":
            assert value.items() <= shown[name].items()
        else:
            assert shown[name] == value


def test_add_takes_them_all_and_set_too(
    desk: Desk, given: list[tuple[list[str], dict[str, Any]]]
) -> None:
    plain = add(desk)
    before = show(desk, plain)
    for flags, wanted in given:
        agree(show(desk, add(desk, *flags)), wanted)
        told = desk("endpoint", "set", plain, *flags, "--json").json
        agree(told, wanted)
        assert told == show(desk, plain)
        changed = {name for name in told if told[name] != before[name]}
        assert changed <= {*wanted, "routing"}, "nothing but what was given"
        before = told


def test_adding_says_what_it_always_said(desk: Desk) -> None:
    told = desk("endpoint", "add", URL, "--header", "X-A: 1", "--text", "x", "--json").json
    assert list(told) == ["id", "url", "name", "secret"]


def test_defaults(desk: Desk) -> None:
    shown = show(desk, add(desk))
    assert (shown["concurrency"], shown["schedule"]) == (64, list(schedule.DEFAULT))
    assert (shown["headers"], shown["ca"], shown["strictOrder"]) == ({}, None, False)
    assert shown["routing"] == {"id": None, "devices": [], "sims": [], "senders": [], "texts": []}


# -- what only set can do ---


def test_another_url(desk: Desk) -> None:
    endpoint = add(desk)
    assert desk("endpoint", "set", endpoint, "--url", "https://new.example/").code == 0
    assert show(desk, endpoint)["url"] == "https://new.example/"
    assert show(desk, endpoint)["name"] == "127.0.0.1", "a name is not a URL's host for ever"


def test_headers_are_added_replaced_and_taken_away(desk: Desk) -> None:
    endpoint = add(desk, "--header", "X-A: 1", "--header", "X-B: 2")
    desk(
        "endpoint", "set", endpoint, "--header", "x-a: 3", "--header", "X-B:", "--header", "X-C: 4"
    )
    assert json.loads(stored(desk, "headers", endpoint)) == {"x-a": "3", "X-C": "4"}
    told = desk("endpoint", "set", endpoint, "--header", "X-B:")
    assert (told.code, told.err) == (2, "mmconnect: There is no header X-B to take away\n")


def test_a_header_may_come_on_standard_input(desk: Desk) -> None:
    endpoint = add(desk)
    desk("endpoint", "set", endpoint, "--header", "-", given="Authorization: Bearer s3cret\n")
    assert json.loads(stored(desk, "headers", endpoint)) == {"Authorization": "Bearer s3cret"}


def test_values_of_headers_are_never_shown(desk: Desk) -> None:
    endpoint = add(desk, "--header", "Authorization: Bearer s3cret")
    for line in (("show", endpoint), ("list",), ("set", endpoint, "--name", "x")):
        told = desk("endpoint", *line), desk("endpoint", *line, "--json")
        assert "s3cret" not in "".join(one.out + one.err for one in told)
    assert "Authorization: ***" in desk("endpoint", "show", endpoint).out
    refused = desk("endpoint", "set", endpoint, "--header", "X-A: s3cret\x01")
    assert refused.code == 2
    assert "s3cret" not in refused.err


def test_a_kind_of_condition_is_replaced_and_the_others_stay(desk: Desk, device: str) -> None:
    endpoint = add(desk, "--device", device, "--text", "code", "--from", "+65*")
    first = show(desk, endpoint)["routing"]
    desk("endpoint", "set", endpoint, "--text", "balance")
    second = show(desk, endpoint)["routing"]
    assert second["texts"] == [{"match": "contains", "value": "balance"}]
    assert {**second, "texts": first["texts"]} == first, "also its id"
    desk("endpoint", "set", endpoint, "--text", "", "--device", "")
    third = show(desk, endpoint)["routing"]
    assert (third["texts"], third["devices"], third["senders"]) == ([], [], first["senders"])
    desk("endpoint", "set", endpoint, "--routing", "everything")
    assert show(desk, endpoint)["routing"]["id"] is None
    desk("endpoint", "set", endpoint, "--routing", "everything", "--sim", "2")
    fourth = show(desk, endpoint)["routing"]
    assert (fourth["sims"], fourth["senders"]) == ([2], [])
    assert fourth["id"] not in (None, first["id"]), "another rule"


def test_default_and_off_take_away(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(f"comment\n{CA}")
    endpoint = add(desk, "--schedule", "now,1s", "--ca", f"{tmp_path}/ca.pem")
    assert stored(desk, "ca", endpoint) == CA
    desk("endpoint", "set", endpoint, "--schedule", "default", "--ca", "off")
    assert (stored(desk, "schedule", endpoint), stored(desk, "ca", endpoint)) == (None, None)


def test_national_numbers_are_read_with_the_country_of_the_settings(desk: Desk) -> None:
    endpoint = add(desk)
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("INSERT INTO settings VALUES ('country', 'SG')")
    desk("endpoint", "set", endpoint, "--from", "8123 0000")
    assert show(desk, endpoint)["routing"]["senders"][0]["value"] == "+6581230000"


def test_what_it_would_have_matched(desk: Desk) -> None:
    endpoint = add(desk)
    told = desk("endpoint", "set", endpoint, "--text", "code", "--preview")
    assert told.out == "There is no text yet to try it on.\n"
    for _ in range(3):
        desk("endpoint", "test", endpoint)
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE messages SET test = 0")
        db.execute("UPDATE messages SET text = 'code' WHERE id = (SELECT max(id) FROM messages)")
    preview = ("endpoint", "set", endpoint, "--text", "CODE", "--preview")
    assert desk(*preview).out == "It would have matched 1 of the last 3 texts.\n"
    assert desk(*preview, "--json").json == {"id": endpoint, "matched": 1, "of": 3}
    assert show(desk, endpoint)["routing"]["id"] is None, "nothing was changed"
    told = desk("endpoint", "set", endpoint, "--text", "test")
    assert "It would have matched 2 of the last 3 texts.\n" in told.out


def test_who_is_held_is_told_how_to_go_on(desk: Desk) -> None:
    endpoint = add(desk)
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE endpoints SET state = 'held', held_class = 'gone'")
    told = desk("endpoint", "set", endpoint, "--url", "http://127.0.0.1:10/")
    assert f"endpoint resume {endpoint}" in told.out
    assert show(desk, endpoint)["state"] == "held"


def test_the_alert_url_is_changed_in_the_settings(desk: Desk) -> None:
    endpoint = add(desk)
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE endpoints SET alert = 1")
    told = desk("endpoint", "set", endpoint, "--name", "x")
    assert told.code == 1
    assert "settings set alert_url" in told.err


# -- what is refused, by both alike ---

USAGE: list[tuple[Sequence[str], str]] = [
    (["--schedule", "5s,5m"], "the first attempt is now"),
    (["--schedule", "now,0"], "each wait is from 1s to 30d"),
    (["--schedule", "now,31d"], "each wait is from 1s to 30d"),
    (["--schedule", "now,soon"], "is not a duration"),
    (["--schedule", "now,"], "is not a duration"),
    (["--schedule", "now" + ",1s" * 50], "has 51 attempts; 50 are the most"),
    (["--schedule", "now," + "9" * 400], "each wait is from 1s to 30d"),
    (["--concurrency", "0"], "--concurrency 0: choose 1 to 256"),
    (["--concurrency", "257"], "--concurrency 257: choose 1 to 256"),
    (["--strict-order", "yes"], "invalid choice"),
    (["--header", "nonsense"], "is written 'Name: value'"),
    (["--header", ": v"], "is written 'Name: value'"),
    (["--header", "X-A: 1", "--header", "x-a: 2"], "given twice"),
    (["--header", "Host: x"], "belongs to HTTP itself"),
    (["--header", "X-MAC-Signature: x"], "is set by mmconnect itself"),
    (["--header", "X-A: a\nX-B: b"], "line end"),
    (["--header", "X-A: Дом"], "Latin-1"),
    (["--header", "@/nonexistent"], "cannot be read"),
    (["--ca", "/nonexistent"], "cannot be read: No such file"),
    (["--ca", "/dev/null"], "there is no certificate in it"),
    (["--sim", "0"], "counted from 1"),
    (["--sim", "x"], "counted from 1"),
    (["--sim", "-1"], "counted from 1"),
    (["--from", "pattern:("], "a ( has no )"),
    (["--text", "pattern:(?=x)"], "no lookahead"),
    (["--text", "exact:"], "is empty"),
    (["--text", "x" * 501], "500 are the most"),
    (["--name", " "], "1 to 200 characters"),
    (["--max-age", "0"], "more than nothing"),
    (["--events", "message.recieved"], "There is no event"),
]


@pytest.mark.parametrize(("flags", "says"), USAGE)
def test_what_makes_no_sense_is_one_sentence_and_changes_nothing(
    desk: Desk, flags: list[str], says: str
) -> None:
    endpoint = add(desk)
    before = show(desk, endpoint)
    joined = [f"{flags[0]}={flags[1]}", *flags[2:]]
    for line in (("set", endpoint), ("add", URL)):
        told = desk("endpoint", *line, *joined)
        assert (told.code, told.out) == (2, "")
        assert says in told.err
    assert desk("endpoint", "list", "--json").json == [before]


def test_what_is_refused_as_things_stand(desk: Desk) -> None:
    own = add(desk, "--secret", "a secret of our own")
    line = ("endpoint", "set", own, "--plain-headers", "off")
    assert (desk(*line).code, "nothing would sign" in desk(*line).err) == (1, True)
    told = desk("endpoint", "add", URL, "--secret", "k" * 16, "--plain-headers", "off")
    assert told.code == 1
    assert desk("endpoint", "set", own, "--device", "dev_none").code == 1
    assert desk("endpoint", "set", "ep_none", "--name", "x").code == 1
    assert len(desk("endpoint", "list", "--json").json) == 1


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]"])
def test_plain_http_beyond_the_own_network_wants_consent(desk: Desk, host: str) -> None:
    url = f"http://{host}/x"
    told = desk("endpoint", "add", url)
    assert told.code == 1
    assert "--plain-http on" in told.err
    endpoint = desk("endpoint", "add", url, "--plain-http", "on", "--json").json["id"]
    assert desk("endpoint", "set", endpoint, "--plain-http", "off").code == 1
    assert desk("endpoint", "set", endpoint, "--name", "x").code == 0
    other = add(desk)
    assert desk("endpoint", "set", other, "--url", url).code == 1
    assert desk("endpoint", "set", other, "--url", url.replace("http:", "https:")).code == 0


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("0.0.0.0:8490", "an unspecified address"),
        ("[fe80::1]", "a link-local address"),
        ("169.254.169.254", "hand out a machine's credentials"),
        ("224.0.0.1", "a multicast address"),
        ("10.9.9.9", "address_deny"),
    ],
)
def test_where_nothing_can_be_sent_is_told_when_it_is_saved(
    desk: Desk, host: str, why: str
) -> None:
    desk("settings", "set", "address_deny", "10.9.9.0/24")
    told = desk("endpoint", "add", f"http://{host}/", "--json")
    assert (told.code, told.json["url"]) == (0, f"http://{host}/")
    assert "nothing will be sent there" in told.err
    assert why in told.err
    endpoint = add(desk)
    assert why in desk("endpoint", "set", endpoint, "--url", f"http://{host}/").err
    assert desk("endpoint", "set", endpoint, "--name", "x").err == ""


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.30",
        "100.64.0.1",
        "[::1]",
        "[fd00::1]",
        "[fe80::1%25eth0]",
        "crm.lan",
        "crm.example.com",
        "[::ffff:192.168.1.1]",
    ],
)
def test_at_home_it_does_not(desk: Desk, host: str) -> None:
    assert desk("endpoint", "add", f"http://{host}/x").code == 0


# -- for people ---


def test_people_read_words(desk: Desk, device: str) -> None:
    flags = ("--max-age", "15m", "--schedule", "now,90s,2h", "--device", device, "--sim", "1")
    endpoint = add(desk, *flags, "--from", "+65*", "--text", "code", "--text", "exact:stop")
    told = desk("endpoint", "show", endpoint).out
    assert "maxAge:        15m\n" in told
    assert "schedule:      now,90s,2h\n" in told
    routing = "phone Reception; SIM 1; sender prefix:+65; text contains:code or exact:stop"
    assert f"routing:       {routing}\n" in told
    assert "routing:       everything\n" in desk("endpoint", "show", add(desk)).out


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(5, "5s"), (90, "90s"), (300, "5m"), (86400, "24h"), (14 * 86400, "14d"), (3600, "1h")],
)
def test_durations_read_as_they_are_written(seconds: int, shown: str) -> None:
    assert words(seconds) == shown


def test_the_default_schedule_reads_as_the_flag_takes_it(desk: Desk) -> None:
    shown = schedule_words(None)
    endpoint = add(desk, "--schedule", shown)
    assert show(desk, endpoint)["schedule"] == list(schedule.DEFAULT)


def test_headers_on_standard_input_are_all_taken(desk: Desk) -> None:
    endpoint = desk("endpoint", "add", "http://h.example/", "--json").json["id"]
    given = "X-One: 1\n\nX-Two: 2\n"
    told = desk("endpoint", "set", endpoint, "--header", "-", "--json", given=given).json
    assert told["headers"] == {"X-One": "***", "X-Two": "***"}
