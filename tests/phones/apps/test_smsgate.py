"""SMS Gateway for Android: every event of its versions 1.15 to 1.75, and its signature."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mmconnect.domain.models import Attachment, Kind
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Push, Reading, Texts
from tests.support import phones

NEW_YEAR = 1767225600000
# the reference's own sample: 374 bytes, signed with KEY at 1767225612
KEY = "k3y0123456789abcdef0123456789abcd"
SAMPLE = (
    rb'{"id":"Ey6ECgOkVVFjz3CL48B8C","webhookId":"mmconnect-sms-received","event":"sms:received",'
    rb'"deviceId":"ffffffffceb0b1db0000018e937c815b","payload":{"message":'
    rb'"Your code is 123456 \u0026 it\u0027s \u003cok\u003e","receivedAt":'
    rb'"2026-01-01T05:30:00.000+05:30","messageId":"1a00fdfd","sender":"+15551234567",'
    rb'"recipient":"+15557654321","simNumber":1,"phoneNumber":"+15551234567"}}'
)
SIGNATURE = "ef63961098dc09414b707803bed3e71dac0f239c3498b79c165c0b2c30cb1911"
PAYLOAD = {
    "message": "hi",
    "receivedAt": "2026-01-01T00:00:00.000Z",
    "messageId": "1a00fdfd",
    "sender": "+15550100",
    "simNumber": 2,
    "phoneNumber": "+15550100",
}


def push(event: str, payload: Any, **more: Any) -> Push:
    return phones.as_push(*phones.smsgate(event, payload, **more))


def parse(event: str, payload: Any, **more: Any) -> Reading:
    """Read as its app, and as auto: both must say the same."""
    pushed = push(event, payload, **more)
    reading = read("smsgate", pushed, {})
    assert read("auto", pushed, {}) == reading
    return reading


def one(reading: Reading) -> IncomingText:
    assert isinstance(reading, Texts), reading
    assert reading.app == "smsgate"
    (text,) = reading.texts
    return text


def test_the_reference_sample_is_read_and_verified() -> None:
    headers, body = phones.smsgate_sms(
        "Your code is 123456 & it's <ok>", "+15551234567", recipient="+15557654321", key=KEY
    )
    assert body == SAMPLE
    assert len(body) == 374
    assert headers["X-Signature"] == SIGNATURE
    pushed = phones.as_push(headers, body)
    assert APPS["smsgate"].verify(pushed, KEY) is True
    assert one(read("smsgate", pushed, {})) == IncomingText(
        kind=Kind.SMS,
        sender="+15551234567",
        text="Your code is 123456 & it's <ok>",
        recipient="+15557654321",
        sent_at=NEW_YEAR,
        time_mark="2026-01-01T05:30:00.000+05:30",
        sim=1,
        event_id="Ey6ECgOkVVFjz3CL48B8C",
    )


@pytest.mark.parametrize(
    ("changed", "headers", "key", "verdict"),
    [
        (SAMPLE, {}, KEY, True),
        (SAMPLE, {}, KEY + "x", False),
        (SAMPLE + b" ", {}, KEY, False),
        (SAMPLE, {"X-Timestamp": "1767225613"}, KEY, False),
        (SAMPLE, {"X-Timestamp": ""}, KEY, False),
        (SAMPLE, {"X-Signature": SIGNATURE[:-1]}, KEY, False),
        (SAMPLE, {"X-Signature": "\udcff\u00e9"}, KEY, False),
        (SAMPLE, {"X-Signature": ""}, KEY, None),
    ],
)
@pytest.mark.parametrize("app", ["smsgate", "auto"])
def test_the_signature(
    app: str, changed: bytes, headers: dict[str, str], key: str, verdict: bool | None
) -> None:
    sent = {"X-Timestamp": "1767225612", "X-Signature": SIGNATURE} | headers
    assert APPS[app].verify(phones.as_push(sent, changed), key) is verdict


def test_signature_survives_a_retry_with_a_fresh_timestamp() -> None:
    first, again = (phones.smsgate_sms(key="k", timestamp=at) for at in (1767225612, 1767229999))
    assert first[1] == again[1]
    assert first[0]["X-Signature"] != again[0]["X-Signature"]
    assert APPS["smsgate"].verify(phones.as_push(*again), "k") is True


def test_an_old_version_names_only_phone_number_and_leaves_out_what_it_does_not_know() -> None:
    told = {"message": "hi", "receivedAt": "2026-01-01T00:00:00.000+0000", "phoneNumber": "BANK"}
    text = one(parse("sms:received", told))
    assert (text.sender, text.recipient, text.sim, text.sent_at) == ("BANK", None, None, NEW_YEAR)


def test_sender_wins_over_the_deprecated_phone_number() -> None:
    assert one(parse("sms:received", PAYLOAD | {"phoneNumber": "+1999"})).sender == "+15550100"
    assert one(parse("sms:received", PAYLOAD | {"sender": ""})).sender == "+15550100"


def test_the_message_id_is_no_event_id() -> None:
    headers, body = phones.smsgate("sms:received", PAYLOAD)
    without = json.dumps({k: v for k, v in json.loads(body).items() if k != "id"}).encode()
    assert one(read("smsgate", phones.as_push(headers, without), {})).event_id is None
    assert one(parse("sms:received", PAYLOAD, event_id="E1")).event_id == "E1"


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2025-12-31T19:00:00.000+-5:00", NEW_YEAR),
        ("2025-12-31T20:30:00.000+-3:-30", NEW_YEAR),
        ("1970-01-01T00:00:00.000Z", None),
        ("2098-01-01T00:00:00.000Z", 4039372800000),
        ("nonsense", None),
        (None, None),
    ],
)
def test_an_odd_time_never_costs_the_text(stamp: str | None, at: int | None) -> None:
    text = one(parse("sms:received", PAYLOAD | {"receivedAt": stamp}))
    assert (text.text, text.sent_at) == ("hi", at)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (base64.b64encode("Tür öffnen\n".encode()).decode(), "Tür öffnen\n"),
        ("AAEC", "AAEC"),  # bytes 0, 1, 2
        ("/w==", "/w=="),  # not UTF-8
        ("not base64!", "not base64!"),
        ("SGVsbG8=*", "SGVsbG8=*"),
        ("", ""),
    ],
)
def test_a_data_sms(data: str, text: str) -> None:
    told = {k: v for k, v in PAYLOAD.items() if k != "message"} | {"data": data}
    read_as = one(parse("sms:data-received", told))
    assert (read_as.kind, read_as.text, read_as.sender) == (Kind.DATA, text, "+15550100")


def test_an_mms_is_announced() -> None:
    told = {
        "transactionId": "T1",
        "subject": "Photos",
        "size": 48211,
        "contentClass": "IMAGE_BASIC",
        "receivedAt": "2026-01-01T00:00:00.000Z",
        "messageId": "T1",
        "sender": "+15550100",
        "simNumber": 1,
        "phoneNumber": "+15550100",
    }
    assert one(parse("mms:received", told, event_id="E7")) == IncomingText(
        kind=Kind.MMS,
        sender="+15550100",
        text="",
        sent_at=NEW_YEAR,
        time_mark="2026-01-01T00:00:00.000Z",
        sim=1,
        event_id="E7",
        subject="Photos",
        announcement=True,
    )


DOWNLOADED: dict[str, Any] = {
    "body": "look",
    "subject": None,
    "attachments": [
        {
            "partId": 57,
            "contentType": "image/jpeg",
            "name": "p.jpg",
            "size": 48211,
            "data": "/9j/4AAQ==",
        },
        {"partId": 58, "contentType": "text/x-vcard"},
    ],
    "receivedAt": "2026-01-01T00:00:05.000Z",
    "messageId": "31",
    "sender": "+15551234567",
    "simNumber": 1,
    "phoneNumber": "+15551234567",
}


def test_an_mms_is_downloaded_and_its_contents_are_not_kept() -> None:
    text = one(parse("mms:downloaded", DOWNLOADED))
    assert (text.kind, text.text, text.subject, text.announcement) == (
        Kind.MMS,
        "look",
        None,
        False,
    )
    assert text.attachments == (
        Attachment(name="p.jpg", content_type="image/jpeg", size=48211),
        Attachment(name=None, content_type="text/x-vcard", size=None),
    )
    assert "9j" not in repr(text)


def test_an_mms_without_words() -> None:
    text = one(parse("mms:downloaded", DOWNLOADED | {"body": None, "attachments": []}))
    assert (text.text, text.attachments) == ("", ())


@pytest.mark.parametrize(
    ("event", "payload", "kind", "announcement"),
    [
        ("sms:batch:received", PAYLOAD, Kind.SMS, False),
        ("sms:batch:data-received", PAYLOAD | {"data": "AAEC"}, Kind.DATA, False),
        ("mms:batch:received", PAYLOAD, Kind.MMS, True),
        ("mms:batch:downloaded", DOWNLOADED, Kind.MMS, False),
    ],
)
def test_a_batch_has_an_id_for_each_text(
    event: str, payload: dict[str, Any], kind: Kind, announcement: bool
) -> None:
    messages = [payload | {"sender": f"+1555010{n}"} for n in range(3)]
    reading = parse(event, {"messages": messages}, event_id="B1")
    assert isinstance(reading, Texts)
    assert [t.event_id for t in reading.texts] == ["B1/0", "B1/1", "B1/2"]
    assert [t.sender for t in reading.texts] == ["+15550100", "+15550101", "+15550102"]
    assert {(t.kind, t.announcement) for t in reading.texts} == {(kind, announcement)}


@pytest.mark.parametrize("odd", [{"message": "from nobody"}, 1, None, [], {"sender": "+1"}])
def test_one_odd_entry_of_a_batch_holds_up_no_other(odd: object) -> None:
    mixed = {"messages": [PAYLOAD, odd, PAYLOAD | {"sender": "+15550101"}]}
    reading = parse("sms:batch:received", mixed, event_id="B1")
    assert isinstance(reading, Texts)
    assert [(t.event_id, t.text) for t in reading.texts] == [
        ("B1/0", PAYLOAD["message"]),
        ("B1/2", PAYLOAD["message"]),
    ]
    (aside,) = reading.odd
    assert "from nobody" not in aside.reason
    alone = json.loads(aside.raw)
    assert (alone["id"], alone["event"], alone["payload"]) == ("B1/1", "sms:received", odd)
    again = read("smsgate", phones.as_push({}, aside.raw), {})
    assert again == NotUnderstood(reason=aside.reason)


def test_each_text_of_a_batch_keeps_its_own_part_which_reads_the_same() -> None:
    messages = [PAYLOAD | {"message": f"text {n} ü"} for n in range(3)]
    reading = parse("sms:batch:received", {"messages": messages}, event_id="B1")
    assert isinstance(reading, Texts)
    for number, text in enumerate(reading.texts):
        assert text.raw is not None
        assert [f"text {n} ü" in text.raw.decode() for n in range(3)] == [
            n == number for n in range(3)
        ]
        assert one(read("smsgate", phones.as_push({}, text.raw), {})) == text


def test_a_batch_of_odd_ones_only_is_kept_as_it_is() -> None:
    reading = parse("sms:batch:received", {"messages": [{"message": "from nobody"}, 1]})
    assert isinstance(reading, NotUnderstood)


@pytest.mark.parametrize("sender", [{}, {"sender": None, "phoneNumber": None}])
def test_no_copy_of_an_mms_has_its_contents(sender: dict[str, None]) -> None:
    payload = {**DOWNLOADED, **sender}
    single = parse("mms:downloaded", payload, event_id="E1")
    raw = single.raw if isinstance(single, NotUnderstood) else one(single).raw
    both = parse("mms:batch:downloaded", {"messages": [payload, DOWNLOADED]}, event_id="E1")
    assert isinstance(both, Texts)
    for kept in (raw, both.texts[-1].raw, both.odd[0].raw if sender else both.texts[0].raw):
        assert kept is not None
        assert b"/9j/4AAQ" not in kept
        picture, card = json.loads(kept)["payload"]["attachments"]
        assert picture == {
            "partId": 57,
            "contentType": "image/jpeg",
            "name": "p.jpg",
            "size": 48211,
            "data": "(left out: contents are not kept)",
        }
        assert card == DOWNLOADED["attachments"][1]


def test_what_is_kept_of_anything_else_is_the_push_itself() -> None:
    assert one(parse("sms:received", PAYLOAD)).raw is None
    assert one(parse("mms:downloaded", DOWNLOADED | {"attachments": []})).raw is None


def test_an_empty_batch_is_no_news_of_texts() -> None:
    assert isinstance(parse("sms:batch:received", {"messages": []}), DeviceEvent)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("sms:received", {"message": "from nobody"}),
        ("sms:received", {"message": "from nobody", "sender": "  ", "phoneNumber": ""}),
        ("sms:received", {"sender": "+15550100"}),
        ("sms:received", {"sender": "+15550100", "message": ["a"]}),
        ("sms:data-received", {"sender": "+15550100"}),
        ("mms:received", {}),
        ("sms:batch:received", {}),
        ("sms:batch:received", {"messages": "many"}),
        ("sms:batch:received", {"messages": [1]}),
        ("sms:batch:received", {"messages": [PAYLOAD] * 1001}),
    ],
)
def test_nothing_is_invented(event: str, payload: dict[str, Any]) -> None:
    reading = parse(event, payload)
    assert isinstance(reading, NotUnderstood)
    assert "from nobody" not in reading.reason
    assert "mmconnect failed" not in reading.reason


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"event":3}', b'"event"'])
def test_what_is_no_webhook_of_this_app(body: bytes) -> None:
    assert isinstance(read("smsgate", phones.as_push({}, body), {}), NotUnderstood)


def test_unknown_fields_and_any_order_do_no_harm() -> None:
    envelope = {
        "payload": {"new": {"deep": 1}, "message": "hi", "sender": "+15550100"},
        "later": True,
        "deviceId": "d",
        "event": "sms:received",
        "id": "E9",
    }
    text = one(read("auto", phones.as_push({}, json.dumps(envelope).encode()), {}))
    assert (text.sender, text.text, text.event_id) == ("+15550100", "hi", "E9")
