"""How mmconnect starts, refuses to start, stops, and listens to its command line meanwhile."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from urllib.parse import urlsplit

import pytest

from mmconnect.service.addresses import lan_addresses
from mmconnect.service.lock import running
from tests.e2e.conftest import NOT_DELIVERED, Gateway
from tests.support.burst import SECRET, Burst, Receiver, Text
from tests.support.service import Service, ask, until

IN_FLIGHT = "SELECT count(*) FROM deliveries WHERE state = 'in_flight'"
PENDING = "SELECT count(*) FROM deliveries WHERE state = 'pending'"


def refused(service: Service, *options: str) -> str:
    """Start what cannot start: exit code 1, by itself, with one line, which is returned."""
    process = service.spawn(*options)
    assert process.wait(60) == 1
    told = service.log_text().strip().splitlines()
    sentences = [line for line in told if line.startswith("mmconnect: ")]
    assert len(sentences) == 1, told
    assert "Traceback" not in service.log_text()
    return sentences[0]


# -- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--phone-listen", "--admin-listen"])
def test_a_port_in_use_is_told_in_one_sentence(still: Gateway, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = refused(still.service, flag, f"127.0.0.1:{port}")
    assert flag in sentence
    assert str(port) in sentence
    assert "in use" in sentence.lower()


def test_a_port_in_use_is_told_at_once_though_texts_wait_for_a_slow_receiver(
    gateway: Gateway,
) -> None:
    service = gateway.service
    service.cli("endpoint", "pause", gateway.endpoint_id)
    service.noticed()
    gateway.texts(*[f"text-{n}" for n in range(5)])
    service.kill()
    service.cli("endpoint", "resume", gateway.endpoint_id)
    gateway.receiver.held = True  # a stop waits 20 s for what is in flight
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused(service, "--phone-listen", f"127.0.0.1:{other.getsockname()[1]}")


def test_all_of_ipv6_is_all_of_ipv4_too(still: Gateway) -> None:
    service = still.service
    try:
        service.start("--phone-listen", "[::]:0", "--admin-listen", "[::]:0")
    except AssertionError:
        assert "Address family not supported" in service.log_text()
        pytest.skip("no IPv6 here")
    found = running(service.directory)
    assert found is not None
    for bound, path in ((found.phone, f"/in/{still.token}"), (found.admin, "/healthz")):
        port = int(bound[0].rpartition(":")[2])
        assert sorted(bound) == [f"0.0.0.0:{port}", f"[::]:{port}"]
        for host in ("127.0.0.1", "::1"):
            assert ask((host, port), "GET", path)[0] == 200
    service.cli("message", "simulate", "--from", "+15550100", "--text", "hello")
    until(lambda: service.count("SELECT count(*) FROM messages") == 1, "a simulated text is taken")
    pushed = service.cli("device", "new-token", still.device_id)["pushUrl"]
    host, _, port = urlsplit(pushed).netloc.rpartition(":")
    assert host in lan_addresses()
    assert found.phone[0].endswith(f":{port}")


def test_a_second_one_on_the_same_data_names_the_first(gateway: Gateway) -> None:
    first = gateway.service
    assert first.process is not None
    notes = first.directory.parent / "second"
    notes.mkdir()
    sentence = refused(Service(first.directory, notes))
    assert f"pid {first.process.pid}" in sentence
    assert str(first.directory) in sentence
    gateway.texts("still here")
    gateway.wait_delivered(1)


def test_the_lock_ends_with_the_process(gateway: Gateway) -> None:
    gateway.service.kill()
    gateway.service.start()
    gateway.texts("again")
    gateway.wait_delivered(1)


def test_a_start_is_not_refused_because_a_command_looks(still: Gateway) -> None:
    """A command asks for the lock for a moment, to know whether a service runs."""
    service = still.service
    for _ in range(3):
        process = service.spawn()
        while not service._note():
            running(service.directory)
            assert process.poll() is None, service.log_text()
        service.kill()


def test_a_damaged_database_is_told_in_one_sentence(still: Gateway) -> None:
    path = still.service.directory / "mmconnect.db"
    path.write_bytes(b"Not what it was. " * 1000)
    before = path.read_bytes()
    assert "not an SQLite database" in refused(still.service)
    assert path.read_bytes() == before


def test_a_data_directory_that_is_a_file_is_told(still: Gateway) -> None:
    file = still.service.directory.parent / "file"
    file.write_text("here already")
    sentence = refused(Service(file, still.service.directory.parent))
    assert str(file) in sentence
    assert "--data-dir" in sentence


def test_no_copy_of_everything_is_left_behind(still: Gateway) -> None:
    """A power cut during a download, or a backup that was brought and never confirmed."""
    directory = still.service.directory
    brought = directory / "brought" / "0123456789abcdef.db"
    brought.parent.mkdir()
    left = [brought, directory / "download-0123456789abcdef", directory / "download-0.part"]
    for file in left:
        file.touch()
    still.service.start()
    assert not [file for file in left if file.exists()]


# -- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_in_flight_is_finished(gateway: Gateway, times: int) -> None:
    """SIGTERM while a slow receiver has not answered yet; a second one changes nothing."""
    gateway.receiver.held = True
    gateway.texts("one", "two", "three")
    until(lambda: gateway.receiver.waiting == 3, "three POSTs are under way")
    service = gateway.service
    assert service.process is not None
    phone = service.phone
    for _ in range(times):
        service.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(phone), "phones are turned away")
    assert gateway.receiver.waiting == 3
    gateway.receiver.held = False
    begun = time.monotonic()
    assert service.process.wait(60) == 0
    assert time.monotonic() - begun < 15
    assert service.count(NOT_DELIVERED) == 0
    assert service.count("SELECT count(*) FROM attempts WHERE outcome = 'delivered'") == 3

    service.start()
    gateway.texts("four")
    gateway.wait_delivered(4)


def _refuses(at: tuple[str, int]) -> bool:
    try:
        socket.create_connection(at, timeout=5).close()
    except OSError:
        return True
    return False


def test_stopping_while_a_backlog_drains_leaves_nothing_in_flight(gateway: Gateway) -> None:
    """What was claimed at that very moment is sent and recorded as well, or was never claimed."""
    service, receiver = gateway.service, gateway.receiver
    service.cli("endpoint", "pause", gateway.endpoint_id)
    service.noticed()
    gateway.texts(*[f"text-{n}" for n in range(400)])
    receiver.delay = 0.05
    for number in range(3):
        wanted = min(400, len(receiver.arrivals) + 40)
        if not number:
            service.cli("endpoint", "resume", gateway.endpoint_id)
        _wait_for(receiver, wanted)
        assert service.stop() == 0
        assert service.count(IN_FLIGHT) == 0
        assert service.count("SELECT count(*) FROM attempts") == len(receiver.arrivals)
        service.start()
    gateway.wait_delivered(400)


def _wait_for(receiver: Receiver, count: int) -> None:
    until(lambda: len(receiver.arrivals) >= count, "the backlog drains")


def test_stopping_in_the_middle_of_a_burst(gateway: Gateway) -> None:
    """Every text that was acknowledged is there; those that flew were recorded."""
    texts = [Text(f"e{n}", f"+1555{n % 30:07d}", f"text {n}") for n in range(600)]
    burst = Burst(gateway.service.phone, gateway.token, texts)
    until(lambda: burst.acked > 200, "a third is through", every=0.001)
    assert gateway.service.stop() == 0
    burst.join()
    assert gateway.service.count(IN_FLIGHT) == 0
    acked = {text.answer["id"] for text in texts if text.acked}
    gateway.service.start()
    until(lambda: not gateway.service.count(NOT_DELIVERED), "everything is delivered")
    assert acked <= set(gateway.receiver.times)
    assert set(gateway.receiver.times.values()) == {1}


def test_stopping_while_the_database_is_locked(gateway: Gateway) -> None:
    """The result cannot be recorded; it ends all the same, and the text is sent again later."""
    gateway.receiver.held = True
    gateway.texts("one")
    until(lambda: gateway.receiver.waiting == 1, "the POST is under way")
    path = gateway.service.directory / "mmconnect.db"
    other = sqlite3.connect(path, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    gateway.receiver.held = False
    until(lambda: gateway.receiver.waiting == 0, "the POST is answered")
    assert gateway.service.process is not None
    gateway.service.process.send_signal(signal.SIGTERM)
    until(lambda: _refuses(gateway.service.phone), "phones are turned away")
    other.execute("ROLLBACK")
    other.close()
    assert gateway.service.process.wait(60) == 0
    assert gateway.service.count("SELECT count(*) FROM deliveries WHERE state='delivered'") == 1


@pytest.mark.long
def test_a_receiver_that_hangs_does_not_hold_up_the_stop(gateway: Gateway) -> None:
    gateway.receiver.delay = 3600.0
    gateway.texts("one")
    until(lambda: gateway.receiver.waiting == 1, "the POST is under way")
    begun = time.monotonic()
    assert gateway.service.stop(within=30) == 0
    assert time.monotonic() - begun < 21
    assert gateway.service.count(IN_FLIGHT) == 0
    assert gateway.service.count(PENDING) == 1


# -- its command line while it runs -------------------------------------------------------------

AT_ONCE = 20.0
"""Seconds within which a change takes effect on a machine that may stand still meanwhile; that it
is one on the whole is proved in cli/test_device_page.py."""


def test_a_new_phone_may_push_at_once(gateway: Gateway) -> None:
    token = gateway.service.cli("device", "add", "--name", "Second")["token"]
    assert ask(gateway.service.phone, "GET", f"/in/{token}")[0] == 200


def test_a_removed_phone_is_refused(gateway: Gateway) -> None:
    gateway.service.cli("device", "remove", gateway.device_id)
    until(lambda: gateway.text("text") == 401, "it is refused", AT_ONCE)


def test_a_new_token_and_the_end_of_the_old_one(gateway: Gateway) -> None:
    new = gateway.service.cli("device", "new-token", gateway.device_id)["token"]
    gateway.texts("with the old one")
    old, gateway.token = gateway.token, new
    gateway.texts("with the new one")
    gateway.token = old
    until(lambda: gateway.text("with the old one") == 401, "the old one has ended", AT_ONCE)


def test_pausing_and_resuming(gateway: Gateway) -> None:
    service = gateway.service
    service.cli("endpoint", "pause", gateway.endpoint_id)
    service.noticed()
    gateway.texts("a", "b", "c")
    assert service.count(PENDING) == 3
    assert gateway.receiver.arrivals == []
    service.cli("endpoint", "resume", gateway.endpoint_id)
    until(lambda: not service.count(NOT_DELIVERED), "what waited is sent", AT_ONCE)


def test_a_new_endpoint_gets_the_next_text_and_a_removed_one_none(gateway: Gateway) -> None:
    service = gateway.service
    gateway.texts("before")
    gateway.wait_delivered(1)
    url = gateway.receiver.url
    added = service.cli("endpoint", "add", url, "--secret", SECRET, "--name", "Second")["id"]
    service.cli("endpoint", "remove", gateway.endpoint_id, "--yes")
    n = 0

    def moved() -> bool:
        nonlocal n
        n += 1
        assert gateway.text(f"text-{n}", f"+1777{n:07d}") == 200
        with service.looking() as db:
            rows = db.execute(
                "SELECT endpoint_id FROM deliveries WHERE message_id ="
                " (SELECT id FROM messages WHERE event_id = ?)",
                (f"text-{n}",),
            ).fetchall()
        return rows == [(added,)]

    until(moved, "texts go to the new one alone", AT_ONCE)


def test_sending_again(gateway: Gateway) -> None:
    gateway.texts("one")
    gateway.wait_delivered(1)
    (delivery,) = gateway.service.cli("delivery", "list")
    gateway.service.cli("delivery", "retry", delivery["id"])
    until(lambda: len(gateway.receiver.arrivals) == 2, "it comes again", AT_ONCE)
    first, again = gateway.receiver.arrivals
    assert (again.id, again.body, again.attempt) == (first.id, first.body, 2)
