"""The simulated phones keep to the description of the apps: vectors, versions, queues, errors."""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.support import smsgate_push
from tests.support.receiver import Receiver, answer, hang, receiving
from tests.support.smsgate_asking import ask, listen
from tests.support.smsgate_phone import SmsgatePhone
from tests.support.smsgate_push import Hook
from tests.support.smsgate_rules import (
    content_hash,
    data_preview,
    message_id,
    query_date,
    row_id,
    stamp,
    zone_of,
)

MS = 1767225600000
TEXT = "Your code is 123456 & it's <ok>"
SENDER = "+15551234567"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a phone ends after 5 s, and this machine may stand still for as long."""
    monkeypatch.setattr(smsgate_push, "CONNECT_SECONDS", 60.0)
    monkeypatch.setattr(smsgate_push, "ANSWER_SECONDS", 60.0)


@pytest.fixture
def phone() -> Iterator[SmsgatePhone]:
    with SmsgatePhone() as running:
        yield running


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


# Rules


def test_the_hash_of_a_message_is_the_documented_one():
    number = content_hash("1.68.0", SENDER, MS, 1, TEXT)
    assert (number, message_id(number)) == (436272637, "1a00fdfd")
    assert row_id("1.68.0", "SMS", SENDER, MS, 1, TEXT) == "text:436272637"


def test_some_versions_leave_the_time_out_of_the_hash():
    def numbers(version: str) -> set[int]:
        return {content_hash(version, SENDER, MS + late, 1, TEXT) for late in (0, 1000)}

    assert {v: len(numbers(v)) for v in ("1.62.0", "1.63.0", "1.66.1", "1.66.2")} == {
        "1.62.0": 2,
        "1.63.0": 1,
        "1.66.1": 1,
        "1.66.2": 2,
    }


def test_ids_before_the_hashes_are_of_sender_second_and_sim():
    old = [row_id("1.60.0", "SMS", SENDER, MS, 1, text) for text in ("one", "two")]
    assert old[0] == old[1]
    assert old[0][14] == "3"
    assert row_id("1.60.0", "SMS", SENDER, MS, 2, "one") != old[0]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00.000Z", True),
        ("2026-01-01T05:30:00.000+05:30", True),
        ("2026-01-01T00:00:00.000000Z", False),
        ("2026-01-01T00:00:00.0Z", False),
        ("2026-01-01T00:00:00+0000", False),
        ("2026-01-01T00:00:00", False),
        ("2026-01-01T05:30:00 05:30", False),
        ("2026-01-01", False),
        ("2026-13-01T00:00:00Z", False),
        ("1767225600", False),
    ],
)
def test_dates_that_the_app_reads(text: str, right: bool):
    assert query_date(text) == (MS if right else None)


@pytest.mark.parametrize(
    ("zone", "old", "written"),
    [
        ("+05:30", False, "2026-01-01T05:30:00.007+05:30"),
        ("Z", False, "2026-01-01T00:00:00.007Z"),
        ("-03:30", False, "2025-12-31T20:30:00.007-03:30"),
        ("Z", True, "2026-01-01T00:00:00.007+0000"),
        ("-05:00", True, "2025-12-31T19:00:00.007+-5:00"),
        ("-03:30", True, "2025-12-31T20:30:00.007+-3:-30"),
        ("+05:30", True, "2026-01-01T05:30:00.007+05:30"),
    ],
)
def test_dates_that_the_app_writes(zone: str, old: bool, written: str):
    assert stamp(MS + 7, zone_of(zone), old_android=old) == written


def test_a_zone_with_summer_time():
    assert stamp(1782864000000, ZoneInfo("Europe/Berlin")) == "2026-07-01T02:00:00.000+02:00"


def test_what_is_shown_of_a_data_sms():
    assert data_preview(b"\x00\xff") == "00ff"
    assert data_preview(bytes(64)) == "00" * 64
    assert data_preview(bytes(65)) == "00" * 64 + "..."


# Pushes


def test_a_text_is_pushed_byte_for_byte_as_documented(phone: SmsgatePhone, there: Receiver):
    listen(phone, there.url)
    key = "k3y0123456789abcdef0123456789abcd"
    ask(phone, "/settings", {"webhooks": {"signing_key": key}}, method="PATCH")
    phone.receive(SENDER, TEXT, sent_at=datetime.fromtimestamp(MS / 1000, UTC))
    phone.settled()
    (came,) = there.arrivals
    assert came.header("Content-Type") == "application/json"
    assert came.header("User-Agent") == "me.capcom.smsgateway/1.68.0"
    assert came.header("Accept-Charset") == "UTF-8"
    signed = came.body + (came.header("X-Timestamp") or "").encode()
    mark = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    assert came.header("X-Signature") == mark
    assert came.body.endswith(
        b'"payload":{"message":"Your code is 123456 \\u0026 it\\u0027s \\u003cok\\u003e",'
        b'"receivedAt":"2026-01-01T05:30:00.000+05:30","messageId":"1a00fdfd",'
        b'"sender":"+15551234567","recipient":"+15550199","simNumber":1,'
        b'"phoneNumber":"+15551234567"}}'
    )
    assert (came.json["event"], came.json["webhookId"]) == ("sms:received", "hook-sms:received")
    assert len(came.json["id"]) == 21


def test_what_fails_is_tried_again_with_the_same_id_and_a_growing_wait(there: Receiver):
    there.then(answer(500), answer(404), answer(302, headers={"Location": "/"}))
    with SmsgatePhone(time_scale=0.01) as phone:
        listen(phone, there.url)
        phone.receive(SENDER, "again")
        phone.settled()
        assert [p.status for p in phone.pushes] == [500, 404, 302, 200]
        assert len({p.id for p in phone.pushes}) == 1
        assert len({p.body for p in phone.pushes}) == 1
        times = [p.at for p in phone.pushes]
        waits = [b - a for a, b in pairwise(times)]
        assert [w >= least for w, least in zip(waits, (0.05, 0.1, 0.2), strict=True)] == [True] * 3


def test_it_gives_up_after_sixteen_attempts(there: Receiver):
    there.default = answer(503)
    with SmsgatePhone(time_scale=0) as phone:
        listen(phone, there.url)
        phone.receive(SENDER, "never")
        phone.settled()
        assert len(phone.pushes) == 16
        assert [row.state for row in phone.queue] == ["permanently_failed"]


def test_lost_answers_and_doubles(phone: SmsgatePhone, there: Receiver):
    listen(phone, there.url)
    phone.lose_answers(1)
    phone.receive(SENDER, "lost")
    phone.settled()
    assert [p.status for p in phone.pushes] == [None, 200]
    assert len({a.json["id"] for a in there.arrivals}) == 1
    assert len(there.arrivals) == 2
    phone.faults.doubles = 1
    phone.receive(SENDER, "double")
    phone.settled()
    twice = [a.json["id"] for a in there.arrivals[2:]]
    assert len(twice) == 2
    assert twice[0] == twice[1]


def test_broken_and_repeated_pushes(phone: SmsgatePhone, there: Receiver):
    listen(phone, there.url)
    phone.faults.hang_ups = 1
    phone.receive(SENDER, "broken")
    phone.settled()
    assert [p.error for p in phone.pushes] == ["Software caused connection abort", None]
    phone.until(lambda: len(there.arrivals) == 2)  # the broken one, too, and nobody waited for it
    there.arrivals.clear()
    phone.faults.repeats = 1
    phone.receive(SENDER, "repeated")
    phone.settled()
    first, second = there.arrivals
    assert (first.headers, first.body) == (second.headers, second.body)
    assert len(phone.pushes) == 3


def test_a_kill_in_the_middle_of_a_push_sends_it_again_later(there: Receiver):
    there.then(hang)
    with SmsgatePhone(time_scale=0.0005) as phone:
        listen(phone, there.url)
        phone.receive(SENDER, "stuck")
        phone.until(lambda: there.arrivals)
        phone.kill_app()
        assert [row.state for row in phone.queue] == ["processing"]
        phone.start()
        phone.settled()
        first, second = there.arrivals
        assert first.json == second.json
        assert second.at - first.at >= 300 * 0.0005


def test_androids_store_may_tell_of_a_text_under_another_id(phone: SmsgatePhone, there: Receiver):
    listen(phone, there.url)
    phone.receive(SENDER, "twin", twin=True)
    phone.receive(SENDER, "copies", copies=2)
    phone.settled()
    told = [a.json["payload"] for a in there.arrivals]
    assert [p["message"] for p in told] == ["twin", "twin", "copies"]
    assert told[0]["messageId"] != told[1]["messageId"]


@pytest.mark.parametrize("insecure", [False, True])
def test_plain_http_is_not_even_tried_by_release_builds(there: Receiver, insecure: bool):
    url = there.url.replace("127.0.0.1", "localhost")
    with SmsgatePhone(insecure=insecure) as phone:
        phone.app.hooks["h"] = Hook(id="h", url=url, event="sms:received")
        phone.receive(SENDER, "hi")
        phone.until(lambda: phone.pushes)
        assert len(there.arrivals) == insecure
        assert ("CLEARTEXT" in "".join(phone.log_lines)) != insecure


def test_two_events_of_one_text_have_one_message_id(there: Receiver):
    with SmsgatePhone(version="1.51.2") as phone:
        listen(phone, there.url)
        phone.receive(SENDER, "twice")
        phone.settled()
        assert len({a.json["id"] for a in there.arrivals}) == 2
        assert len({a.json["payload"]["messageId"] for a in there.arrivals}) == 1
        assert "sender" not in there.arrivals[0].json["payload"]


@pytest.mark.parametrize(("version", "told"), [("1.65.1", 2), ("1.66.1", 1), ("1.66.2", 2)])
def test_versions_that_swallow_a_second_equal_text(there: Receiver, version: str, told: int):
    with SmsgatePhone(version=version) as phone:
        listen(phone, there.url)
        for late in (0, 60):
            phone.receive(SENDER, "help", sent_at=MS / 1000 + late)
        phone.settled()
        assert len(there.arrivals) == told


def test_a_killed_app_misses_texts_and_newer_versions_catch_up(there: Receiver):
    for version, seen in (("1.66.0", []), ("1.66.1", ["missed"])):
        there.arrivals.clear()
        with SmsgatePhone(version=version) as phone:
            listen(phone, there.url)
            phone.kill_app()
            phone.receive(SENDER, "missed")
            phone.start()
            phone.settled()
            assert [a.json["payload"]["message"] for a in there.arrivals] == seen
            period = {"since": "2020-01-01T00:00:00Z", "until": "2040-01-01T00:00:00Z"}
            assert ask(phone, "/inbox/refresh", period).status == 202
            assert [r["contentPreview"] for r in ask(phone, "/inbox").json] == ["missed"]
            phone.settled()
            assert len(there.arrivals) == len(seen)


def test_the_queue_outlives_the_app(there: Receiver):
    there.then(answer(500))
    with SmsgatePhone(time_scale=0.05) as phone:
        listen(phone, there.url)
        phone.receive(SENDER, "kept")
        phone.until(lambda: phone.pushes)
        phone.stop()
        port = phone.port
        phone.start()
        phone.settled()
        assert phone.port == port
        assert [p.status for p in phone.pushes] == [500, 200]


def test_without_wifi_attempts_burn_only_when_no_internet_is_required(there: Receiver):
    with SmsgatePhone(time_scale=0.001) as phone:
        listen(phone, there.url)
        phone.wifi(False)
        phone.receive(SENDER, "later")
        with pytest.raises(urllib.error.URLError):
            ask(phone, "/")
        assert phone.pushes == []
        phone.wifi(True)
        phone.settled()
        ask(phone, "/settings", {"webhooks": {"internet_required": False}}, method="PATCH")
        phone.wifi(False)
        phone.receive(SENDER, "burning")
        phone.until(lambda: len(phone.pushes) > 2)
        phone.wifi(True)
        phone.settled()
        assert [p.status for p in phone.pushes][0::2][0] == 200
        assert phone.pushes[-1].status == 200
        assert len(there.arrivals) == 2


def test_plain_http_in_the_lan_is_refused_by_release_builds():
    with SmsgatePhone() as phone:
        told = ask(phone, "/webhooks", {"url": "http://192.168.1.9/x", "event": "sms:received"})
        assert told.status == 400
        assert told.json == {"message": "url must start with https:// or http://127.0.0.1"}
        for url in ("http://localhost/x", "http://127.0.0.1.example.org/", "ftp://127.0.0.1/"):
            assert ask(phone, "/webhooks", {"url": url, "event": "sms:received"}).status == 400
        late = ask(phone, "/webhooks", {"url": "https://a/x", "event": "sms:batch:received"})
        assert (late.status, late.json) == (400, {"message": "Unsupported event"})
    with SmsgatePhone(insecure=True) as phone:
        told = ask(phone, "/webhooks", {"url": "http://192.168.1.9/x", "event": "sms:received"})
        assert told.status == 201
