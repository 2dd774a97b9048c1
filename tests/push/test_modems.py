"""What modem programs hand over, read as they write it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from mmconnect.cli.push.modems import from_gammu, from_smstools, smstools_event
from mmconnect.domain.errors import UsageError

NOW = 1_781_274_720_000


def gammu(*ids: str, **told: str) -> tuple[str, str, int, str]:
    sms = from_gammu({k.encode(): v.encode() for k, v in told.items()}, ids, NOW)
    return sms.sender, sms.text, sms.time, sms.id


def test_gammu_one_part() -> None:
    told = {"SMS_MESSAGES": "1", "DECODED_PARTS": "0", "PHONE_ID": "usb0", "SMS_1_CLASS": "-1"}
    told |= {"SMS_1_NUMBER": "+6581230000", "SMS_1_TEXT": 'grüße "x"\n2', "SMS_1_REFERENCE": "0"}
    assert gammu("17", **told) == ("+6581230000", 'grüße "x"\n2', NOW, "gammu/usb0/17/")
    told["SMS_1_TIMESTAMP"] = "1781274718"  # since 1.44
    assert gammu("17", **told) == (
        *("+6581230000", 'grüße "x"\n2'),
        *(1_781_274_718_000, "gammu/usb0/17/1781274718"),
    )


def test_gammu_several_parts() -> None:
    told = {"SMS_MESSAGES": "2", "SMS_1_NUMBER": "+1", "SMS_2_NUMBER": "+1"}
    told |= {"SMS_1_TEXT": "one ", "SMS_2_TEXT": "two"}
    assert gammu("1", "2", **told, DECODED_PARTS="0")[1] == "one two"
    assert gammu("1", "2", **told, DECODED_PARTS="1", DECODED_1_TEXT="whole")[1] == "whole"
    parts = {"DECODED_PARTS": "2", "DECODED_1_TEXT": "who", "DECODED_2_TEXT": "le"}
    assert gammu("1", "2", **told, **parts)[1] == "whole"
    assert gammu("1", "2", **told, DECODED_PARTS="1")[1] == "one two", "nothing was decoded"
    assert gammu("1", "2", **told)[3] == "gammu//1 2/"


def test_gammu_eight_bits_only() -> None:
    assert gammu("5", SMS_MESSAGES="1", SMS_1_NUMBER="BANK", DECODED_PARTS="1")[:2] == ("BANK", "")


def test_gammu_bytes_that_are_no_utf_8() -> None:
    told = {b"SMS_MESSAGES": b"1", b"SMS_1_NUMBER": b"+1", b"SMS_1_TEXT": b"caf\xe9"}
    assert from_gammu(told, ["1"], NOW).text == "caf\ufffd"


def test_gammu_without_ids_has_one_of_the_moment() -> None:
    assert gammu(SMS_MESSAGES="1", SMS_1_NUMBER="+1")[3] == f"gammu////{NOW}"


@pytest.mark.parametrize("count", ["", "0", "many", "-1", "1" * 30])
def test_not_called_by_gammu(count: str) -> None:
    with pytest.raises(UsageError):
        gammu("1", SMS_MESSAGES=count)


@pytest.fixture
def singapore() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Singapore"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


HEAD = "From: 6581230000\nSent: 26-06-12 22:31:58\nReceived: 26-06-12 22:32:05\nSubject: GSM1\n"


@pytest.mark.usefixtures("singapore")
def test_smstools() -> None:
    file = (HEAD + "Modem: GSM1\nIMSI: 525\nReport: no\nAlphabet: ISO\nLength: 5\n\n").encode()
    sms = from_smstools(file + b"caf\xe9\n\nFrom: 1", "GSM1.aBc", NOW)
    assert (sms.sender, sms.text) == ("+6581230000", "café\n\nFrom: 1")
    assert sms.time == 1_781_274_718_000, "local time of this machine"
    assert sms.id == "smstools/GSM1/GSM1.aBc/26-06-12 22:31:58"


@pytest.mark.parametrize(
    ("given", "kind", "sender"),
    [
        ("6581230000", "91 international, ISDN/telephone", "+6581230000"),
        ("81230000", "A1 national, ISDN/telephone", "81230000"),
        ("81230000", "81 unknown, ISDN/telephone", "81230000"),
        ("6581230000", "", "+6581230000"),
        ("72323", "", "72323"),
        ("DBS-Bank", "D0 alphanumeric, unknown", "DBS-Bank"),
        ("+6581230000", "", "+6581230000"),
        ("", "", ""),
    ],
)
def test_senders_of_smstools(given: str, kind: str, sender: str) -> None:
    head = f"From: {given}\n" + (f"From_TOA: {kind}\n" if kind else "")
    assert from_smstools(f"{head}\nhi".encode(), "f", NOW).sender == sender


@pytest.mark.parametrize(
    ("alphabet", "body", "text"),
    [
        ("UCS2", "ü👋".encode("utf-16-be"), "ü👋"),
        ("UCS2", "a\n\nb".encode("utf-16-be"), "a\n\nb"),
        ("UTF-8", "ü👋\n".encode(), "ü👋\n"),
        ("ISO", b"20 \xa4", "20 €"),
        ("ISO", b"a\r\nb", "a\r\nb"),
        ("binary", b"\x00\xff", "AP8="),
        ("", b"", ""),
    ],
)
def test_alphabets_of_smstools(alphabet: str, body: bytes, text: str) -> None:
    for end in (b"\n", b"\r\n"):
        head = end.join([b"From: 1", f"Alphabet: {alphabet}".encode(), b"", b""])
        assert from_smstools(head + body, "f", NOW).text == text


@pytest.mark.parametrize("stamp", ["", "yesterday", "26-13-45 99:99:99", "2026-06-12 22:31:58"])
def test_a_time_that_cannot_be_read_is_now(stamp: str) -> None:
    assert from_smstools(f"From: 1\nSent: {stamp}\n\nhi".encode(), "f", NOW).time == NOW


def test_event_and_file_in_either_order() -> None:
    assert smstools_event(["RECEIVED", "/f"]) == smstools_event(["/f", "RECEIVED"])
    assert smstools_event(["SENT", "/f", "12"]) == ("SENT", "/f")
    for words in ([], ["RECEIVED"], ["/f"], ["/f", "/g"], ["RECEIVED", "SENT"]):
        with pytest.raises(UsageError):
            smstools_event(words)
