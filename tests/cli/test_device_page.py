"""A phone's page, and changing what is set of it: with and without a running service."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from mmconnect.desk.wording import midnight
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.store import device_watch
from tests.cli.conftest import Desk
from tests.support.phones import JSON, generic_json, smsgate
from tests.support.service import Service, ask, until


@pytest.fixture
def midday(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somewhere on Earth it is; there no day ends while a test runs."""
    ahead = 12 - datetime.now(UTC).hour
    monkeypatch.setenv("TZ", f"<there>{-ahead:+d}")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data").start()
    yield made
    made.kill()


def page(desk: Desk, device: str) -> dict[str, Any]:
    told: dict[str, Any] = desk("device", "show", device, "--json").json
    return told


def test_everything_that_is_known(midday: None, service: Service):
    desk = Desk(service.directory)
    made = desk("device", "add", "--name", "Reception", "--app", "smsgate", "--json").json
    path = f"/in/{made['token']}"
    health = {"version": "1.65.2", "checks": {"battery:level": {"observedValue": 21}}}
    for headers, body in (
        smsgate("system:ping", {"health": health}),
        smsgate("sms:received", {"message": "hi", "sender": "+6581230000"}),
        ({"Content-Type": JSON}, b"[1]"),
    ):
        assert ask(service.phone, "POST", path, body, headers)[0] == 200
    status, _, body = ask(service.phone, "GET", f"/beat/{made['token']}?charging=1&network=wifi")
    assert (status, json.loads(body)["ok"]) == (200, True)
    assert service.stop() == 0  # signs of life are written down

    told = page(desk, made["id"])
    assert (told["battery"], told["charging"], told["network"]) == (21, True, "Wi-Fi")
    assert told["appVersion"] == "1.65.2"
    assert (told["textsToday"], told["unrecognised"], told["way"]) == (1, 1, "push")
    assert told["loss"] == "survives 45 hours"
    assert told["silentAfter"] is None
    assert [event["name"] for event in told["events"]] == ["system:ping"]
    harmful, odd = told["notes"]
    assert harmful.startswith("Version 1.65.2 of SMS Gateway for Android loses texts")
    assert odd.startswith("1 push was not understood")
    assert odd.endswith("reads it again.")
    assert made["token"] not in json.dumps(told)
    with_token = desk("device", "show", made["id"], "--token", "--json").json
    assert (with_token["token"], with_token["pushUrl"]) == (made["token"], made["pushUrl"])

    person = desk("device", "show", made["id"]).out
    assert made["token"] not in person
    for line in ("Version: ", "Battery: ", "21 %, charging", "/in/TOKEN", "never (by its way"):
        assert line in person, line
    assert made["pushUrl"] in desk("device", "show", made["id"], "--token").out
    (listed,) = desk("device", "list", "--json").json
    assert told.items() >= listed.items()
    lines = desk("device", "list").out
    assert "see below" in lines
    assert "Reception: Version 1.65.2" in lines


def test_what_is_set_counts_within_a_second(service: Service):
    desk = Desk(service.directory)
    made = desk("device", "add", "--name", "Reception", "--json").json
    path = f"/in/{made['token']}"
    odd = json.dumps({"who": {"nr": "+6581230000"}, "what": "hello"}).encode()
    headers = {"Content-Type": JSON}
    ask(service.phone, "POST", path, odd, headers)
    paths = ("--map", "from=who.nr", "--map", "text=what")
    told = desk("device", "set", made["id"], "--app", "generic", *paths, "--json").json
    assert (told["app"], told["id"]) == ("generic", made["id"])

    def understood() -> bool:
        ask(service.phone, "POST", path, odd, headers)
        return bool(service.count("SELECT count(*) FROM messages WHERE kind = 'sms'"))

    def refused() -> bool:
        return ask(service.phone, "POST", path, odd, headers)[0] == 401

    took = [until(understood, "the mapping counts", every=0.05)]
    for _ in range(2):  # the machine may stand still for one of them
        desk("device", "set", made["id"], "--signing-key", "a-key")
        took.append(until(refused, "the key counts", every=0.05))
        desk("device", "set", made["id"], "--signing-key", "none")
        took.append(until(lambda: not refused(), "no key counts", every=0.05))
    assert median(took) < 1.0, took
    desk("device", "set", made["id"], "--signing-key", "none", "--no-map")
    assert page(desk, made["id"])["signed"] is False
    assert page(desk, made["id"])["mapping"] == {}


