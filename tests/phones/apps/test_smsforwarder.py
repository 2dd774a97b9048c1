"""SmsForwarder: the preset, the default form with its page around the text, and `sign`."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest

from mmconnect.phones.apps import APPS, read
from mmconnect.phones.apps.smsforwarder import unwrapped
from mmconnect.phones.push import IncomingText, NotUnderstood, Reading, Texts
from tests.support import phones

KEY = "s3cret-key"
SIGN = "7nnyFVjHKU9PyzCF6BK+jd3rkDiUDQTTxV9Y/wrxSQk="
FORM_SAMPLE = (
    b"from=%2B15550100&content=%2B15550100%0AYour+code+is+482913%0ASIM1_Work%0ASubId%EF%BC%9A1"
    b"%0A2026-01-01+00%3A00%3A00%0APixel+6&timestamp=1767225600123"
    b"&sign=7nnyFVjHKU9PyzCF6BK%252Bjd3rkDiUDQTTxV9Y%252FwrxSQk%253D"
)


def parse(wire: phones.Wire) -> IncomingText:
    """Read as its app, and as auto: both must say the same."""
    pushed = phones.as_push(*wire)
    reading = read("smsforwarder", pushed, {})
    assert read("auto", pushed, {}) == reading
    return one(reading)


def one(reading: Reading) -> IncomingText:
    assert isinstance(reading, Texts), reading
    assert reading.app == "smsforwarder"
    (text,) = reading.texts
    return text


def test_the_preset() -> None:
    assert parse(phones.smsforwarder_json(key=KEY)) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        sent_at=1767225600000,
        time_mark="2026-01-01T08:00:00+0800",
        sim=1,
    )


def test_the_reference_form_is_unwrapped_and_verified() -> None:
    wire = phones.smsforwarder_form(key=KEY)
    assert wire[1] == FORM_SAMPLE
    assert parse(wire) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        sent_at=None,
        time_mark="2026-01-01 00:00:00",
        sim=1,
    )
    assert APPS["smsforwarder"].verify(phones.as_push(*wire), KEY) is True


def test_the_time_of_the_push_is_not_that_of_the_text() -> None:
    for first, again in (
        (phones.smsforwarder_json(pushed_ms=1), phones.smsforwarder_json(pushed_ms=2)),
        (phones.smsforwarder_form(pushed_ms=1), phones.smsforwarder_form(pushed_ms=2)),
    ):
        assert first[1] != again[1]
        assert parse(first) == parse(again)
    body = b'{"from":"+1555","text":"hi","timestamp":"1767225600123"}'
    text = one(read("smsforwarder", phones.as_push({}, body), {}))
    assert (text.sent_at, text.time_mark) == (None, None)


@pytest.mark.parametrize(
    "words",
    [
        "two\nlines",
        "three\n\nlines\n",
        "SIM1_Work\nSubId：1",
        "2026-01-01 00:00:00",
        "+15550100",
        "مرحبا 👋 & = % +",
        "a" * 1600,
        "x\n2026-01-01 00:00:00\nPixel 5",
    ],
)
def test_any_words_survive_the_page_around_them(words: str) -> None:
    assert parse(phones.smsforwarder_form(words)).text == words
    assert parse(phones.smsforwarder_json(words)).text == words


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("+1\nhi\nSIM2_x\nSubId：2\n2026-01-01 00:00:00\nPixel", ("hi", "SIM2_x", True)),
        ("+1\nhi\nSIM2_x\n2026-01-01 00:00:00\nPixel", ("hi", "SIM2_x", True)),
        ("+1\nhi\nSubId:2\n2026-01-01 00:00:00", ("hi", None, True)),
        ("+1\nhi\n\nSubId：2\n2026-01-01 00:00:00\nPixel", ("hi\n", None, True)),
        ("+1\nSIM1_x\nSubId：2\n2026-01-01 00:00:00\nPixel", ("", "SIM1_x", True)),
        (
            "+1 \r\nhi\nSIM2_x\r\nSubId：2\r\n2026-01-01 00:00:00\r\nPixel",
            ("hi", "SIM2_x", True),
        ),
        # pages of somebody's own: the less is certain, the less is cut
        ("+1\nhi\n2026-01-01 00:00:00\nPixel", ("hi\n2026-01-01 00:00:00\nPixel", None, False)),
        ("+1\nhi", ("hi", None, False)),
        ("hi", ("hi", None, False)),
        ("hi\nthere", ("hi\nthere", None, False)),
        ("+1", ("+1", None, False)),
        ("", ("", None, False)),
    ],
)
def test_unwrapping(content: str, found: tuple[str, str | None, bool]) -> None:
    page = unwrapped(content, "+1")
    assert (page["text"], page.get("sim"), "received" in page) == found


@pytest.mark.parametrize(
    "given", [SIGN, quote(SIGN, safe=""), quote(quote(SIGN, safe=""), safe="")]
)
@pytest.mark.parametrize("app", ["smsforwarder", "auto"])
def test_sign_in_all_three_encodings(app: str, given: str) -> None:
    verify = APPS[app].verify
    for stamp in ('"1767225600123"', "1767225600123"):
        body = f'{{"from":"+1","text":"x","received":"","device":"","ts":{stamp},"sign":"{given}"}}'
        pushed = phones.as_push({}, body.encode())
        assert verify(pushed, KEY) is True
        assert verify(pushed, KEY + "x") is False
        other = phones.as_push({}, body.replace("0123", "0124").encode())
        assert verify(other, KEY) is False


def test_sign_in_forms() -> None:
    verify = APPS["smsforwarder"].verify
    for sign in (SIGN, quote(SIGN, safe=""), quote(quote(SIGN, safe=""), safe="")):
        body = f"from=%2B1&content=x&timestamp=1767225600123&sign={sign}".encode()
        assert verify(phones.as_push({"Content-Type": phones.FORM}, body), KEY) is True
        tail = body[:-6] + b"AAAAAA"
        assert verify(phones.as_push({"Content-Type": phones.FORM}, tail), KEY) is False


@pytest.mark.parametrize("sign", ["", "[sign]"])
def test_unsigned(sign: str) -> None:
    body = json.dumps({"from": "+1", "text": "x", "ts": "1", "sign": sign}).encode()
    assert APPS["smsforwarder"].verify(phones.as_push({}, body), KEY) is None
    assert APPS["smsforwarder"].verify(phones.as_push(*phones.smsforwarder_form()), KEY) is None


def test_sign_without_its_timestamp_is_wrong() -> None:
    body = json.dumps({"from": "+1", "text": "x", "sign": SIGN}).encode()
    assert APPS["smsforwarder"].verify(phones.as_push({}, body), KEY) is False


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"sign":"a","sign":"b"}'])
def test_an_unreadable_body_carries_no_signature(body: bytes) -> None:
    assert APPS["smsforwarder"].verify(phones.as_push({}, body), KEY) is None


@pytest.mark.parametrize(
    "body",
    [
        b"from=%2B1&content=hi",
        b"from=%2B1&timestamp=1767225600123&text=hi",
        b'{"from":"+1","text":"hi","device":"Pixel","received":"x"}',
        b'{"from":"+1","text":"hi","device":"Pixel","ts":"1767225600123"}',
        b'{"from":"+1","text":"hi","ts":"1767225600123","received":"x"}',
    ],
)
def test_what_is_not_certainly_this_app_is_read_by_the_usual_names(body: bytes) -> None:
    reading = read("auto", phones.as_push({}, body), {})
    assert isinstance(reading, Texts)
    assert (reading.app, reading.texts[0].text) == ("generic", "hi")


def test_own_templates() -> None:
    body = b'{"from":"+1","content":"+1\\nhi\\nSIM1_x","org_content":"hi","card_slot":"SIM2_y"}'
    text = one(read("smsforwarder", phones.as_push({}, body), {}))
    assert (text.text, text.sim) == ("hi", 2)
    body = b"who=%2B1&what=hi"
    own = {"sender": "who", "text": "what"}
    text = one(read("smsforwarder", phones.as_push({"Content-Type": phones.FORM}, body), own))
    assert (text.sender, text.text) == ("+1", "hi")


def test_a_name_twice_is_not_understood() -> None:
    """{{SMS}} is put in before the template is split, so a text can bring fields of its own."""
    body = b"from=%2B1&content=hi&from=BANK&timestamp=1767225600123"
    for app in ("smsforwarder", "auto"):
        reading = read(app, phones.as_push({"Content-Type": phones.FORM}, body), {})
        assert isinstance(reading, NotUnderstood)


def test_the_vector_is_what_it_says() -> None:
    assert unquote(phones.smsforwarder_sign(1767225600123, KEY)) == SIGN
