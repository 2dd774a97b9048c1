"""`message send`, beside a running service and without one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Desk
from tests.support.receiver import Receiver, receiving
from tests.support.service import Service, until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("running") / "data").start()
    running.cli("device", "add", "--name", "Reception", "--country", "SG")
    yield running
    running.kill()


@pytest.fixture
def desk(service: Service) -> Desk:
    return Desk(service.directory)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def text(desk: Desk, text: str) -> str:
    line = ("message", "simulate", "--from", "81230000", "--text", text, "--json")
    return str(desk(*line).json["id"])


def send(desk: Desk, endpoint: str, *ids: str) -> dict[str, list[dict[str, str]]]:
    return dict(desk("message", "send", *ids, "--endpoint", endpoint, "--json").json)


def test_a_text_that_nobody_wanted_is_visible_and_can_be_sent(desk: Desk, there: Receiver) -> None:
    first, second = text(desk, "before anybody"), text(desk, "was there")
    shown = desk("message", "show", first, "--json").json
    assert (shown["deliveryCount"], shown["deliveries"]) == (0, [])
    assert "sent to nobody" in desk("message", "list").out
    assert "Sent to nobody." in desk("message", "show", first).out
    wanted = ("--text", "exact:nothing like it", "--numbers", "digits")
    endpoint = desk("endpoint", "add", there.url, *wanted, "--json").json["id"]
    told = send(desk, endpoint, second, first, second)
    assert [one["messageId"] for one in told["sent"]] == [first, second], "oldest first, each once"
    until(lambda: there.texts == ["before anybody", "was there"], "they arrive")
    body = there.arrivals[0].json
    assert (body["from"], "matchedRuleId" in body) == ("6581230000", False)
    (delivery,) = desk("message", "show", first, "--json").json["deliveries"]
    assert (delivery["id"], delivery["trigger"]) == (told["sent"][0]["deliveryId"], "send")

    # once more, written as it was, though the endpoint has other wishes now
    desk("endpoint", "set", endpoint, "--numbers", "e164", "--text", "was")
    until(lambda: not send(desk, endpoint, first)["skipped"], "the first is recorded")
    until(lambda: len(there.arrivals) == 3, "it arrives again")
    assert there.arrivals[2].body == there.arrivals[0].body
    desk("endpoint", "remove", endpoint, "--yes")


def test_the_rule_is_named_for_what_the_routing_wants(desk: Desk, there: Receiver) -> None:
    message = text(desk, "code 1")
    endpoint = desk("endpoint", "add", there.url, "--text", "code", "--json").json["id"]
    send(desk, endpoint, message)
    until(lambda: len(there.arrivals) == 1, "it arrives")
    rule = desk("endpoint", "show", endpoint, "--json").json["routing"]["id"]
    assert there.arrivals[0].json["matchedRuleId"] == rule
    desk("endpoint", "remove", endpoint, "--yes")


def test_what_is_under_way_is_said_and_left(desk: Desk) -> None:
    message = text(desk, "waits")
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--name", "x", "--json").json["id"]
    desk("endpoint", "pause", endpoint)
    (sent,) = send(desk, endpoint, message)["sent"]
    told = send(desk, endpoint, message)
    assert told["sent"] == []
    assert told["skipped"] == [
        {"messageId": message, "deliveryId": sent["deliveryId"], "reason": "under_way"}
    ]
    told_me = desk("message", "send", message, "--endpoint", endpoint)
    assert told_me.code == 0
    assert told_me.out.startswith("0 texts go to x, which is paused.\n")
    assert "on its way to that endpoint already" in told_me.out
    desk("endpoint", "remove", endpoint, "--yes")


def test_what_cannot_be_sent_is_refused_with_its_reason(desk: Desk, service: Service) -> None:
    device = desk("device", "add", "--name", "y", "--json").json["id"]
    line = ("message", "simulate", "--from", "", "--text", "x", "--device", device, "--json")
    unread = json.loads(desk(*line).out)["message"].split()[4].rstrip(",")
    good = text(desk, "good")
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    desk("endpoint", "pause", endpoint)
    told = desk("message", "send", unread, "--endpoint", endpoint)
    assert (told.code, told.out) == (1, "")
    assert f"{unread} was not sent: it was not understood" in told.err
    some = desk("message", "send", unread, good, "--endpoint", endpoint)
    assert some.code == 0, "with a good one it is only told"
    assert "1 text goes" in some.out
    assert "it was not understood" in some.out
    desk("endpoint", "remove", endpoint, "--yes")


@pytest.mark.parametrize(
    ("ids", "endpoint", "says"),
    [
        (["msg_none"], True, "There is no message msg_none"),
        (["msg_1", "msg_2", "msg_3", "msg_4"], True, "no message msg_1, msg_2, msg_3 …"),
        (["msg_none"], False, "There is no endpoint ep_none"),
    ],
)
def test_what_is_not_there(desk: Desk, ids: list[str], endpoint: bool, says: str) -> None:
    known = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    told = desk("message", "send", *ids, "--endpoint", known if endpoint else "ep_none")
    assert told.code == 1
    assert says in told.err
    desk("endpoint", "remove", known, "--yes")


def test_without_the_service_they_wait_for_it(tmp_path: Path, there: Receiver) -> None:
    """Also more of them than fit one transaction."""
    service = Service(tmp_path / "data").start()
    desk = Desk(service.directory)
    desk("device", "add", "--name", "Reception")
    try:
        ids = [text(desk, "0")]
        assert service.stop() == 0
        with service.looking() as db:
            columns = [row[1] for row in db.execute("PRAGMA table_info(messages)")]
        others = ", ".join(c for c in columns if c != "id")
        with contextlib.closing(sqlite3.connect(service.directory / "mmconnect.db")) as db, db:
            for n in range(1, 1100):
                ids.append(f"msg_{n:026}")
                db.execute(
                    f"INSERT INTO messages (id, {others}) SELECT ?, {others} FROM messages"
                    " WHERE id = ?",
                    (ids[-1], ids[0]),
                )
        endpoint = desk("endpoint", "add", there.url, "--json").json["id"]
        told = send(desk, endpoint, *ids)
        assert len(told["sent"]) == 1100
        assert desk("endpoint", "show", endpoint, "--json").json["waiting"] == 1100
        assert there.arrivals == []
        service.start()
        until(lambda: len(there.arrivals) >= 20, "they go")
    finally:
        service.kill()


def test_the_alert_url_gets_no_texts(desk: Desk, service: Service) -> None:
    message = text(desk, "x")
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    with contextlib.closing(sqlite3.connect(service.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE endpoints SET alert = 1 WHERE id = ?", (endpoint,))
    told = desk("message", "send", message, "--endpoint", endpoint)
    assert told.code == 1
    assert "never gets texts" in told.err
    desk("endpoint", "remove", endpoint, "--yes")
