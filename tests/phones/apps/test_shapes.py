"""Well-known pushes in words of their own, and which of them are no incoming texts."""

from __future__ import annotations

from typing import Any

import pytest

from mmconnect.domain.models import Attachment, Kind
from mmconnect.phones.apps import APPS
from mmconnect.phones.push import DeviceEvent, IncomingText, Texts
from tests.phones.apps.reading import NEW_YEAR, one, parse, reason, wire
from tests.support import phones


def test_envaya() -> None:
    assert one(wire(phones.envaya())) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        recipient="+15550199",
        sent_at=1767225599000,
        time_mark="1767225599000",
    )


def test_envayas_vector() -> None:
    headers, _ = phones.envaya(password="pa55word")
    assert headers["X-Request-Signature"] == "EB4WVWXOpSaArimPs4MqfsdwVr0="


def test_envaya_tells_the_same_at_each_retry() -> None:
    again = phones.envaya(now_ms=1767299999999, battery="3", log="more")
    assert one(wire(again)) == one(wire(phones.envaya()))


def test_an_envaya_mms() -> None:
    picture = ("p.jpg", "image/jpeg", b"\xff\xd8\xff")
    made = phones.envaya(
        message_type="mms", text="look", files={"part0": picture}, mms_parts='[{"name":"part0"}]'
    )
    text = one(wire(made))
    assert (text.kind, text.text) == (Kind.MMS, "look")
    assert text.attachments == (Attachment(name="p.jpg", content_type="image/jpeg", size=3),)
    bare = one(wire(phones.envaya(message_type="mms", text="")))
    assert (bare.kind, bare.attachments) == (Kind.MMS, ())


@pytest.mark.parametrize(
    "action", ["outgoing", "send_status", "device_status", "test", "amqp_started", "forward_sent"]
)
def test_envaya_news(action: str) -> None:
    made = phones.envaya(action, status="power_connected", to="+1", message="secret words")
    reading = parse(wire(made))
    assert isinstance(reading, DeviceEvent)
    assert reading.name == action
    assert reading.detail["battery"] == "87"
    assert reading.detail["status"] == "power_connected"
    assert "secret" not in str(reading)


def test_envaya_news_of_a_phone_without_an_id() -> None:
    pushed = phones.as_push({}, b"action=test&phone_number=%2B1&from=%2B2&message=x")
    assert isinstance(parse(pushed), DeviceEvent)
    pushed = phones.as_push({}, b"action=test&phone_id=1&from=%2B2&message=x")
    assert isinstance(parse(pushed), DeviceEvent)
    assert one({"action": "test", "from": "+2", "message": "x"}).text == "x"


def test_an_envaya_call_is_no_text() -> None:
    reading = parse(wire(phones.envaya(message_type="call", text="")))
    assert isinstance(reading, DeviceEvent)
    assert reading.name == "call"


def test_smssync() -> None:
    assert one(wire(phones.smssync())) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        recipient="+15550199",
        sent_at=1767225599000,
        time_mark="1767225599000",
        event_id="80370c57-48ed-4d52-9a3e-2b2f0ea7c111",
    )


def test_the_textbee_app_and_its_fingerprint() -> None:
    assert one(wire(phones.textbee_app())) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        sent_at=1767225599000,
        time_mark="1767225599000",
        event_id="6ca1baece2710b08f71a036348c7fceb",
    )


def test_the_textbee_webhook_and_its_signature() -> None:
    headers, body = phones.textbee(key="my-signing-secret-0001")
    assert headers["X-Signature"] == (
        "449d33505597b37a48aca4df28073b5fcdc3ffc717679d89b6a43d4b5b2d8c82"
    )
    pushed = phones.as_push(headers, body)
    assert one(pushed) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        sent_at=1767225599000,
        time_mark="2025-12-31T23:59:59.000Z",
        event_id="65f000000000000000000001",
    )
    for app in ("generic", "auto"):
        assert APPS[app].verify(pushed, "my-signing-secret-0001") is True
        assert APPS[app].verify(pushed, "my-signing-secret-0002") is False


@pytest.mark.parametrize("event", ["MESSAGE_SENT", "MESSAGE_DELIVERED", "UNKNOWN_STATE"])
def test_other_textbee_events_are_no_texts(event: str) -> None:
    reading = parse(wire(phones.textbee(event=event)))
    assert isinstance(reading, DeviceEvent)
    assert (reading.name, reading.event_id) == (event, "7e4f0f0e-1111-4222-8333-444455556666")


def test_the_httpsms_app() -> None:
    assert one(wire(phones.httpsms_app())) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        recipient="+15550199",
        sent_at=NEW_YEAR + 123,
        time_mark="2026-01-01T00:00:00.123000000Z",
        sim=1,
    )
    assert "encrypted" in reason(wire(phones.httpsms_app(encrypted=True)))


