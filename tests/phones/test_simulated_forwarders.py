"""The simulated forwarding apps keep to their description: shapes, signatures, retries."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from tests.support.forwarders import (
    IncomingSmsPhone,
    Server,
    ShortcutsPhone,
    SmsForwarderPhone,
    TaskerPhone,
    TermuxPhone,
    sign,
)
from tests.support.inprocess import eventually
from tests.support.phone_thread import until
from tests.support.receiver import answer, free_port, hang_up, receiver, receiving
from tests.support.tls import authority

SENDER, TEXT = "+15550100", "Your code is 482913"


def call(phone: SmsForwarderPhone, path: str, data: object, **more: object) -> tuple[int, Any]:
    body = json.dumps({"data": data, **more}).encode()
    request = urllib.request.Request(phone.server_url + path, body)
    with urllib.request.urlopen(request, timeout=60) as told:
        return told.status, json.loads(told.read())


def test_incoming_sms_posts_its_template_chunked_and_signs_since_2_4():
    with receiving() as there:
        for version in ("2.3.0", "2.4.0"):
            with IncomingSmsPhone(
                there.url, version=version, key="topsecret", chunked=False
            ) as phone:
                phone.receive(SENDER, TEXT, sent_at=1767225599, received_at=1767225600.123)
                phone.settled()
        old, new = there.arrivals
        assert old.header("X-Signature") is None
        assert new.header("X-Signature") == (
            "9e7a0fd3a7d21287168a53180a2535ac42619154cc4b7e3b82683b6085ec132e"
        )
        assert len(new.body) == 134
        assert new.header("Content-Type") == "application/json; charset=utf-8"
        assert new.header("User-agent") == "SMS Forwarder App"


def test_incoming_sms_repeats_its_bytes_with_growing_waits_and_then_loses():
    with receiving(default=answer(404)) as there:
        with IncomingSmsPhone(there.url, retries=3, time_scale=0.003) as phone:
            item = phone.receive(SENDER, 'say "hi"\n%')
            phone.settled()
            assert item is not None
            assert (item.state, len(there.arrivals)) == ("lost", 4)
            assert len({a.body for a in there.arrivals}) == 1
            assert there.arrivals[0].json["text"] == 'say "hi"\n%'
            assert there.arrivals[0].header("Transfer-Encoding") == "chunked"
            waits = [b.at - a.at for a, b in pairwise(phone.pushes)]
            assert [w >= least for w, least in zip(waits, (0.03, 0.06, 0.12), strict=True)] == [
                True
            ] * 3
        with IncomingSmsPhone(there.url, version="2.4.0", retries=0, chunked=False) as phone:
            kept = phone.receive(SENDER, "kept")
            phone.settled()
            assert kept is not None
            assert kept.state == "failed"
            there.default = answer(204)
            phone.retry_failed()
            phone.settled()
            assert kept.state == "sent"


def test_incoming_sms_without_chunks_cannot_send_umlauts_until_2_4():
    with receiving() as there:
        for version, state in (("2.3.0", "lost"), ("2.4.0", "sent")):
            with IncomingSmsPhone(there.url, version=version, retries=0, chunked=False) as phone:
                item = phone.receive(SENDER, "grün")
                phone.settled()
                assert item is not None
                assert item.state == state
        assert [a.text for a in there.arrivals] == ["grün"]


def test_incoming_sms_waits_for_a_network_and_outlives_a_restart():
    port = free_port()
    with IncomingSmsPhone(f"http://127.0.0.1:{port}/hook", time_scale=0.005) as phone:
        phone.wifi(False)
        phone.receive(SENDER, "later")
        phone.stop()
        assert phone.receive(SENDER, "never") is None
        phone.start()
        assert phone.pushes == []
        phone.wifi(True)
        until(lambda: phone.pushes)
        assert phone.pushes[0].status is None
        with receiving(port=port) as there:
            phone.settled()
            assert [a.text for a in there.arrivals] == ["later"]


@pytest.mark.parametrize(("lax", "came"), [(False, 0), (True, 1)])
async def test_incoming_sms_checks_certificates_unless_told_not_to(
    tmp_path: Path, lax: bool, came: int
):
    async with receiver(tls=authority(tmp_path).server) as there:
        with IncomingSmsPhone(there.url, retries=0, ignore_ssl=lax) as phone:
            phone.receive(SENDER, TEXT)
            await eventually(lambda: phone.waiting == 0)
        assert len(there.arrivals) == came


def test_smsforwarder_signs_the_time_in_both_shapes():
    assert sign(1767225600123, "s3cret-key") == (
        "7nnyFVjHKU9PyzCF6BK%2Bjd3rkDiUDQTTxV9Y%2FwrxSQk%3D"
    )
    with receiving() as there:
        with SmsForwarderPhone(there.url, key="s3cret-key") as phone:
            phone.receive(SENDER, 'say "hi" & [title]', at=1767225600)
            phone.settled()
        with SmsForwarderPhone(there.url, key="s3cret-key", template=None) as phone:
            phone.receive(SENDER, TEXT, at=1767225600)
            phone.settled()
        preset, form = there.arrivals
        told = preset.json
        assert told["text"] == 'say "hi" & SIM1_Work'
        assert (told["received"], told["sim"]) == ("2026-01-01T08:00:00+0800", "SIM1_Work")
        assert told["sign"] == sign(int(told["ts"]), "s3cret-key")
        fields = {k: v[0] for k, v in parse_qs(form.body.decode()).items()}
        assert fields["content"] == (
            f"{SENDER}\n{TEXT}\nSIM1_Work\nSubId：1\n2026-01-01 08:00:00\nPixel 6"
        )
        assert fields["sign"] == sign(int(fields["timestamp"]), "s3cret-key")
        assert b"%252B" in form.body or "%2B" not in fields["sign"]


def test_smsforwarder_tries_again_only_when_nobody_answered():
    with receiving(answer(500), answer(200, b""), hang_up, default=answer()) as there:
        with SmsForwarderPhone(there.url, retries=1) as phone:
            for text in ("refused", "empty"):
                row = phone.receive(SENDER, text)
                phone.settled()
                assert row.state == "failed"
            assert len(there.arrivals) == 2
            row = phone.receive(SENDER, "broken")
            phone.settled()
            assert (row.state, len(there.arrivals)) == ("sent", 4)
            assert there.arrivals[2].body == there.arrivals[3].body
            assert phone.resend() == 2
            phone.settled()
            assert sorted(a.json["text"] for a in there.arrivals[4:]) == ["empty", "refused"]
            assert {r.state for r in phone.store} == {"sent"}
        with SmsForwarderPhone(there.url, keyword='"ok":true') as phone:
            row = phone.receive(SENDER, "no keyword")
            phone.settled()
            assert row.state == "failed"


def test_smsforwarder_makes_a_header_of_a_name_in_the_url():
    with receiving() as there:
        with SmsForwarderPhone(there.url.replace("//", "//ann:secret@")) as phone:
            phone.receive(SENDER, TEXT)
            phone.settled()
        assert there.arrivals[0].header("Authorization") == "Basic YW5uOnNlY3JldA=="


def test_smsforwarder_answers_about_texts_it_could_not_push():
    with SmsForwarderPhone(f"http://127.0.0.1:{free_port()}/") as phone:
        for at in range(5):
            phone.receive(SENDER, f"text {at}", at=1767225600 + at, sim=2)
        phone.kill_app()
        phone.receive(SENDER, "while dead", at=1767225700, name="Ann")
        phone.start()
        _, told = call(phone, "/sms/query", {"type": 1, "page_num": 1, "page_size": 2})
        assert (told["code"], told["msg"]) == (200, "success")
        assert told["data"][0] == {
            "name": "Ann",
            "number": SENDER,
            "content": "while dead",
            "date": 1767225700000,
            "type": 1,
            "sim_id": 0,
            "sub_id": 1,
        }
        pages = [
            call(phone, "/sms/query", {"type": 1, "page_num": n, "page_size": 2})[1]["data"]
            for n in (1, 2, 3, 4)
        ]
        assert [[row["content"] for row in page] for page in pages] == [
            ["while dead", "text 4"],
            ["text 3", "text 2"],
            ["text 1", "text 0"],
            [],
        ]
        assert call(phone, "/sms/query", {"type": 2})[1]["data"] == []
        assert call(phone, "/battery/query", {})[1]["data"]["level"] == "87%"
        assert call(phone, "/config/query", {})[1]["data"]["extra_device_mark"] == "Pixel 6"


def test_smsforwarder_says_no_with_a_200():
    with SmsForwarderPhone("http://127.0.0.1:1/", server=Server(key="k")) as phone:
        now = int(time.time() * 1000)
        right = {"timestamp": now, "sign": sign(now, "k")}
        stale = {"timestamp": now - 601_000, "sign": sign(now - 601_000, "k")}
        wrong: list[dict[str, object]] = [{}, {"timestamp": now, "sign": sign(now, "x")}, stale]
        wrong.append({"timestamp": now, "sign": unquote(sign(now, "k")) + "x"})
        for more in wrong:
            status, told = call(phone, "/sms/query", {"type": 1}, **more)
            assert (status, told["code"], told["data"]) == (200, 500, None)
        _, told = call(phone, "/sms/query", {"type": 1}, **right)
        assert (told["code"], told["sign"]) == (200, sign(told["timestamp"], "k"))
        phone.server.enabled.discard("/sms/query")
        assert call(phone, "/sms/query", {"type": 1}, **right)[1]["code"] == 500
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(phone.server_url + "/sms/query", b"nonsense", timeout=60)
        raised.value.close()
        assert raised.value.code == 500


def test_scripts_without_memory():
    with receiving(answer(503)) as there:
        assert TaskerPhone(there.url).receive(SENDER, 'a "quote"\n', at=1767225599) == 503
        raw = there.arrivals[0]
        assert raw.body == b'a "quote"\n'
        assert (raw.header("X-SMS-From"), raw.header("X-SMS-Time")) == (SENDER, "1767225599")
        assert ShortcutsPhone(there.url).receive("Ann", "hi", at=1767225600) == 200
        assert there.arrivals[1].json == {
            "text": "hi",
            "sender": "Ann",
            "receivedAt": "2026-01-01T02:00:00+02:00",
        }
        termux = TermuxPhone(there.url)
        for text in ("one", "two", "three"):
            termux.receive(SENDER, text, at=1767225600)
        for _ in range(2):
            assert termux.repost(2) == 200
        rows = json.loads(there.arrivals[-1].body)
        assert [(row["_id"], row["body"], row["received"]) for row in rows] == [
            (2, "two", "2026-01-01 02:00:00"),
            (3, "three", "2026-01-01 02:00:00"),
        ]
        assert there.arrivals[-1].body == there.arrivals[-2].body
    assert TaskerPhone(f"http://127.0.0.1:{free_port()}/").receive(SENDER, "x") is None