def test_what_is_not_named_stays(desk: Desk):
    given = ("--country", "SG", "--map", "from=a.b", "--dedupe-window", "7", "--silent-after", "2h")
    made = desk("device", "add", "--name", "Reception", *given, "--json").json
    before = page(desk, made["id"])
    assert (before["silentAfter"], before["dedupeWindow"], before["country"]) == (7200, 7, "SG")
    after = desk("device", "set", made["id"], "--name", "Front desk", "--json").json
    assert after == {n: v for n, v in before.items() if n in after} | {"name": "Front desk"}
    cleared = ("--country", "none", "--dedupe-window", "default", "--silent-after", "default")
    desk("device", "set", made["id"], *cleared)
    now = page(desk, made["id"])
    assert (now["silentAfter"], now["dedupeWindow"], now["country"]) == (None, None, None)
    desk("device", "set", made["id"], "--map", "text=c")
    assert page(desk, made["id"])["mapping"] == {"from": "a.b", "text": "c"}
    desk("device", "set", made["id"], "--no-map", "--map", "text=d")
    assert page(desk, made["id"])["mapping"] == {"text": "d"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Nothing to change"),
        (("--silent-after", "soon"), "write 2h or 3d"),
        (("--silent-after", "5s"), "write 2h or 3d"),
        (("--silent-after", "0"), "write 2h or 3d"),
        (("--silent-after", "400d"), "write 2h or 3d"),
        (("--country", "XX1"), "two letters"),
        (("--map", "from"), "write FIELD=PATH"),
        (("--map", "colour=a"), "there is no field 'colour'"),
        (("--dedupe-window", "-1"), "in seconds"),
        (("--dedupe-window", "99999999999999"), "in seconds"),
        (("--signing-key", ""), "empty"),
        (("--name", ""), "A name has"),
    ],
)
def test_what_makes_no_sense_changes_nothing(desk: Desk, words: tuple[str, ...], says: str):
    made = desk("device", "add", "--name", "Reception", "--json").json
    before = page(desk, made["id"])
    told = desk("device", "set", made["id"], *words)
    assert told.code == 2
    assert says in told.err
    assert page(desk, made["id"]) == before
    if words and words[0] != "--name":
        assert says in desk("device", "add", "--name", "Other", *words).err


def test_no_such_phone(desk: Desk):
    for words in (("show", "dev_none"), ("set", "dev_none", "--name", "x")):
        told = desk("device", *words)
        assert told.code == 1
        assert "There is no device dev_none" in told.err


def test_an_old_address_is_named_until_it_was_told(desk: Desk):
    made = desk("device", "add", "--name", "Reception", "--json").json
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE devices SET push_base = 'http://198.51.100.7:8481'")
    told = page(desk, made["id"])
    if made["pushUrl"].startswith("http://127."):
        pytest.skip("this machine has no network")
    new = made["pushUrl"].partition("/in/")[0]
    (note,) = told["notes"]
    assert note.startswith("Reception still pushes to http://198.51.100.7:8481,")
    assert note.endswith(f"that is {new} now.")
    assert desk("device", "set", made["id"], "--told", "--json").json["notes"] == []
    assert page(desk, made["id"])["pushBase"] == new