def test_httpsms_cloud_events() -> None:
    assert one(wire(phones.httpsms())) == IncomingText(
        sender="+15550100",
        text="Your code is 482913",
        recipient="+15550199",
        sent_at=NEW_YEAR + 123,
        time_mark="2026-01-01T00:00:00.123Z",
        sim=1,
        event_id="6f1e0000-1111-4222-8333-444455556666",
    )
    reading = parse(wire(phones.httpsms(event="message.phone.sent")))
    assert isinstance(reading, DeviceEvent)
    assert reading.name == "message.phone.sent"


def test_the_envelope_gives_what_the_object_in_it_lacks() -> None:
    told = {"sentAt": NEW_YEAR, "to": "+9", "sim": 2, "data": {"contact": "+1", "content": "hi"}}
    assert one(told) == IncomingText(
        sender="+1", text="hi", recipient="+9", sent_at=NEW_YEAR, time_mark=str(NEW_YEAR), sim=2
    )
    inner = {"contact": "+1", "content": "hi", "sentAt": NEW_YEAR + 1, "to": "+8", "sim": 1}
    assert one(told | {"data": inner}) == IncomingText(
        sender="+1",
        text="hi",
        recipient="+8",
        sent_at=NEW_YEAR + 1,
        time_mark=str(NEW_YEAR + 1),
        sim=1,
    )


def test_an_mms_by_httpsms() -> None:
    told = {
        "from": "+15550100",
        "content": "look",
        "subject": "Photos",
        "attachments": [{"name": "p.jpg", "content_type": "image/jpeg", "content": "/9j/"}],
    }
    text = one(told)
    assert (text.kind, text.subject) == (Kind.MMS, "Photos")
    assert one(told | {"attachments": []}).subject is None
    assert text.attachments == (Attachment(name="p.jpg", content_type="image/jpeg", size=None),)


TERMUX = {
    "threadid": 3,
    "type": "inbox",
    "read": False,
    "sender": "Aunt",
    "address": "+15550100",
    "number": "+15550100",
    "received": "2026-01-01 08:00:00",
    "body": "hi",
    "_id": 42,
}


def test_termux_gives_the_number_and_not_the_contact() -> None:
    assert one(TERMUX) == IncomingText(
        sender="+15550100", text="hi", time_mark="2026-01-01 08:00:00", event_id="42"
    )


def test_a_list_of_termux_texts_without_those_that_were_sent() -> None:
    reading = parse([TERMUX, TERMUX | {"_id": 43, "type": "sent"}, TERMUX | {"_id": 44}])
    assert isinstance(reading, Texts)
    assert [text.event_id for text in reading.texts] == ["42", "44"]
    assert isinstance(parse([TERMUX | {"type": "draft"}]), DeviceEvent)
    assert "no text" in reason([TERMUX, TERMUX | {"body": None}])


@pytest.mark.parametrize(
    ("told", "text"),
    [
        # AutoForward SMS, android-sms-hooks, sms2webhook, smsforwarding.com
        ({"sender": "+1", "message": "hi"}, IncomingText(sender="+1", text="hi")),
        (
            {"body": "hi", "from": "+1", "timestamp": NEW_YEAR},
            IncomingText(sender="+1", text="hi", sent_at=NEW_YEAR, time_mark=str(NEW_YEAR)),
        ),
        (
            {
                "_id": 7,
                "address": "+1",
                "date": NEW_YEAR + 5,
                "date_sent": NEW_YEAR,
                "body": "hi",
                "sub_id": 1,
            },
            IncomingText(
                sender="+1", text="hi", sent_at=NEW_YEAR, time_mark=str(NEW_YEAR), event_id="7"
            ),
        ),
        (
            {
                "event": "sms.received",
                "device": {"id": "d1", "number": "+9"},
                "sms": {"id": 9, "sender": "+1", "message": "hi", "received_at": 1767225600},
            },
            IncomingText(
                sender="+1", text="hi", sent_at=NEW_YEAR, time_mark="1767225600", event_id="9"
            ),
        ),
        # Tasker, iOS Shortcuts, the Forward SMS app
        (
            {"sender": "+1", "text": "hi", "timestamp": "1767225600"},
            IncomingText(sender="+1", text="hi", sent_at=NEW_YEAR, time_mark="1767225600"),
        ),
        (
            {"body": "hi", "sender": "Aunt", "received_at": "1 Jan 2026 at 08:00:00"},
            IncomingText(sender="Aunt", text="hi", time_mark="1 Jan 2026 at 08:00:00"),
        ),
        (
            {
                "timestamp": "2026-01-01T08:00:00+08:00",
                "content": "hi",
                "sender": "+1",
                "contact": "A",
            },
            IncomingText(
                sender="+1", text="hi", sent_at=NEW_YEAR, time_mark="2026-01-01T08:00:00+08:00"
            ),
        ),
    ],
)
def test_other_default_shapes(told: dict[str, Any], text: IncomingText) -> None:
    assert one(told) == text


def test_a_sent_text_of_smsforwarding_com_is_no_received_one() -> None:
    told = {"event": "sms.sent", "sms": {"sender": "+1", "message": "hi"}}
    assert isinstance(parse(told), DeviceEvent)
