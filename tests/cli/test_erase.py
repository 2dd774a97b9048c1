"""`mmconnect message delete|purge`: gone from every file, or said honestly that it is not yet."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from mmconnect.cli import erase
from mmconnect.service.lock import Lock
from mmconnect.store.connection import FILE, connect
from tests.cli.conftest import Desk
from tests.support.service import Service, until

MARK = "Grüße, Marker 7f3a 🙂"
LONG = MARK + " " + "lang " * 2000
FORMS = (
    MARK.encode(),
    json.dumps(MARK)[1:-1].encode(),
    quote_plus(MARK).encode(),
    MARK.replace(" ", "%20").encode(),
)


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The URL of a receiver that says back what it was sent."""

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500 if b"fail" in body else 200)
            self.send_header("X-You-Said", quote_plus(json.loads(body)["text"])[:500])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Running:
    """A service with a phone, and an endpoint that echoes."""

    def __init__(self, service: Service, echo: str) -> None:
        self.service, self.directory = service, service.directory
        self.desk = Desk(service.directory)
        self.desk("endpoint", "add", echo, "--numbers", "digits", "--schedule", "now,1h")
        self.token = self.desk(
            *("device", "add", "--name", "Reception", "--country", "SG", "--json")
        ).json["token"]
        service.start()

    def push(self, text: str, sender: str, *, form: bool = False) -> str:
        """A text comes in; its id."""
        body = json.dumps({"from": sender, "text": text}, ensure_ascii=form).encode()
        kind = "application/json"
        if form:
            body = f"from={quote_plus(sender)}&text={quote_plus(text)}".encode()
            kind = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(*self.service.phone, timeout=60)
        connection.request("POST", f"/in/{self.token}", body, {"Content-Type": kind})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, told
        return str(told["id"])

    def done(self, message_id: str, attempts: int = 1) -> dict[str, Any]:
        """The message once its delivery has had so many attempts."""

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = self.desk("message", "show", message_id, "--json").json
            (out,) = told["deliveries"]
            enough = len(out["attemptList"]) >= attempts and out["state"] != "in_flight"
            return told if enough else None

        until(lambda: look() is not None, "the text is sent")
        found = look()
        assert found is not None
        return found


@pytest.fixture
def running(tmp_path: Path, echo: str) -> Iterator[Running]:
    service = Service(tmp_path / "data")
    try:
        yield Running(service, echo)
    finally:
        service.kill()


def holding(directory: Path) -> list[str]:
    """The files of a data directory that hold the marker in any form."""
    return [
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in FORMS)
    ]


def test_what_is_deleted_beside_a_running_service_is_in_no_file(running: Running):
    ids = [
        running.push(MARK, "+6581230000"),
        running.push(LONG, "81230000", form=True),
        running.push(MARK + " fail", "+4915112345678"),
    ]
    other = running.push("something else", "+6581230001")
    for message_id in (*ids, other):
        running.done(message_id)
    retried = running.done(ids[0])["deliveries"][0]["id"]
    running.desk("delivery", "retry", retried)
    running.done(ids[0], attempts=2)
    assert f"{FILE}-wal" in holding(running.directory)

    told = running.desk("message", "delete", *ids, "--yes", "--json").json
    assert told == {"deleted": 3, "cancelled": 1, "inFlight": [], "proven": True, "copies": []}
    assert holding(running.directory) == []
    assert [m["id"] for m in running.desk("message", "list", "--json").json] == [other]
    running.done(running.push("life goes on", "+6581230000"))
    assert running.service.stop() == 0
    assert holding(running.directory) == []
    assert "Traceback" not in running.service.log_text()


def test_a_number_is_purged_however_it_was_written(running: Running):
    gone = [running.push(MARK, "+6581230000"), running.push(LONG, "8123 0000", form=True)]
    other = running.push("of another", "+6581230001")
    for message_id in (*gone, other):
        running.done(message_id)
    said = running.desk("message", "purge", "--from", "6581230000")
    assert said.code == 1, "nobody was asked, as there is no terminal"
    assert "2 messages would be deleted" in said.err
    assert holding(running.directory) != []
    said = running.desk("message", "purge", "--from", "6581230000", "--yes")
    assert said.code == 0
    assert "2 messages deleted" in said.out
    assert holding(running.directory) == []
    assert [m["id"] for m in running.desk("message", "list", "--json").json] == [other]


