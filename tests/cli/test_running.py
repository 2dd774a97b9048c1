"""Commands beside a running service: it notices, within a second and without a restart."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmconnect.phones.apps import APPS
from tests.cli.conftest import Desk
from tests.support import program
from tests.support.receiver import Receiver, receiving
from tests.support.service import Service, ask, until

pytestmark = pytest.mark.program


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("running") / "data").start()
    yield running
    running.kill()


@pytest.fixture
def desk(service: Service) -> Desk:
    return Desk(service.directory)


def noticed(service: Service) -> None:
    """Until the service has looked at what was changed: it does when a token is unknown to it.

    It would within a second by itself, but what a busy machine calls a second is not tested here.
    """
    service.noticed()


@contextmanager
def endpoint(desk: Desk, service: Service) -> Iterator[tuple[str, Receiver]]:
    """An endpoint of its own and its receiver; removed in the end."""
    with receiving() as receiver:
        added = desk("endpoint", "add", receiver.url, "--json").json["id"]
        noticed(service)
        try:
            yield added, receiver
        finally:
            desk("endpoint", "remove", added, "--yes")


@pytest.fixture(scope="module")
def phone(service: Service) -> str:
    made = service.cli("device", "add", "--name", "Reception", "--country", "SG")
    return str(made["id"])


def simulate(desk: Desk, text: str, device: str) -> str:
    line = ("message", "simulate", "--from", "81230000", "--text", text, "--device", device)
    return str(desk(*line, "--json").json["id"])


def test_a_text_goes_to_an_endpoint_that_was_just_added(desk: Desk, service: Service, phone: str):
    with endpoint(desk, service) as (added, receiver):
        message = simulate(desk, "hello", phone)
        until(lambda: receiver.texts == ["hello"], "it arrives")
        shown = desk("message", "show", message, "--json").json
        assert (shown["from"], shown["fromRaw"]) == ("+6581230000", "81230000")
        assert [d["endpointId"] for d in shown["deliveries"]] == [added]


def test_pausing_keeps_texts_and_resuming_sends_them(desk: Desk, service: Service, phone: str):
    with endpoint(desk, service) as (added, receiver):
        desk("endpoint", "pause", added)
        noticed(service)
        simulate(desk, "later", phone)
        assert desk("endpoint", "show", added, "--json").json["waiting"] == 1
        assert receiver.texts == []
        assert "is active" in desk("endpoint", "resume", added).out
        until(lambda: receiver.texts == ["later"], "it arrives")


def test_a_retry_is_the_same_request_with_a_new_signature(desk: Desk, service: Service, phone: str):
    with endpoint(desk, service) as (added, receiver):
        message = simulate(desk, "again", phone)
        until(lambda: len(receiver.arrivals) == 1, "it arrives")
        of_it = ("delivery", "list", "--endpoint", added, "--state", "delivered", "--json")
        until(lambda: bool(desk(*of_it).json), "it is recorded")
        (delivery,) = desk(*of_it).json
        assert desk("delivery", "retry", delivery["id"], "--json").json["retried"] == 1
        until(lambda: len(receiver.arrivals) == 2, "it arrives again")
        one, two = receiver.arrivals
        assert one.body == two.body
        assert one.header("webhook-id") == two.header("webhook-id") == message
        assert [a.header("X-MMConnect-Attempt") for a in (one, two)] == ["1", "2"]
        until(
            lambda: desk("delivery", "show", delivery["id"], "--json").json["trigger"] == "replay",
            "it is called a replay",
        )


def test_a_removed_phone_is_refused_at_once(desk: Desk, service: Service):
    device = desk("device", "add", "--name", "Old", "--json").json
    line = ("message", "simulate", "--from", "+6581230000", "--text", "x", "--device", device["id"])
    assert desk(*line).code == 0
    assert ask(service.phone, "GET", f"/in/{device['token']}")[0] == 200
    desk("device", "remove", device["id"])
    noticed(service)
    assert ask(service.phone, "POST", f"/in/{device['token']}", b"{}")[0] == 401
    told = desk(*line)
    assert told.code == 1
    assert f"There is no device {device['id']}" in told.err


def test_of_several_phones_the_first_is_simulated(desk: Desk, phone: str):
    told = desk("message", "simulate", "--from", "+6581230000", "--text", "first?", "--json").json
    shown = desk("message", "show", told["id"], "--json").json
    first = desk("device", "list", "--json").json[0]["id"]
    assert shown["deviceId"] == first


MAPPED = ["--map", "from=a.b|c", "--map", "text=$.t.0.x", "--map", "time=when"]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("more", [[], ["--signing-key", "k3y-of-the-app"], MAPPED])
def test_every_kind_of_phone_is_simulated_as_it_pushes(app: str, more: list[str], desk: Desk):
    device = desk("device", "add", "--name", app, "--app", app, *more, "--json").json["id"]
    told = desk("message", "simulate", "--from", "+6581230000", "--text", "ü", "--device", device)
    assert (told.code, told.err) == (0, "")
    message = told.out.split()[-1]
    shown = desk("message", "show", message, "--json").json
    assert (shown["kind"], shown["text"], shown["from"]) == ("sms", "ü", "+6581230000")
    assert shown["sentAt"] is not None
    assert shown["deviceId"] == device


def test_what_was_kept_but_not_understood_is_no_success(desk: Desk):
    device = desk("device", "add", "--name", "x", "--json").json["id"]
    line = ("message", "simulate", "--from", "", "--text", "x", "--device", device)
    told = desk(*line)
    assert (told.code, told.out) == (1, "")
    assert "but not understood: there is no sender" in told.err
    assert json.loads(desk(*line, "--json").out)["error"] == "refused"


def test_a_second_service_is_told_who_holds_the_directory(desk: Desk, service: Service):
    assert service.process is not None
    told = desk("serve", "--phone-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert told.code == 1
    assert f"already running on {service.directory} (pid {service.process.pid})" in told.err
    assert set(service.readyz()[1]) <= {"stall"}


def test_the_push_url_is_that_of_the_running_service(desk: Desk, service: Service):
    made = desk("device", "add", "--name", "x", "--json").json
    host, port = service.phone
    assert made["pushUrl"] == f"http://{host}:{port}/in/{made['token']}"


# -- serve itself ---


def test_it_says_where_everything_is_and_what_comes_next(tmp_path: Path):
    service = Service(tmp_path / "data")

    def told() -> str:
        """All that it says, to the empty line at the end."""
        until(lambda: re.search(r"Data .*\n\n\Z", service.out.read_text(), re.DOTALL), "it is told")
        return service.out.read_text(encoding="utf-8")

    service.start()
    try:
        shown = told()
        host, port = service.phone
        assert f"http://{host}:{port}/in/TOKEN" in shown
        assert str(service.directory) in shown
        assert "endpoint add URL" in shown
        assert "device add --name" in shown
        service.cli("endpoint", "add", "http://h.example/")
        service.cli("device", "add", "--name", "x")
    finally:
        assert service.stop() == 0
    service.out.write_text("")
    service.start()
    assert "Next" not in told()
    assert service.stop() == 0
    assert "Traceback" not in service.log_text()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_its_one_document_comes_once_phones_can_push(by: signal.Signals, tmp_path: Path):
    listen = ["--phone-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--log-format=json"]
    line = [*program.PROGRAM, "--json", *listen, "--data-dir", str(tmp_path / "d")]
    pipe = subprocess.PIPE
    with program.start(line, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert document["pid"] == process.pid
        process.send_signal(by)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
    assert all(json.loads(line)["level"] in ("info", "warning") for line in err.splitlines())


def test_a_port_in_use_is_one_sentence_and_leaves_nothing_running(service: Service, tmp_path: Path):
    taken = "{}:{}".format(*service.phone)
    told = Desk(tmp_path / "data")("serve", "--phone-listen", taken, "--admin-listen=127.0.0.1:0")
    assert told.code == 1
    assert f"--phone-listen {taken} cannot be opened" in told.err
    assert told.err.splitlines()[-1].startswith("mmconnect: ")


def test_an_unknown_variable_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MMCONNECT_PHONE_LISTN", "127.0.0.1:1")
    service = Service(tmp_path / "data").start()
    assert service.stop() == 0
    assert "MMCONNECT_PHONE_LISTN" in service.log_text()


def test_the_variables_and_the_file_reach_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mm.toml").write_text('log_format = "json"\nlog_level = "error"')
    monkeypatch.setenv("MMCONNECT_CONFIG", str(tmp_path / "mm.toml"))
    monkeypatch.setenv("MMCONNECT_LOG_LEVEL", "info")
    service = Service(tmp_path / "data").start()
    assert service.stop() == 0
    first = json.loads(service.log_text().splitlines()[0])
    assert first["level"] == "info", "the variable wins over the file"
