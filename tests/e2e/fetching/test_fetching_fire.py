"""What phones, clocks and owners do to fetching on bad days: nothing is lost, nothing doubled."""

from __future__ import annotations

import sqlite3
import time

import pytest

from tests.e2e.fetching.test_fetching import PASSWORD, link, no_pushes, settled, state
from tests.e2e.fetching.test_fetching_forwarder import link as link_forwarder
from tests.e2e.fetching.test_fetching_forwarder import looked_at_again, phone_of
from tests.support.forwarders import PRESET
from tests.support.receiver import Receiver
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

DAY = 86_400.0


def read_again(service: Service, phone: SmsgatePhone) -> None:
    """Restart the service, and wait until it has read the whole overlap again."""
    assert service.stop() == 0
    seen = len(phone.requests)
    service.start()
    until(
        lambda: sum(one.path == "/inbox" for one in phone.requests[seen:]) >= 4,
        "the inbox is read again",
    )


def change(service: Service, *statements: str) -> None:
    """Change the database of a service that is stopped."""
    with sqlite3.connect(service.directory / "mmconnect.db") as db:
        for one in statements:
            db.execute(one)
    db.close()


# -- SMS Gateway for Android -----------------------------------------------------------------------


def test_a_changed_country_delivers_nothing_again(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    phone.receive("81230000", "history", sent_at=time.time() - 3600)
    added = link(service, phone, "--country", "SG")
    no_pushes(phone, service)
    phone.receive("81230000", "balance")
    settled(receiver, service, 1)
    service.cli("device", "set", added["id"], "--country", "none")
    read_again(service, phone)
    settled(receiver, service, 1)
    assert service.count("SELECT count(*) FROM messages") == 2


def test_a_text_that_reads_like_one_of_history_and_has_its_id_goes_out(
    service: Service, receiver: Receiver
) -> None:
    """From 1.63 to 1.66.1 the app's ids say only who wrote what."""
    with SmsgatePhone(version="1.64.0") as phone:
        now = time.time()
        for at, count in ((now - 7200, 0), (now - 60, 1), (now, 2)):
            phone.app.inbox.wipe()  # the row of that id is replaced
            phone.receive("+15550100", "ALARM", sent_at=at)
            if not count:
                link(service, phone)
                until(lambda: len(phone.app.hooks) == 5, "it is told where to push")
                phone.app.hooks.clear()
            settled(receiver, service, count)


def test_an_app_that_does_not_get_through_its_store_is_read_all_the_same(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    no_pushes(phone, service)
    phone.trouble.only, phone.trouble.reset = "/inbox/refresh", True
    phone.kill_app()
    until(lambda: "does not answer" in str(state(service, "trouble")), "it is away")
    phone.start()
    phone.receive("+15550100", "new")
    settled(receiver, service, 1)
    until(lambda: state(service, "trouble") is None, "all is well")


def test_after_100_days_off_the_app_is_asked_in_pieces_for_what_it_missed(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    no_pushes(phone, service)
    assert service.stop() == 0
    long_ago = int((time.time() - 100 * DAY) * 1000)
    change(service, f"UPDATE phone_link_states SET read_at = {long_ago}, listed_at = {long_ago}")
    phone.kill_app()
    phone.receive("+15550100", "missed", sent_at=time.time() - 50 * DAY)
    phone.app.inbox.mark = 10**9  # and the app does not notice by itself
    phone.start()
    service.start()
    settled(receiver, service, 1)
    assert sum(one.path == "/inbox/refresh" for one in phone.requests) > 30


def test_a_phone_whose_clock_is_years_behind_is_not_asked_for_tokens_all_the_time(
    service: Service, phone: SmsgatePhone
) -> None:
    link(service, phone)
    assert service.stop() == 0
    change(service, "UPDATE phone_link_states SET token_ends_at = token_made_at - 86400000")
    before = state(service, "access_token")
    service.start()
    read_again(service, phone)
    assert state(service, "access_token") == before


def test_a_token_of_a_day_to_come_is_renewed(service: Service, phone: SmsgatePhone) -> None:
    """Our clock was wrong when it was made."""
    link(service, phone)
    assert service.stop() == 0
    change(service, "UPDATE phone_link_states SET token_made_at = token_made_at + 500000000000")
    before = state(service, "access_token")
    service.start()
    until(lambda: state(service, "access_token") != before, "it is renewed")


def test_a_phone_is_fetched_from_once(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    done = service.run(
        *("device", "add", "--name", "Again", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", PASSWORD),
    )
    assert done.returncode == 1
    assert "already, as Reception" in done.stderr
    assert len(service.cli("device", "list")) == 1


def test_half_a_character_holds_nothing_up(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    link(service, phone)
    no_pushes(phone, service)
    phone.trouble.only, phone.trouble.garbage = (
        "/inbox",
        (
            b'[{"id":"text:\\ud83d","type":"SMS","sender":"+15550100",'
            b'"contentPreview":"half \\uD83d","createdAt":"2026-01-01T05:30:00.000+05:30",'
            b'"recipient":"\\udfff"}]'
        ),
    )
    phone.receive("+15550100", "whole")
    until(lambda: "half �" in receiver.texts, "it is taken")
    phone.trouble.clear()
    settled(receiver, service, 2)


def test_a_count_that_is_none_loses_nothing(
    service: Service, phone: SmsgatePhone, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tests.support.smsgate_api as api

    proper = api.answer

    def wrong(value: object, status: int = 200, **headers: str) -> object:
        if "X_Total_Count" in headers:
            headers["X_Total_Count"] = wrong_count
        return proper(value, status, **headers)

    monkeypatch.setattr(api, "answer", wrong)
    wrong_count = "0"
    link(service, phone)
    no_pushes(phone, service)
    assert service.stop() == 0
    for number in range(60):
        phone.receive("+15550100", f"{number}", sent_at=time.time() - 100 + number)
    service.start()
    settled(receiver, service, 60)
    wrong_count = "9" * 5000
    for number in range(60):
        phone.receive("+15550100", f"more {number}", sent_at=time.time() - 30 + number / 2)
    settled(receiver, service, 120)


def test_an_mms_of_history_is_one(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    long_ago = time.time() - 9000
    phone.receive("+15550104", kind="MMS", subject="hi", sent_at=long_ago)
    phone.receive("+15550104", "look", kind="MMS_DOWNLOADED", sent_at=long_ago)
    phone.receive("+15550105", kind="MMS", subject="never fetched", sent_at=long_ago)
    added = link(service, phone)
    until(
        lambda: not service.count("SELECT count(*) FROM inbox_history WHERE done = 0"),
        "history is read",
    )
    service.cli("device", "history", added["id"], "--send")
    settled(receiver, service, 2)
    assert sorted(receiver.texts) == ["", "look"]
    read_again(service, phone)
    settled(receiver, service, 2)


def test_a_server_that_gives_all_it_has_at_every_page_ends(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    row = (
        '{"id":"text:%d","type":"SMS","sender":"+15550100","contentPreview":"old",'
        '"createdAt":"2026-01-01T05:30:00.000+05:30"}'
    )
    every = ",".join(row % number for number in range(3000))
    phone.trouble.only, phone.trouble.garbage = "/inbox", f"[{every}]".encode()
    link(service, phone)
    assert service.count("SELECT count(*) FROM inbox_history") == 500
    phone.trouble.clear()
    phone.receive("+15550100", "new")
    settled(receiver, service, 1)


# -- SmsForwarder ----------------------------------------------------------------------------------


def test_the_last_text_of_a_quiet_phone_is_not_delivered_again_after_90_days(
    service: Service, receiver: Receiver
) -> None:
    with phone_of(PRESET) as phone:
        phone.receive("+15550100", "history", at=time.time() - 100 * DAY)
        link_forwarder(service, phone)
        url, phone.url = phone.url, "http://127.0.0.1:9/"
        phone.receive("+15550100", "ALARM", at=time.time() - 91 * DAY)
        settled(receiver, service, 1)
        assert receiver.texts == ["ALARM"]
        looked_at_again(phone)
        assert service.stop() == 0
        change(service, "DELETE FROM dedupe_keys", "DELETE FROM twins")  # as is done after 90 days
        service.start()
        looked_at_again(phone)
        phone.url = url
        phone.receive("+15550100", "new")
        settled(receiver, service, 2)
        assert receiver.texts == ["ALARM", "new"]


def test_a_row_of_a_day_to_come_hides_no_text(service: Service, receiver: Receiver) -> None:
    with phone_of(PRESET) as phone:
        url = "http://127.0.0.1:9/"
        phone.receive("+15550100", "history", at=time.time() - DAY)
        phone.receive("+15550100", "from 2040", at=time.time() + 5000 * DAY)
        link_forwarder(service, phone)
        phone.url = url
        phone.receive("+15550100", "new")
        settled(receiver, service, 1)
        looked_at_again(phone)
        settled(receiver, service, 1)
        assert receiver.texts == ["new"]


def test_a_row_that_names_nobody_is_kept(service: Service, receiver: Receiver) -> None:
    with phone_of(PRESET) as phone:
        phone.receive("", "history", at=time.time() - DAY)
        link_forwarder(service, phone)
        phone.url = "http://127.0.0.1:9/"
        phone.receive("", "who is it")
        phone.receive("+15550100", "new")
        settled(receiver, service, 1)
        looked_at_again(phone)
        assert service.count("SELECT count(*) FROM messages WHERE kind = 'unrecognised'") == 1
