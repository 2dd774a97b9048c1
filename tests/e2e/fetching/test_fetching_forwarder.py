"""SmsForwarder pushes once and forgets; what that lost is read from the phone's own store."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.support.forwarders import PRESET, Server, SmsForwarderPhone
from tests.support.receiver import Receiver
from tests.support.service import Service, until

SECRET = "s3cret-of-the-phone"
DAY = 86_400.0
FORMS = pytest.mark.parametrize("template", [PRESET, None], ids=["preset", "default form"])


def phone_of(template: str | None) -> SmsForwarderPhone:
    return SmsForwarderPhone(
        "http://127.0.0.1:9/", template=template, server=Server(key=SECRET), time_scale=0.01
    )


def link(service: Service, phone: SmsForwarderPhone) -> None:
    added = service.cli(
        *("device", "add", "--name", "R", "--app", "smsforwarder", "--phone-url", phone.server_url),
        *("--phone-password", SECRET, "--poll", "1s"),
    )
    phone.url = added["pushUrl"]
    until(
        lambda: service.count("SELECT count(listed_at) FROM phone_link_states"), "it is looked at"
    )


def settled(receiver: Receiver, service: Service, count: int, texts: list[str]) -> None:
    until(lambda: len(receiver.arrivals) >= count, lambda: f"{receiver.texts}")
    until(
        lambda: not service.count("SELECT count(*) FROM deliveries WHERE state <> 'delivered'"),
        "nothing waits",
    )
    assert sorted(receiver.texts) == sorted(texts)


def looked_at_again(phone: SmsForwarderPhone, times: int = 3) -> None:
    seen = len(phone.requests)
    until(lambda: len(phone.requests) >= seen + times, "it is looked at again")


def test_what_its_store_held_before_is_not_sent(service: Service, receiver: Receiver) -> None:
    with phone_of(PRESET) as phone:
        for number in range(120):
            phone.receive("+15550100", f"old {number}", at=time.time() - 5000 + number)
        link(service, phone)
        looked_at_again(phone)
        phone.receive("+15550100", "new")
        settled(receiver, service, 1, ["new"])


def test_an_old_text_from_the_future_hides_no_later_one(
    service: Service, receiver: Receiver
) -> None:
    with phone_of(None) as phone:
        phone.receive("+15550100", "from the future", at=time.time() + 400 * DAY)
        link(service, phone)
        phone.url = "http://127.0.0.1:9/"  # its push is lost
        phone.receive("+15550100", "a new one")
        until(lambda: "a new one" in receiver.texts, "it is read")


@FORMS
def test_a_text_that_is_pushed_and_read_is_one(
    service: Service, receiver: Receiver, template: str | None
) -> None:
    with phone_of(template) as phone:
        link(service, phone)
        texts = [f"hello {number}" for number in range(5)]
        for text in texts:
            phone.receive("+15550100", text)
        settled(receiver, service, 5, texts)
        looked_at_again(phone)
        settled(receiver, service, 5, texts)
        assert service.count("SELECT count(*) FROM messages") == 5


@FORMS
def test_two_identical_texts_a_minute_apart_are_two_by_both_ways(
    service: Service, receiver: Receiver, template: str | None
) -> None:
    with phone_of(template) as phone:
        link(service, phone)
        now = time.time()
        phone.receive("+15550100", "ALARM", at=now)
        phone.receive("+15550100", "ALARM", at=now + 60)
        settled(receiver, service, 2, ["ALARM"] * 2)
        looked_at_again(phone)
        settled(receiver, service, 2, ["ALARM"] * 2)


@FORMS
def test_of_two_identical_texts_the_one_whose_push_was_lost_is_read(
    service: Service, receiver: Receiver, template: str | None
) -> None:
    with phone_of(template) as phone:
        link(service, phone)
        url, now = phone.url, time.time()
        phone.receive("+15550100", "ALARM", at=now)
        settled(receiver, service, 1, ["ALARM"])
        phone.url = "http://127.0.0.1:9/"
        phone.receive("+15550100", "ALARM", at=now + 60)
        settled(receiver, service, 2, ["ALARM"] * 2)
        phone.url = url
        phone.resend(1)
        looked_at_again(phone)
        settled(receiver, service, 2, ["ALARM"] * 2)


def test_what_was_lost_in_a_day_off_arrives_in_order_with_its_true_time(
    service: Service, receiver: Receiver
) -> None:
    with phone_of(PRESET) as phone:
        link(service, phone)
        phone.receive("+15550100", "before", at=time.time() - 2 * DAY)
        settled(receiver, service, 1, ["before"])
        looked_at_again(phone)
        service.stop()
        begun = time.time() - DAY
        texts = [f"{number}" for number in range(130)]
        for number, text in enumerate(texts):
            phone.receive("+15550100", text, at=begun + number * 600)
        service.start()
        settled(receiver, service, 131, ["before", *texts])
        assert receiver.texts[1:] == texts
        told = datetime.fromisoformat(receiver.arrivals[66].json["sentAt"])
        assert told == datetime.fromtimestamp(int((begun + 65 * 600) * 1000) / 1000, UTC)


def test_a_wrong_secret_is_told_when_it_is_added(service: Service) -> None:
    with phone_of(PRESET) as phone:
        done = service.run(
            *("device", "add", "--name", "R", "--app", "smsforwarder"),
            *("--phone-url", phone.server_url, "--phone-password", "another"),
        )
    assert done.returncode == 1
    assert service.cli("device", "list") == []


def test_what_is_said_when_it_is_linked(service: Service) -> None:
    words = ("device", "add", "--name", "R", "--app", "smsforwarder", "--phone-url")
    with phone_of(None) as phone:
        wrong = service.run(*words, phone.server_url, "--phone-password", "other")
        assert wrong.returncode == 1
        assert "Is the password the sign secret" in wrong.stderr
        told = service.run(*words, phone.server_url, "--phone-password", SECRET).stdout
        assert "what it received before stays there" in told
