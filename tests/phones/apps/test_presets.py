"""The presets: raw mode above all, and nothing that a text can say becomes a field of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict, MultiDict

from mmconnect.domain.models import Kind
from mmconnect.phones.apps import read
from mmconnect.phones.apps.presets import PRESETS
from mmconnect.phones.push import IncomingText, NotUnderstood, Push, Texts
from tests.support import phones

NAMES = [preset.NAME for preset in PRESETS]
NASTY = [
    'x","from":"BANK","text":"y',
    "x&from=BANK&text=y",
    '{"from":"BANK","text":"y"}',
    "from=BANK&text=y",
    '--B\r\nContent-Disposition: form-data; name="from"\r\n\r\nBANK\r\n--B--',
    'two\nlines "quoted" \\back {curly} %percent مرحبا 👋',
    " ",
]


def one(app: str, pushed: Push) -> IncomingText:
    reading = read(app, pushed, {})
    assert isinstance(reading, Texts), reading
    assert reading.app == app
    (text,) = reading.texts
    return text


def why(app: str, pushed: Push) -> str:
    reading = read(app, pushed, {})
    assert isinstance(reading, NotUnderstood), reading
    return reading.reason


@pytest.mark.parametrize("app", NAMES)
def test_raw_mode_with_every_header(app: str) -> None:
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-SMS-From": "+15550100",
        "X-SMS-Time": "1767225599",
        "X-SMS-To": "+15550199",
        "X-SMS-Sim": "SIM2",
        "X-SMS-Id": "17",
    }
    text = one(app, phones.as_push(headers, 'naïve 👋\n"x"'.encode()))
    assert (text.sender, text.text, text.recipient) == ("+15550100", 'naïve 👋\n"x"', "+15550199")
    assert (text.sent_at, text.sim, text.event_id) == (1767225599000, 2, "17")


@pytest.mark.parametrize("app", ["auto", "generic", *NAMES])
@pytest.mark.parametrize("words", NASTY)
@pytest.mark.parametrize("media", ["", "text/plain", phones.FORM, phones.JSON, "text/html"])
def test_in_raw_mode_a_text_is_a_text_whatever_it_looks_like(
    app: str, words: str, media: str
) -> None:
    headers = {"X-SMS-From": "+15550100"} | ({"Content-Type": media} if media else {})
    text = one("generic" if app == "auto" else app, phones.as_push(headers, words.encode()))
    assert (text.sender, text.text) == ("+15550100", words)
    assert (text.sent_at, text.event_id, text.sim, text.recipient) == (None, None, None, None)


# names twice, in every guise


@pytest.mark.parametrize("app", ["auto", "generic", "smsforwarder", "incoming_sms", *NAMES])
@pytest.mark.parametrize(
    "body",
    [
        '{"from":"+1555","text":"x","from":"BANK"}',
        '{"from":"+1555","text":"x","From":"BANK"}',
        '{"From":"+1555","Text":"x","from":"BANK","text":"y"}',
        '{"sms":{"from":"+1555","text":"x","FROM":"BANK"}}',
        '{"data":{"contact":"+1555","content":"x","content":"y"}}',
        '{"from":"+1555","text":"x","extra":{"a":[{"b":1,"b":2}]}}',
        '[{"from":"+1555","text":"x","text":"y"}]',
        '[{"from":"+1555","text":"x"},{"from":"+1555","text":"x","TEXT":"y"}]',
        r'{"from":"+1555","text":"x","\u0066rom":"BANK"}',
    ],
)
def test_a_name_twice_in_json(app: str, body: str) -> None:
    pushed = phones.as_push({"Content-Type": phones.JSON}, body.encode())
    assert "uncertain which one is meant" in why(app, pushed)


@pytest.mark.parametrize("app", ["auto", "generic", *NAMES])
@pytest.mark.parametrize(
    "body",
    [
        "from=%2B1555&text=x&from=BANK",
        "from=%2B1555&text=x&%66rom=BANK",
        "from=%2B1555&text=x&From=BANK",
        "from=%2B1555&text=x&text=",
    ],
)
def test_a_name_twice_in_a_form(app: str, body: str) -> None:
    pushed = phones.as_push({"Content-Type": phones.FORM}, body.encode())
    assert "uncertain which one is meant" in why(app, pushed)


@pytest.mark.parametrize("second", ["from", "FROM"])
def test_a_name_twice_in_multipart(second: str) -> None:
    parts = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("from", "+1555"), ("text", "x"), (second, "BANK"))
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    pushed = phones.as_push(headers, f"{parts}--B--\r\n".encode())
    assert "uncertain which one is meant" in why("generic", pushed)


def test_a_header_twice() -> None:
    def pushed(*given: tuple[str, str]) -> Push:
        headers = CIMultiDict(given)
        return Push(headers=headers, body=b"x", content_type="text/plain", charset="utf-8")

    told = why("tasker", pushed(("X-SMS-From", "+1555"), ("x-sms-from", "BANK")))
    assert told == ("the header X-SMS-From is there twice, so it is uncertain which one is meant")
    assert one("tasker", pushed(("X-SMS-From", "+1555"), ("x-sms-from", "+1555"))).text == "x"


def test_a_name_twice_in_the_query() -> None:
    query = MultiDict([("from", "+1555"), ("text", "x"), ("from", "BANK")])
    pushed = Push(headers={}, body=b"", content_type="", charset="utf-8", query=query)
    assert "the query has the name from twice" in why("macrodroid", pushed)


def test_names_in_capitals_are_still_read() -> None:
    body = json.dumps({"From": "+1555", "Text": "x", "Time": 1767225599}).encode()
    text = one("shortcuts", phones.as_push({"Content-Type": phones.JSON}, body))
    assert (text.sender, text.text, text.sent_at) == ("+1555", "x", 1767225599000)


# Kannel


def kannel(body: bytes, media: str = 'text/plain; charset="UTF-8"', **more: str) -> Push:
    headers = {
        "User-Agent": "Kannel/1.5.0",
        "Content-Type": media,
        "X-Kannel-From": "+15550100",
        "X-Kannel-To": "12345",
        "X-Kannel-Time": "2026-06-12 14:31:58",
        "Date": "2026-06-12 14:32:00",
        "X-Kannel-SMSC": "modem1",
    }
    named = {f"X-Kannel-{name.title()}": value for name, value in more.items()}
    return phones.as_push(headers | named, body)


def test_kannel_speaks_in_headers_of_its_own() -> None:
    text = one("kannel", kannel('a "b" & ü'.encode(), coding="0", id="5f1e"))
    assert (text.sender, text.text, text.recipient) == ("+15550100", 'a "b" & ü', "12345")
    assert text.sent_at == 1781274718000, "in UTC"
    assert (text.kind, text.event_id) == (Kind.SMS, "5f1e")


@pytest.mark.parametrize(
    ("pushed", "kind", "words"),
    [
        (kannel("ü👋".encode("utf-16-be"), 'text/plain; charset="UTF-16BE"'), Kind.SMS, "ü👋"),
        (kannel("ü".encode("utf-16-be"), "application/octet-stream", coding="2"), Kind.SMS, "ü"),
        (kannel(b"caf\xe9", 'text/plain; charset="ISO-8859-1"'), Kind.SMS, "café"),
        (kannel(b"\x00\xff", "application/octet-stream", coding="1"), Kind.DATA, "AP8="),
        (kannel(b"reading 7", "application/octet-stream", coding="1"), Kind.DATA, "reading 7"),
        (kannel(b""), Kind.SMS, ""),
        (kannel(b'{"from":"BANK","text":"x"}'), Kind.SMS, '{"from":"BANK","text":"x"}'),
    ],
)
def test_what_kannel_says_of_the_body(pushed: Push, kind: Kind, words: str) -> None:
    text = one("kannel", pushed)
    assert (text.kind, text.text, text.sender) == (kind, words, "+15550100")


def test_kannel_without_its_sender_says_what_is_missing() -> None:
    pushed = kannel(b"hello")
    headers: dict[str, Any] = {k: v for k, v in pushed.headers.items() if k != "x-kannel-from"}
    assert "no sender" in why("kannel", phones.as_push(headers, b"hello"))