def test_wiping_on_delivery_leaves_the_row_and_no_byte(running: Running):
    running.desk("settings", "set", "wipe_delivered", "on")
    one = running.push(LONG, "+6581230000")
    running.done(one)
    until(lambda: not holding(running.directory), "the bytes are gone")
    told = running.desk("message", "show", one, "--json").json
    assert told["wipedAt"] is not None
    assert (told["text"], told["from"], told["raw"]) == ("", "+6581230000", None)
    assert "text wiped on" in running.desk("message", "show", one).out
    assert "(text wiped)" in running.desk("message", "list").out
    said = running.desk("delivery", "retry", told["deliveries"][0]["id"])
    assert (said.code, "was wiped" in said.err) == (1, True)


# -- without the service ------------------------------------------------------------------------


@pytest.fixture
def stopped(running: Running) -> tuple[Running, str]:
    """The service is down; a marked text is in the database. Its id."""
    one = running.push(MARK, "+6581230000")
    running.done(one)
    assert running.service.stop() == 0
    return running, one


def test_copies_are_named(stopped: tuple[Running, str]):
    house, one = stopped
    backups = house.directory / "backups"
    backups.mkdir()
    copy = backups / "before-schema-2.db"
    copy.write_bytes((house.directory / FILE).read_bytes())
    said = house.desk("message", "delete", one, "--yes")
    assert said.code == 0
    assert "copies still hold" in said.out
    assert str(copy) in said.out
    assert holding(house.directory) == ["backups/before-schema-2.db"]


def test_somebody_who_reads_all_the_time_is_no_reason_to_say_what_is_not_so(
    stopped: tuple[Running, str], monkeypatch: pytest.MonkeyPatch
):
    house, one = stopped
    monkeypatch.setattr(erase, "PATIENCE", 0.5)
    reader = connect(house.directory / FILE, readonly=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    said = house.desk("message", "delete", one, "--yes", "--json")
    assert said.code == 1
    assert json.loads(said.out)["proven"] is False
    assert "another program was reading" in said.err
    assert holding(house.directory) != []
    reader.close()
    monkeypatch.undo()
    said = house.desk("message", "purge", "--from", "+6581230000", "--yes", "--json")
    assert said.json == {
        "deleted": 0,
        "cancelled": 0,
        "inFlight": [],
        "proven": True,
        "copies": [],
    }
    assert holding(house.directory) == []


def test_what_is_being_sent_stays_and_is_named(stopped: tuple[Running, str]):
    house, one = stopped
    db = connect(house.directory / FILE)
    db.execute("UPDATE deliveries SET state = 'in_flight', boot_id = 'x'")
    db.close()
    lock = Lock(house.directory)  # a service that is only just starting
    said = house.desk("message", "delete", one, "--yes", "--json")
    assert said.code == 1
    assert json.loads(said.out)["inFlight"] == [one]
    assert one in said.err
    lock.release()
    said = house.desk("message", "delete", one, "--yes", "--json")
    assert said.json["inFlight"] == [], "interrupted by a crash, it is not being sent"
    assert (said.json["deleted"], said.json["cancelled"]) == (1, 1)
    assert holding(house.directory) == []


def test_an_unknown_message_changes_nothing(stopped: tuple[Running, str]):
    house, one = stopped
    said = house.desk("message", "delete", one, "msg_none", "--yes")
    assert said.code == 1
    assert "There is no message msg_none" in said.err
    assert house.desk("message", "show", one).code == 0


def test_an_empty_number_is_nobodys(stopped: tuple[Running, str]):
    house, _ = stopped
    db = connect(house.directory / FILE)
    add = "INSERT INTO device_events (device_id, name, received_at, detail) SELECT id, 'call', 1,"
    db.execute(f"{add} ? FROM devices", (json.dumps({"number": "+6581230000", "note": ""}),))
    said = house.desk("message", "purge", "--from", "", "--yes", "--json")
    assert (said.code, json.loads(said.out)["error"]) == (2, "usage_error")
    assert db.execute("SELECT count(*) FROM device_events").fetchone() == (1,)
    db.close()
