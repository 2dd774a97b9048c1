"""Phones that are fetched from, as phones are: they move, sign us out, hang, lie, get old."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service, ask, until
from tests.support.smsgate_phone import SmsgatePhone

PASSWORD = "pass-word-9876"


def link(service: Service, phone: SmsgatePhone, *words: str) -> dict[str, str]:
    added: dict[str, str] = service.cli(
        *("device", "add", "--name", "Reception", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", PASSWORD, "--poll", "1s", *words),
    )
    until(lambda: told(service) is not None, "it is told where to push")
    return added


def state(service: Service, column: str) -> object:
    with service.looking() as db:
        row = db.execute(f"SELECT {column} FROM phone_link_states").fetchone()
    return None if row is None else row[0]


def told(service: Service) -> dict[str, object] | None:
    text = state(service, "told")
    return None if text is None else json.loads(str(text))


def arrives(phone: SmsgatePhone, receiver: Receiver, text: str) -> float:
    phone.receive("+15550100", text)
    return until(lambda: text in receiver.texts, f"{text} arrives")


# -- adding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "password", "says"),
    [
        ("1.68.0", "wrong", "user or password is wrong"),
        ("1.58.0", PASSWORD, "1.66.2"),
    ],
)
def test_a_phone_that_cannot_be_read_is_not_added_and_says_why(
    service: Service, version: str, password: str, says: str
) -> None:
    with SmsgatePhone(version=version, password=PASSWORD) as phone:
        done = service.run(
            *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
            *("--phone-password", password),
        )
    assert done.returncode == 1
    assert says in done.stderr
    assert service.cli("device", "list") == []


def test_nothing_there_is_said_within_seconds(service: Service) -> None:
    begun = time.monotonic()
    done = service.run(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", "127.0.0.1:9"),
        *("--phone-password", PASSWORD),
    )
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert time.monotonic() - begun < 20
    assert service.cli("device", "list") == []


def test_another_server_at_the_address_is_named(service: Service, receiver: Receiver) -> None:
    done = service.run(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", _root(receiver.url)),
        *("--phone-password", PASSWORD),
    )
    assert done.returncode == 1
    assert "not SMS Gateway" in done.stderr
    assert service.cli("device", "list") == []


def test_the_first_look_begins_within_a_second(service: Service) -> None:
    took = []
    for number in range(3):  # the machine may stand still for one of them
        with SmsgatePhone(password=PASSWORD, device_id=f"{number:032d}") as phone:
            service.cli(
                *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
                *("--phone-password", PASSWORD),
            )
            looks = partial(_looks, phone)
            took.append(until(looks, "the first look"))
    assert median(took) < 1.0, took


def test_the_password_is_kept_nowhere(service: Service, receiver: Receiver) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        link(service, phone)
        arrives(phone, receiver, "hello")
    service.stop()
    for file in [*service.directory.rglob("*"), service.log, service.out]:
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file


def test_tokens_and_texts_are_in_no_log(service: Service, receiver: Receiver) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        added = link(service, phone)
        arrives(phone, receiver, "a secret text")
        access = str(state(service, "access_token"))
        phone.wifi(False)
        until(lambda: state(service, "trouble") is not None, "it is noticed")
    log = service.log_text()
    for secret in (access, added["token"], "a secret text", "+15550100"):
        assert secret not in log


# -- tokens --------------------------------------------------------------------------------------


def test_a_token_is_renewed_at_its_half_life(service: Service, receiver: Receiver) -> None:
    with SmsgatePhone(password=PASSWORD, ttl_scale=20 / (365 * 86_400)) as phone:  # lives 20 s
        link(service, phone)
        first = state(service, "access_token")
        until(lambda: state(service, "access_token") != first, "it is renewed")
        assert any(a.path == "/auth/token/refresh" and a.status == 200 for a in phone.requests)
        arrives(phone, receiver, "still read")
        assert state(service, "trouble") is None


def test_a_phone_that_signed_us_out_is_named_and_can_be_signed_in_to_again(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        added = link(service, phone)
        phone.app.hooks.clear()
        phone.forget_tokens()
        until(lambda: "Sign in again" in str(state(service, "trouble")), "it is named")
        phone.receive("+15550100", "meanwhile")
        service.cli(
            *("device", "link", added["id"], "--phone-url", phone.url),
            *("--phone-password", PASSWORD),
        )
        until(lambda: "meanwhile" in receiver.texts, "it is read again")
        until(lambda: state(service, "trouble") is None, "all is well")
    assert receiver.texts == ["meanwhile"]  # and nothing counts as history anew


# -- telling it where to push --------------------------------------------------------------------


def test_it_is_told_once_and_again_only_when_something_changes(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        added = link(service, phone)
        assert phone.app.settings.internet_required is False
        assert phone.app.settings.retry_count == 15
        assert {hook.event for hook in phone.app.hooks.values()} == {
            *("sms:received", "sms:data-received", "mms:received", "mms:downloaded"),
            *("system:ping", "app:started"),
        }
        assert all(hook.startswith("mmconnect-") for hook in phone.app.hooks)
        written = [a for a in phone.requests if a.method in ("PATCH", "POST", "DELETE")]
        service.stop()
        service.start("--phone-listen", f"127.0.0.1:{_port(added)}")
        looks = len(phone.requests)
        until(lambda: len(phone.requests) > looks + 20, "it is read again")
        again = [a for a in phone.requests if a.method in ("PATCH", "POST", "DELETE")]
        changes = [a for a in again[len(written) :] if a.path != "/inbox/refresh"]
        assert changes == []

        new = service.cli("device", "new-token", added["id"])
        until(
            lambda: all(hook.url == new["pushUrl"] for hook in phone.app.hooks.values()),
            "it is told the new URL",
        )
        arrives(phone, receiver, "by the new one")


def test_when_our_address_changes_the_phone_is_told_the_new_one(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD, insecure=True) as phone:
        added = link(service, phone)
        service.stop()
        service.start("--phone-listen", "127.0.0.3:0")
        until(
            lambda: all("127.0.0.3" in hook.url for hook in phone.app.hooks.values()),
            "it is told the new address",
        )
        until(lambda: str((told(service) or {}).get("base")).startswith("http://127.0.0.3"), "kept")
        [shown] = service.cli("device", "list")
        assert shown["id"] == added["id"]
        arrives(phone, receiver, "hello")


def test_a_phone_that_takes_only_https_says_so_and_is_read_all_the_same(
    tmp_path: Path, receiver: Receiver
) -> None:
    service = Service(tmp_path / "data")
    service.start("--phone-listen", "127.0.0.3:0")  # the app lets only 127.0.0.1 pass
    try:
        service.cli("endpoint", "add", receiver.url)
        with SmsgatePhone(password=PASSWORD) as phone:
            link(service, phone)
            refused = told(service)
            assert refused is not None
            assert "https" in str(refused["refused"])
            arrives(phone, receiver, "read")
            asked = sum(a.path == "/webhooks" and a.method == "POST" for a in phone.requests)
            assert asked == 1  # not again and again
    finally:
        service.kill()


def test_an_older_app_is_told_only_events_that_it_knows(service: Service) -> None:
    with SmsgatePhone(password=PASSWORD, version="1.59.1") as phone:
        link(service, phone)
        until(lambda: len(phone.app.hooks) == 5, "it is told")
        assert "mmconnect-app-started" not in phone.app.hooks


def test_a_push_is_signed_with_the_key_that_the_phone_was_given(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        added = link(service, phone)
        until(lambda: len(phone.app.hooks) == 6, "it is told")
        phone.ping()
        until(lambda: (told(service) or {}).get("seen_at"), "a push by our own webhook is known")
        [device] = service.cli("device", "list")
        assert device["signed"]
        status, _, body = ask(
            service.phone, "POST", f"/in/{added['token']}", b'{"from":"+1555","text":"forged"}'
        )
        assert (status, json.loads(body)["error"]) == (401, "bad_signature")
        assert receiver.texts == []


# -- where it is ---------------------------------------------------------------------------------


def test_a_phone_that_moved_is_found_where_its_pushes_come_from(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        link(service, phone)
        before = phone.url
        until(lambda: len(phone.app.hooks) == 6, "it is told")
        phone.move("127.0.0.5")
        service.count("SELECT 1")
        _push_from("127.0.0.5", phone, service)
        until(lambda: state(service, "moved_from") == before, "it is found")
        with service.looking() as db:
            assert db.execute("SELECT url FROM phone_links").fetchone()[0] == phone.url
        assert "DHCP reservation" in service.log_text()
        phone.app.hooks.clear()
        arrives(phone, receiver, "at its new address")


def test_another_phone_at_its_address_is_not_taken_for_it(
    service: Service, receiver: Receiver
) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        link(service, phone)
        port, tokens = phone.port, list(phone.app.access.tokens)
    until(lambda: "does not answer" in str(state(service, "trouble")), "it is missed")
    with SmsgatePhone(password=PASSWORD, port=port, device_id="0" * 32) as other:
        other.app.access.tokens.extend(tokens)
        other.receive("+15550666", "not ours")
        until(lambda: "another phone" in str(state(service, "trouble")), "it is told apart")
    assert receiver.texts == []
    assert not service.count("SELECT count(*) FROM messages")


def test_a_phone_without_an_answer_is_named_with_what_to_do(service: Service) -> None:
    with SmsgatePhone(password=PASSWORD) as phone:
        link(service, phone)
        phone.wifi(False)
        until(lambda: state(service, "trouble") is not None, "it is noticed")
        trouble = str(state(service, "trouble"))
    assert phone.url in trouble
    assert "DHCP reservation" in trouble


# -- one bad phone -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["hang", "reset", "garbage", "oversized", "status", "cut", "latency"]
)
def test_a_bad_phone_harms_no_other_and_recovers(
    service: Service, receiver: Receiver, fault: str
) -> None:
    with (
        SmsgatePhone(password=PASSWORD) as bad,
        SmsgatePhone(password=PASSWORD, device_id="1" * 32) as good,
    ):
        link(service, bad)
        service.cli(
            *("device", "add", "--name", "Good", "--app", "smsgate", "--phone-url", good.url),
            *("--phone-password", PASSWORD, "--poll", "1s"),
        )
        until(lambda: service.count("SELECT count(told) FROM phone_link_states") == 2, "both")
        bad.app.hooks.clear()
        good.app.hooks.clear()
        value = {"garbage": b"<html>", "oversized": 40 * 2**20, "status": 500, "latency": 30.0}
        setattr(bad.trouble, fault, value.get(fault, True))
        bad.receive("+15550100", "from the bad one")
        took = [arrives(good, receiver, f"good {number}") for number in range(3)]
        assert median(took) < 5.0, took
        assert "from the bad one" not in receiver.texts
        bad.trouble.clear()
        until(lambda: "from the bad one" in receiver.texts, "it is read again")
        assert receiver.texts.count("from the bad one") == 1
        assert set(service.readyz()[1]) <= {"stall"}


def _looks(phone: SmsgatePhone) -> int:
    return sum(asked.path == "/inbox" for asked in phone.requests)


def _root(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _port(added: dict[str, str]) -> str:
    return added["pushUrl"].split("/")[2].rpartition(":")[2]


def _push_from(address: str, phone: SmsgatePhone, service: Service) -> None:
    """A ping of the phone, from the address that it has now."""
    import http.client

    from tests.support.phones_wire import hmac_hex

    hook = phone.app.hooks["mmconnect-system-ping"]
    body = json.dumps(
        {
            "id": "ping1",
            "webhookId": hook.id,
            "event": "system:ping",
            "deviceId": phone.app.device_id,
            "payload": {"health": {"version": "1.68.0"}},
        }
    ).encode()
    host, port = service.phone
    connection = http.client.HTTPConnection(host, port, source_address=(address, 0))
    stamp = str(int(time.time()))
    connection.request(
        "POST",
        hook.url.partition(f":{port}")[2],
        body,
        {
            "Content-Type": "application/json",
            "User-Agent": "me.capcom.smsgateway/1.68.0",
            "X-Timestamp": stamp,
            "X-Signature": hmac_hex(phone.app.settings.signing_key, body + stamp.encode()),
        },
    )
    assert connection.getresponse().status == 200
    connection.close()
