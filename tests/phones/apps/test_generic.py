"""The generic reader: the usual names, known shapes, own paths, and what it refuses to invent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmconnect.domain.models import Attachment, Kind
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.apps.names import FIELDS, ID, RECIPIENT, SENDER, SIM, TEXT, TIME, field_of
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Push, Reading, Texts
from tests.support import phones

NEW_YEAR = 1767225600000


def parse(pushed: Push | dict[str, Any] | list[Any], own: dict[str, str] | None = None) -> Reading:
    """Read as generic, and as auto: both must say the same, or another app the same texts."""
    if not isinstance(pushed, Push):
        pushed = phones.as_push({"Content-Type": phones.JSON}, json.dumps(pushed).encode())
    reading = read("generic", pushed, own or {})
    auto = read("auto", pushed, own or {})
    if isinstance(auto, Texts) and isinstance(reading, Texts):
        assert auto.texts == reading.texts
    else:
        assert auto == reading
    return reading


def one(pushed: Any, own: dict[str, str] | None = None) -> IncomingText:
    reading = parse(pushed, own)
    assert isinstance(reading, Texts), reading
    assert reading.app == "generic"
    (text,) = reading.texts
    return text


def reason(pushed: Any, own: dict[str, str] | None = None) -> str:
    reading = parse(pushed, own)
    assert isinstance(reading, NotUnderstood), reading
    assert "mmconnect failed" not in reading.reason
    return reading.reason


def wire(made: phones.Wire) -> Push:
    return phones.as_push(*made)


# the usual names


@pytest.mark.parametrize("name", SENDER)
def test_senders(name: str) -> None:
    assert one({name: "+15550100", "text": "hi"}).sender == "+15550100"


@pytest.mark.parametrize("name", TEXT)
def test_texts(name: str) -> None:
    assert one({"from": "+15550100", name: "hi"}).text == "hi"


@pytest.mark.parametrize("name", TIME)
@pytest.mark.parametrize("told", ["2026-01-01T00:00:00Z", NEW_YEAR, "1767225600", 1767225600])
def test_times(name: str, told: object) -> None:
    text = one({"from": "+15550100", "text": "hi", name: told})
    assert (text.sent_at, text.time_mark) == (NEW_YEAR, str(told))


@pytest.mark.parametrize("name", ID)
@pytest.mark.parametrize(("told", "event_id"), [("a7", "a7"), (7, "7"), ("", None), (0, None)])
def test_ids(name: str, told: object, event_id: str | None) -> None:
    assert one({"from": "+15550100", "text": "hi", name: told}).event_id == event_id


@pytest.mark.parametrize("name", SIM)
@pytest.mark.parametrize(
    ("told", "slot"),
    [
        (1, 1),
        ("1", 1),
        (2.0, 2),
        ("sim1", 1),
        ("SIM2", 2),
        ("SIM2_Work", 2),
        ("Sim 1", 1),
        (0, None),
        (-1, None),
        (12, None),
        (True, None),
        ("", None),
        ("undetected", None),
        ("SIM12", None),
        ("+15550100", None),
        (None, None),
    ],
)
def test_sims(name: str, told: object, slot: int | None) -> None:
    assert one({"from": "+15550100", "text": "hi", name: told}).sim == slot


@pytest.mark.parametrize("name", ["sub_id", "subscription_id", "subscriptionId", "slotIndex"])
def test_a_subscription_is_no_slot(name: str) -> None:
    assert one({"from": "+15550100", "text": "hi", name: 1}).sim is None


@pytest.mark.parametrize("name", RECIPIENT)
def test_recipients(name: str) -> None:
    assert one({"from": "+15550100", "text": "hi", name: "+15550199"}).recipient == "+15550199"


def test_nothing_more_than_was_told() -> None:
    assert one({"from": "+15550100", "text": "hi"}) == IncomingText(sender="+15550100", text="hi")
    nulls = dict.fromkeys(("id", "receivedAt", "sim", "to"))
    assert one({"from": "+15550100", "text": "hi"} | nulls) == IncomingText(
        sender="+15550100", text="hi"
    )


def test_the_contracts_names_win() -> None:
    told = {"source": "tasker", "contact": "Bob", "sender": "S", "from": "F"}
    assert one(told | {"msg": "m", "text": "t", "_id": "b", "id": "a"}) == IncomingText(
        sender="F", text="t", event_id="a"
    )


def test_names_typed_by_hand() -> None:
    assert one({"From": "+1", "TEXT": "hi", "phonenumber": "+2", "RECEIVEDAT": NEW_YEAR}) == (
        IncomingText(sender="+1", text="hi", sent_at=NEW_YEAR, time_mark=str(NEW_YEAR))
    )
    assert "no sender" in reason({"From": "+1", "FROM": "+2", "text": "hi"})


def test_scalars_and_nothing_else() -> None:
    assert one({"from": 15550100, "text": 482913}) == IncomingText(sender="15550100", text="482913")
    for odd in (True, [], {}, ["x"], {"a": "b"}, None, float("nan")):
        assert "no text" in reason({"from": "+1", "text": odd})
        assert "no sender" in reason({"from": odd, "text": "x"})


def test_an_empty_text_is_a_text_and_an_empty_sender_is_none() -> None:
    assert one({"from": "+1", "text": ""}).text == ""
    assert one({"from": "+1", "text": "", "body": "hi"}).text == "hi"
    for blank in ("", "  ", "\n"):
        assert "no sender" in reason({"from": blank, "text": "x"})
        assert one({"from": blank, "sender": "B", "text": "x"}).sender == "B"


def test_the_first_time_that_can_be_placed() -> None:
    told = {"from": "+1", "text": "x", "date_sent": 0, "date": NEW_YEAR}
    assert one(told).sent_at == NEW_YEAR
    told = {"from": "+1", "text": "x", "sentAt": "2026-01-01 08:00:00", "ts": NEW_YEAR}
    assert one(told).sent_at == NEW_YEAR
    told = {"from": "+1", "text": "x", "sentAt": "2026-01-01 08:00:00", "date": "yesterday"}
    assert (one(told).sent_at, one(told).time_mark) == (None, "2026-01-01 08:00:00")


@pytest.mark.parametrize(
    "words", ["مرحبا", "👋🏽", "a" * 1600, "a\x00b\x1f", 'say "hi" \\ & <x>', "\r\n two\n"]
)
@pytest.mark.parametrize(
    "made",
    [
        lambda t: phones.generic_json({"from": "+1", "text": t}),
        lambda t: phones.generic_form({"from": "+1", "text": t}),
        lambda t: phones.generic_multipart({"from": "+1", "text": t}),
        lambda t: phones.generic_plain(t, "+1", time=None),
    ],
    ids=["json", "form", "multipart", "plain"],
)
def test_any_words_by_any_way(made: Any, words: str) -> None:
    assert one(wire(made(words))) == IncomingText(sender="+1", text=words)


def test_plain_text_with_all_its_headers() -> None:
    assert one(wire(phones.generic_plain("hi", to="+15550199", id="7", sim="SIM2"))) == (
        IncomingText(
            sender="+15550100",
            text="hi",
            recipient="+15550199",
            sent_at=1767225599000,
            time_mark="1767225599",
            sim=2,
            event_id="7",
        )
    )


def test_a_plus_that_was_not_encoded() -> None:
    form = phones.as_push({"Content-Type": phones.FORM}, b"from=+15550100&text=1+1&to=+15550199")
    text = one(form)
    assert (text.sender, text.recipient, text.text) == ("+15550100", "+15550199", "1 1")
    query = phones.as_push({"Content-Type": "text/plain"}, b" 12345", {"from": " 15550100"})
    assert (one(query).sender, one(query).text) == ("+15550100", " 12345")
    assert one({"from": " 15550100", "text": "x"}).sender == " 15550100"
    other = phones.as_push({"Content-Type": phones.FORM}, b"from=+BANK&text=x")
    assert one(other).sender == " BANK"


# what is refused


def test_the_reason_names_what_was_looked_for_and_what_was_there() -> None:
    told = reason({"who": "+1", "data": {"what": "secret words"}, "odd name!": 1})
    assert "no sender (looked for from, sender, phoneNumber" in told
    assert "and no text (looked for text, message, body" in told
    assert "the push has who, data, (odd name), data.what" in told
    assert "secret" not in told
    assert "odd name!" not in told
    told = reason({"text": "secret words"})
    assert "no sender" in told
    assert "no text" not in told


def test_the_reason_is_short() -> None:
    assert len(reason({f"n{n}" * 12: 1 for n in range(1000)})) < 2000


@pytest.mark.parametrize("words", ["your=code 1234", "code: 1234", "1234", "x=1&1234=2"])
def test_a_text_without_a_sender_is_not_told_in_the_reason(words: str) -> None:
    for content_type in ("", "text/plain"):
        pushed = phones.as_push({"Content-Type": content_type}, words.encode())
        assert "1234" not in reason(pushed)
        assert "your" not in reason(pushed).split("looked for")[-1]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"[1]", b"[[]]", b'[{"from":"a","text":"b"},1]'])
def test_json_that_is_no_text(body: bytes) -> None:
    reason(phones.as_push({"Content-Type": phones.JSON}, body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"sender":"+1","message":"x","sender":"BANK"}',
        b'{"sender":"+1","message":"x","extra":{"a":1,"a":2}}',
    ],
)
def test_an_injected_name_is_never_believed(body: bytes) -> None:
    assert "twice" in reason(phones.as_push({}, body))


# known shapes


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


# own paths


NESTED = {
    "meta": {"uid": "u7", "when": NEW_YEAR, "slot.name": "SIM2"},
    "payload": [{"origin": "+15550100", "target": "+15550199", "words": ["x", "hi"]}],
    "from": "wrong",
    "text": "wrong",
    "id": "wrong",
}


def test_own_paths() -> None:
    own = {
        "from": "payload.0.origin",
        "message": "payload.0.words.1",
        "receivedAt": "$.meta.when",
        "messageId": "none.here|meta.uid",
        "simNumber": "meta.slot.name",
        "recipient": "payload.0.target",
        "unknown": "x",
    }
    assert (
        one(NESTED, own)
        == IncomingText(
            sender="+15550100",
            text="hi",
            recipient="+15550199",
            sent_at=NEW_YEAR,
            time_mark=str(NEW_YEAR),
            event_id="u7",
        )
        or one(NESTED, own).sim == 2
    )


def test_a_path_through_a_name_with_dots_at_its_end() -> None:
    assert one(NESTED | {"sim.label": "SIM2"}, {"sim": "sim.label"}).sim == 2


def test_a_field_with_an_own_path_is_looked_for_nowhere_else() -> None:
    told = reason({"from": "+1", "text": "hi", "id": "7"}, {"from": "data.sender"})
    assert "no sender (looked for data.sender)" in told
    assert one({"from": "+1", "text": "hi", "id": "7"}, {"id": "data.id"}).event_id is None


def test_a_path_that_leads_nowhere_finds_no_text() -> None:
    for path in ("nope", "list.2", "list.x", "id.x", "list. 0"):
        told = {"from": "+1", "text": "hi", "id": "7", "list": ["a", "b"]}
        assert f"no text (looked for {path})" in reason(told, {"text": path})
    assert one(told, {"text": " nope | list.1 "}).text == "b"


def test_own_paths_and_known_objects_together() -> None:
    told = {"who": "+1", "data": {"sender": "wrong", "content": "hi", "id": "3"}}
    text = one(told, {"from": "who"})
    assert (text.sender, text.text, text.event_id) == ("+1", "hi", "3")


def test_own_paths_into_a_list() -> None:
    told = ["+1", {"t": "hi"}]
    assert one(told, {"from": "0", "text": "1.t"}) == IncomingText(sender="+1", text="hi")
    items = [{"a": "+1", "text": "x"}, {"a": "+2", "text": "y"}]
    reading = parse(items, {"from": "a"})
    assert isinstance(reading, Texts)
    assert [t.sender for t in reading.texts] == ["+1", "+2"]


@pytest.mark.parametrize(
    "path", ["", ".", "a..b", "0", "9999999999", "a." * 5000, "|", "$.", "payload.٣", "payload.-1"]
)
def test_odd_paths(path: str) -> None:
    reason(NESTED, {"from": path})


def test_own_paths_do_not_keep_a_known_app_from_being_read() -> None:
    pushed = phones.as_push(*phones.smsgate("system:ping", {"health": {"version": "1"}}))
    assert isinstance(read("auto", pushed, {"from": "data.sender"}), DeviceEvent)


def test_every_field_has_a_name() -> None:
    assert {field_of(alias) for names in FIELDS.values() for alias in names} == set(FIELDS)
    assert field_of("nonsense") is None


# signatures


@pytest.mark.parametrize("header", ["X-Signature", "X-Hub-Signature-256", "X-Signature-256"])
@pytest.mark.parametrize("prefix", ["", "sha256=", "SHA256="])
def test_the_signature_of_the_body(header: str, prefix: str) -> None:
    _, body = phones.generic_json()
    right = phones.hmac_hex("shared", body)
    for app in ("generic", "auto"):
        verify = APPS[app].verify
        for given in (right, right.upper()):
            assert verify(phones.as_push({header: prefix + given}, body), "shared") is True
        for given in ("", right[:-1], right + "0", "0" * 64, "é", "\udcff"):
            assert verify(phones.as_push({header: prefix + given}, body), "shared") in (False, None)
        assert verify(phones.as_push({header: "sha256="}, body), "shared") is False
        assert verify(phones.as_push({}, body), "shared") is None
