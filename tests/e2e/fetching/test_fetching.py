"""A phone with SMS Gateway is fetched from: the real service, a simulated phone, real sockets."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

PASSWORD = "pass1234"
DAY = 86_400.0


def link(service: Service, phone: SmsgatePhone, *words: str) -> dict[str, Any]:
    """Add the phone, to be looked at every second, and wait until its inbox was read."""
    added: dict[str, Any] = service.cli(
        *("device", "add", "--name", "Reception", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", PASSWORD, "--poll", "1s", *words),
    )
    until(lambda: state(service, "read_at") is not None, "the inbox is read")
    return added


def state(service: Service, column: str) -> Any:
    with service.looking() as db:
        row = db.execute(f"SELECT {column} FROM phone_link_states").fetchone()
    return None if row is None else row[0]


def no_pushes(phone: SmsgatePhone, service: Service) -> None:
    """Take the webhooks off the phone, for tests of fetching alone."""
    until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
    phone.app.hooks.clear()


def settled(receiver: Receiver, service: Service, count: int) -> None:
    """Wait for so many webhooks, and that nothing waits beyond them."""
    until(lambda: len(receiver.arrivals) >= count, lambda: f"{len(receiver.arrivals)} of {count}")
    until(
        lambda: not service.count("SELECT count(*) FROM deliveries WHERE state <> 'delivered'"),
        "nothing waits",
    )
    assert len(receiver.arrivals) == count, receiver.texts


def test_an_inbox_of_5000_old_texts_delivers_none_and_the_next_at_once(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.fill(5000)
    added = link(service, phone)
    until(lambda: service.count("SELECT count(*) FROM kept_back") == 5000, "history is kept")
    phone.receive("+15550100", "the next real one")
    settled(receiver, service, 1)
    assert receiver.texts == ["the next real one"]
    told = service.cli("device", "history", added["id"])
    assert (told["history"], told["restored"]) == (5000, 0)
    assert service.count("SELECT count(*) FROM deliveries") == 1


def test_a_text_that_comes_while_history_is_read_goes_out_at_once(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.fill(5000)
    service.cli(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", PASSWORD),
    )
    until(lambda: service.count("SELECT count(*) FROM inbox_history") == 5000, "it is listed")
    phone.receive("+15550100", "in the midst of it")
    settled(receiver, service, 1)
    assert receiver.texts == ["in the midst of it"]


def test_send_these_too_sends_history_oldest_first_and_leave_does_not(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    for number in range(450):
        phone.receive("+15550100", f"old {number}", sent_at=time.time() - 10_000 + number)
    added = link(service, phone)
    until(lambda: service.count("SELECT count(*) FROM kept_back") == 450, "history is kept")
    sent = service.cli("device", "history", added["id"], "--send")
    assert (sent["sent"], sent["deliveries"]) == (450, 450)
    settled(receiver, service, 450)
    assert receiver.texts == [f"old {number}" for number in range(450)]
    again = service.cli("device", "history", added["id"], "--send")
    assert (again["sent"], again["history"]) == (0, 0)


def test_history_that_is_left_stays_readable_and_unsent(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.fill(3)
    added = link(service, phone)
    until(lambda: service.count("SELECT count(*) FROM kept_back") == 3, "history is kept")
    assert service.cli("device", "history", added["id"], "--leave")["left"] == 3
    assert {one["text"] for one in service.cli("message", "list")} == {"text 0", "text 1", "text 2"}
    assert not service.count("SELECT count(*) FROM deliveries")


def test_a_kill_while_history_is_read_delivers_none_of_it(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.fill(3000)
    service.cli(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", PASSWORD),
    )
    until(lambda: service.count("SELECT count(*) FROM kept_back") > 400, "it has begun")
    service.kill()
    phone.receive("+15550100", "meanwhile")
    service.start()
    settled(receiver, service, 1)
    until(lambda: service.count("SELECT count(*) FROM kept_back") == 3000, "the rest follows")
    assert receiver.texts == ["meanwhile"]


def test_a_text_that_is_pushed_and_fetched_is_one_message(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
    for number in range(10):
        phone.receive("+15550100", f"hello {number}")
    settled(receiver, service, 10)
    phone.settled()
    looks = len(phone.requests)
    until(lambda: len(phone.requests) > looks + 3, "it is fetched again")
    settled(receiver, service, 10)
    assert service.count("SELECT count(*) FROM messages") == 10
    assert service.count("SELECT max(duplicates) FROM messages") == 1  # once by the other way


def test_what_was_fetched_before_its_push_came_is_one_message(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
    right = {hook.id: hook.url for hook in phone.app.hooks.values()}
    for hook in phone.app.hooks.values():
        hook.url = "http://127.0.0.1:9/"
    phone.receive("+15550100", "late push")
    settled(receiver, service, 1)
    assert phone.waiting == 1
    for hook in phone.app.hooks.values():
        hook.url = right[hook.id]
    phone.push_now()
    phone.settled()
    settled(receiver, service, 1)
    assert service.count("SELECT count(*) FROM messages") == 1


def test_two_identical_texts_a_minute_apart_are_two(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    now = time.time()
    phone.receive("+15550100", "ALARM", sent_at=now - 60)
    phone.receive("+15550100", "ALARM", sent_at=now)
    settled(receiver, service, 2)
    phone.settled()
    settled(receiver, service, 2)
    assert service.count("SELECT count(*) FROM messages") == 2


@pytest.mark.parametrize("days", [1, 10])
def test_what_came_while_mmconnect_was_off_arrives_in_order_with_its_true_time(
    service: Service, phone: SmsgatePhone, receiver: Receiver, days: int
) -> None:
    phone.receive("+15550100", "before", sent_at=time.time() - days * DAY - 60)
    link(service, phone)
    no_pushes(phone, service)
    assert service.stop() == 0
    begun = time.time() - days * DAY
    for number in range(700):  # more than a page
        phone.receive("+15550100", f"{number}", sent_at=begun + number * days * DAY / 701)
    service.start()
    settled(receiver, service, 700)
    assert receiver.texts == [f"{number}" for number in range(700)]
    for number in (0, 350, 699):
        told = datetime.fromisoformat(receiver.arrivals[number].json["sentAt"])
        assert abs(told.timestamp() - (begun + number * days * DAY / 701)) < 1.1


def test_a_text_that_was_long_on_its_way_is_found_among_old_ones(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    for number in range(60):
        phone.receive("+15550100", f"old {number}", sent_at=time.time() - 3600 + number)
    link(service, phone)
    no_pushes(phone, service)
    phone.receive("+15550100", "late", sent_at=time.time() - 40 * 3600)
    settled(receiver, service, 1)
    assert receiver.texts == ["late"]


def test_texts_while_the_wifi_is_away_arrive_when_it_is_back(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    phone.wifi(False)
    for number in range(40):
        phone.receive("+15550100", f"{number}", sent_at=time.time() - 100 + number)
    until(lambda: "does not answer" in (state(service, "trouble") or ""), "it is noticed")
    phone.wifi(True)
    settled(receiver, service, 40)
    assert sorted(receiver.texts, key=int) == [f"{number}" for number in range(40)]
    until(lambda: state(service, "trouble") is None, "it is well again")


def test_texts_that_the_app_missed_while_it_was_dead_are_fetched(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.update("1.64.0")  # catches up by itself only since 1.66.1
    link(service, phone)
    phone.kill_app()
    phone.receive("+15550100", "nobody saw it")
    until(lambda: "does not answer" in (state(service, "trouble") or ""), "it is noticed")
    phone.start()
    settled(receiver, service, 1)
    assert receiver.texts == ["nobody saw it"]


def test_every_type_of_the_inbox_is_one_message_by_both_ways(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    until(lambda: len(phone.app.hooks) == 6, "it is told where to push")
    now = time.time()
    phone.receive("+15550101", "sms", sent_at=now)
    phone.receive("+15550102", kind="DATA_SMS", data=b"\x00\x01binary", sent_at=now)
    phone.receive("+15550103", kind="DATA_SMS", data=b"A" * 80, sent_at=now)
    phone.receive("+15550104", kind="MMS", subject="hi", sent_at=now)
    picture = ("p.jpg", "image/jpeg", b"\xff" * 100)
    phone.receive("+15550104", "look", kind="MMS_DOWNLOADED", attachments=[picture], sent_at=now)
    for size in (100, 200):  # two pictures without words, a second apart
        picture = ("p.jpg", "image/jpeg", b"\xff" * size)
        phone.receive(
            "+15550105", kind="MMS_DOWNLOADED", attachments=[picture], sent_at=now + size // 200
        )
    settled(receiver, service, 6)
    phone.settled()
    looks = len(phone.requests)
    until(lambda: len(phone.requests) > looks + 3, "it is fetched again")
    settled(receiver, service, 6)
    kinds = sorted(one.json["kind"] for one in receiver.arrivals)
    assert kinds == ["data", "data", "mms", "mms", "mms", "sms"]


def test_every_type_of_the_inbox_is_fetched_without_any_push(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    no_pushes(phone, service)
    now = time.time()
    phone.receive("+15550101", "sms", sent_at=now)
    phone.receive("+15550103", kind="DATA_SMS", data=b"door open", sent_at=now)
    phone.receive("+15550104", kind="MMS", subject="hi", sent_at=now)
    phone.receive("+15550104", "look", kind="MMS_DOWNLOADED", sent_at=now)
    settled(receiver, service, 3)
    assert sorted((a.json["kind"], a.json["text"]) for a in receiver.arrivals) == [
        ("data", "door open"),
        ("mms", "look"),
        ("sms", "sms"),
    ]


def test_after_a_restore_old_texts_wait_for_a_person(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    added = link(service, phone)
    no_pushes(phone, service)
    assert service.stop() == 0
    with sqlite3.connect(service.directory / "mmconnect.db") as db:
        db.execute("UPDATE phone_link_states SET ask = 1")
    db.close()
    phone.receive("+15550100", "two hours ago", sent_at=time.time() - 7200)
    phone.receive("+15550100", "just now", sent_at=time.time() - 10)
    service.start()
    settled(receiver, service, 1)
    until(lambda: state(service, "ask") == 0, "it is through")
    assert receiver.texts == ["just now"]
    assert service.cli("device", "history", added["id"])["restored"] == 1
    phone.receive("+15550100", "an old one that comes later", sent_at=time.time() - 7200)
    settled(receiver, service, 2)
    service.cli("device", "history", added["id"], "--send")
    settled(receiver, service, 3)
    assert receiver.texts[2] == "two hours ago"
