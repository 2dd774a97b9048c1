"""Incoming SMS to URL forwarder: its template, its signature, and the JSON that it breaks."""

from __future__ import annotations

import pytest

from mmconnect.domain.models import Kind
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.push import IncomingText, NotUnderstood, Reading, Texts
from tests.support import phones

SIGNATURE = "9e7a0fd3a7d21287168a53180a2535ac42619154cc4b7e3b82683b6085ec132e"


def parse(body: bytes, app: str = "incoming_sms") -> Reading:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    reading = read(app, phones.as_push(headers, body), {})
    if app == "incoming_sms" and b"sentStamp" in body:
        assert read("auto", phones.as_push(headers, body), {}) == reading
    return reading


def one(reading: Reading) -> IncomingText:
    assert isinstance(reading, Texts), reading
    assert reading.app == "incoming_sms"
    (text,) = reading.texts
    return text


def test_the_reference_sample_is_read_and_verified() -> None:
    headers, body = phones.incoming_sms(key="topsecret")
    assert len(body) == 134
    assert headers["X-Signature"] == SIGNATURE
    assert one(parse(body)) == IncomingText(
        kind=Kind.SMS,
        sender="+15550100",
        text="Your code is 482913",
        sent_at=1767225599000,
        time_mark="1767225599000",
        sim=1,
    )


@pytest.mark.parametrize("app", ["incoming_sms", "auto", "generic"])
def test_the_signature(app: str) -> None:
    verify = APPS[app].verify
    headers, body = phones.incoming_sms(key="topsecret")
    assert verify(phones.as_push(headers, body), "topsecret") is True
    assert verify(phones.as_push(headers, body), "other") is False
    assert verify(phones.as_push(headers, body + b"\n"), "topsecret") is False
    assert verify(phones.as_push(headers | {"X-Signature": "é"}, body), "topsecret") is False
    assert verify(phones.as_push(*phones.incoming_sms()), "topsecret") is None


@pytest.mark.parametrize(
    ("sim", "slot"), [("sim1", 1), ("sim2", 2), ("undetected", None), ("notification", None)]
)
@pytest.mark.parametrize("quoted", [True, False])
def test_sims_and_times_in_quotes(sim: str, slot: int | None, quoted: bool) -> None:
    text = one(parse(phones.incoming_sms(sim=sim, quoted=quoted)[1]))
    assert (text.sim, text.sent_at, text.time_mark) == (slot, 1767225599000, "1767225599000")


def test_a_text_without_the_centres_time_has_the_phones() -> None:
    text = one(parse(phones.incoming_sms(sent_ms=0)[1]))
    assert text.sent_at == phones.PHONE_MS


WORDS = [
    'He said "hi", ok?',
    "C:\\temp\\new",
    "two\nlines\r\n\tand a tab",
    "\x00\x01\x1f\x7f",
    "مرحبا 👋🏽 日本語",
    "a" * 1600,
    "",
    '{"from":"x"}',
    "ends with a backslash \\",
    "\u2028\ufeff",
]


@pytest.mark.parametrize("words", WORDS)
def test_any_words(words: str) -> None:
    assert one(parse(phones.incoming_sms(words)[1])).text == words


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("sender", ['Joe "J" Doe', 'A"B', "A\\C", "\\", '"', "Müller \\ Söhne"])
def test_a_sender_that_breaks_the_json_costs_nothing(sender: str, words: str) -> None:
    """The app escapes the text and not the sender."""
    for quoted in (True, False):
        text = one(parse(phones.incoming_sms(words, sender, quoted=quoted)[1]))
        assert (text.sender, text.text) == (sender, words)
        assert (text.sent_at, text.sim) == (1767225599000, 1)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('say "hi" now', 'say "hi" now'),
        ('"', '"'),
        ("C:\\qqq", "C:\\qqq"),
        ("half \\u00zz", "half \\u00zz"),
        ('bare " and \\" escaped \\n', 'bare " and " escaped \n'),
        ('raw\n"newline"\t', 'raw\n"newline"\t'),
        ('lone \\ud83d "', 'lone \ufffd "'),
    ],
)
def test_bare_quotes_in_the_text_of_a_rewritten_template(raw: str, words: str) -> None:
    body = phones.incoming_sms("TEXT")[1].decode().replace("TEXT", raw).encode()
    assert one(parse(body)).text == words


def test_static_entries_may_follow_the_template() -> None:
    body = phones.incoming_sms("hi", 'A"B')[1].decode()
    body = body.replace('"sim1"', '"sim1",\n "device":"kitchen-pixel", "n": 3')
    assert one(parse(body.encode())).sender == 'A"B'


@pytest.mark.parametrize(
    "body",
    [
        # valid JSON with a name twice
        b'{"from":"+1","text":"a","from":"BANK","sentStamp":1767225599000,"receivedStamp":1,"sim":"x"}',
        b'{"from":"+1","text":"a","text":"b","sentStamp":1767225599000,"receivedStamp":1,"sim":"x"}',
        b'{"from":"+1","text":"a","sentStamp":1767225599000,"receivedStamp":1,"sim":"x",'
        b'"device":"a","device":"b"}',
        # the same, and broken as well
        b'{"from":"+1","text":"a" ","from":"BANK","sentStamp":1767225599000,'
        b'"receivedStamp":1,"sim":"x"}',
        b'{"from":"A"","text":"b","text":"c","sentStamp":1767225599000,"receivedStamp":1,"sim":"x"}',
        # broken in other ways
        b'{"from":"+1","text":"a"',
        b'{"from":"+1","text":"a","sentStamp":,"receivedStamp":1,"sim":"sim1"}',
        b'{"from":"+1","text":"a" b","sentStamp":1767225599000,"receivedStamp":1,"sim":"x"} more',
        b"",
    ],
)
def test_nothing_is_guessed(body: bytes) -> None:
    assert isinstance(parse(body), NotUnderstood)


def test_a_forged_end_of_the_body_stays_in_the_text() -> None:
    forged = 'x","sentStamp":1,"receivedStamp":2,"sim":"sim2"}'
    text = one(parse(phones.incoming_sms(forged)[1]))
    assert (text.text, text.sim) == (forged, 1)
    bare = phones.incoming_sms("TEXT")[1].decode().replace("TEXT", forged).encode()
    assert isinstance(parse(bare), NotUnderstood)


def test_a_huge_broken_body_is_refused_quickly() -> None:
    body = b'{"from":"' + b'","text":"' * 100_000 + b'"'
    assert isinstance(parse(body), NotUnderstood)
    body = b'{"from":"' + b'","text":"' * 9_000 + b'"'
    assert isinstance(parse(body), NotUnderstood)


def test_a_rewritten_template_is_read_by_the_usual_names_or_the_devices_own() -> None:
    body = b'{"sender":"+15550100","msg":"hi","sentStamp":"1767225599000"}'
    assert one(read("incoming_sms", phones.as_push({}, body), {})).text == "hi"
    body = b'{"who":"+15550100","what":"hi"}'
    own = {"from": "who", "text": "what"}
    assert one(read("incoming_sms", phones.as_push({}, body), own)).sender == "+15550100"


def test_the_fork_names_its_subject_and_contact() -> None:
    body = (
        b'{"messageType":"SMS","from":"Aunt","text":"hi","sentStamp":1767225599000,'
        b'"receivedStamp":1767225600123,"sim":"sim2","mmsSubject":"","mmsAttachmentType":""}'
    )
    assert one(parse(body)).sender == "Aunt"
