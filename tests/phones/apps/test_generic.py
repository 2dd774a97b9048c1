"""The generic reader: the usual names, and what it refuses to invent."""

from __future__ import annotations

from typing import Any

import pytest

from mmconnect.phones.apps.names import ID, RECIPIENT, SENDER, SIM, TEXT, TIME
from mmconnect.phones.push import IncomingText
from tests.phones.apps.reading import NEW_YEAR, one, reason, wire
from tests.support import phones


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
    assert "From and FROM are one name" in reason({"From": "+1", "FROM": "+2", "text": "hi"})


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