def test_one_that_is_fetched_from(desk: Desk):
    made = desk("device", "add", "--name", "Reception", "--app", "smsgate", "--json").json
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE devices SET push_base = 'http://198.51.100.7:8481'")
        db.execute(
            "INSERT INTO phone_links (device_id, url, created_at) VALUES (?, 'http://x', 0)",
            (made["id"],),
        )
        db.execute(
            "INSERT INTO phone_link_states (device_id, trouble) VALUES (?, 'It is not there.')",
            (made["id"],),
        )
    told = page(desk, made["id"])
    assert told["notes"] == ["It is not there."], "its address is provisioned anew, and no concern"
    assert (told["way"], told["silentAfter"], told["loss"]) == ("pull", 900, "nothing is lost")


def test_what_an_inbox_held_did_not_come_today_and_is_called_kept_back(desk: Desk):
    made = desk("device", "add", "--name", "Reception", "--json").json
    now = SystemClock().now()
    text = first_at(MESSAGE, now)
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute(
            "INSERT INTO messages (id, kind, text, received_at, device_id)"
            " VALUES (?, 'sms', 'old', ?, ?)",
            (text, now, made["id"]),
        )
        db.execute("INSERT INTO kept_back VALUES (?, ?, 'history')", (text, made["id"]))
    assert page(desk, made["id"])["textsToday"] == 0
    assert "kept back" in desk("message", "list").out
    assert f"device history {made['id']}" in desk("message", "show", text).out
    desk("device", "history", made["id"], "--leave")
    assert "sent to nobody" in desk("message", "list").out


def test_today_begins_at_midnight_where_the_machine_is():
    now = SystemClock().now()
    begun = datetime.fromtimestamp(midnight(now) / 1000).astimezone()
    assert (begun.hour, begun.minute, begun.second) == (0, 0, 0)
    assert (
        timedelta(0)
        <= datetime.fromtimestamp(now / 1000).astimezone() - begun
        < timedelta(hours=25)
    )


def test_texts_of_a_day_are_found_by_their_ids(desk: Desk):
    made = desk("device", "add", "--name", "Reception", "--json").json
    now = SystemClock().now()
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        for n, (ms, kind) in enumerate(
            [(now - 1, "sms"), (now, "sms"), (now + 1, "mms"), (now + 2, "unrecognised")]
        ):
            db.execute(
                "INSERT INTO messages (id, kind, text, received_at, device_id)"
                " VALUES (?, ?, '', ?, ?)",
                (first_at(MESSAGE, ms)[:-1] + str(n), kind, ms, made["id"]),
            )
        assert device_watch.taken_since(db, made["id"], now) == 2
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT device_id, count(*) FROM messages"
            " WHERE kind = 'unrecognised' GROUP BY device_id"
        ).fetchall()
        assert "messages_unrecognised" in str(plan)
        assert device_watch.unrecognised(db) == {made["id"]: 1}


def test_a_push_tells_nothing_that_drives_a_terminal(service: Service):
    desk = Desk(service.directory)
    made = desk("device", "add", "--name", "Reception", "--json").json
    headers, body = smsgate("system:ping\x1b[2J", {"a": "\x1b]0;x\x07"})
    ask(service.phone, "POST", f"/in/{made['token']}", body, headers)
    headers, body = generic_json()
    agent = {**headers, "User-Agent": "me.capcom.smsgateway/1.68.0\x1b"}
    ask(service.phone, "POST", f"/in/{made['token']}", body, agent)
    assert service.stop() == 0
    assert "\x1b" not in desk("device", "show", made["id"]).out
    assert "\x1b" not in desk("device", "list").out


def test_what_is_done_to_a_phone_is_written_down(desk: Desk):
    made = desk("device", "add", "--name", "Reception", "--json").json
    desk("device", "set", made["id"], "--country", "SG")
    desk("device", "pair", made["id"])
    desk("device", "new-token", made["id"])
    desk("device", "history", made["id"], "--leave")
    desk("device", "remove", made["id"])
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db:
        noted = db.execute("SELECT actor, action, subject FROM audit ORDER BY number").fetchall()
    actions = ("added", "changed", "invited", "token_renewed", "history_left", "removed")
    assert noted == [("cli", f"device.{action}", made["id"]) for action in actions]
