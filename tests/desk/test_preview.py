"""What a pasted push would be: which place each value came from, what is near, and the webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.desk.mapping_preview import EXAMPLE_ID, Preview, preview, sample
from mmconnect.domain.models import Device
from mmconnect.phones.push import Push
from mmconnect.webhook.payload import Tenant
from tests.support.inprocess import NOW
from tests.support.phones import (
    as_push,
    envaya,
    generic_form,
    generic_json,
    generic_multipart,
    httpsms,
    incoming_sms,
    smsforwarder_form,
    smsforwarder_json,
    smsgate,
    smsgate_sms,
    textbee,
)

TENANT = Tenant(id="ten_1", name="Acme")


def device(app: str = "auto", mapping: Mapping[str, str] | None = None, country: str | None = None):
    return Device(
        id="dev_1",
        name="Reception",
        app=app,
        country=country,
        signing_key=None,
        mapping=dict(mapping or {}),
        created_at=0,
    )


def of(push: Push, **settings: Any) -> Preview:
    return preview(device(**settings), push, TENANT, NOW)


def sources(made: Preview) -> dict[str, str | None]:
    return {part.field: part.source for part in made.parts if part.value is not None}


@pytest.mark.parametrize(
    ("wire", "sender", "text"),
    [
        (smsgate_sms(), "payload.sender", "payload.message"),
        (incoming_sms(), "from", "text"),
        (smsforwarder_json(), "from", "text"),
        (smsforwarder_form(), "from", "content"),
        (generic_json(), "from", "text"),
        (generic_form(), "from", "text"),
        (generic_multipart(), "from", "text"),
        (envaya(), "from", "message"),
        (httpsms(), "data.contact", "data.content"),
        (textbee(), "sender", "message"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_each_value_is_traced_to_its_place(wire: Any, sender: str, text: str):
    made = of(as_push(*wire))
    assert made.understood, made
    assert (sources(made)["from"], sources(made)["text"]) == (sender, text), sources(made)


def test_the_places_of_a_raw_text_are_headers_and_the_body():
    headers = {
        "X-SMS-From": "+6581230000",
        "X-SMS-Time": "1781274720",
        "Content-Type": "text/plain",
    }
    made = of(as_push(headers, b'{"from":"+1","text":"no field"}'))
    assert sources(made) == {
        "from": "header x-sms-from",
        "text": "the body",
        "time": "header x-sms-time",
    }
    plain = as_push({"Content-Type": "text/plain"}, b"hi", {"from": "+6581230000"})
    assert sources(of(plain)) == {"from": "query from", "text": "the body"}


names = st.text("abcdefghij_", min_size=1, max_size=8).map(lambda name: f"q{name}")


@given(st.lists(names, min_size=4, max_size=4, unique=True), st.booleans())
def test_own_paths_are_where_it_says_that_it_came_from(named: list[str], nested: bool):
    sender, text, other, outer = named
    body: Any = {other: "x", sender: "+6581230000", text: "hello there"}
    paths = {"from": sender, "text": text}
    if nested:
        body, paths = {outer: [body]}, {f: f"{outer}.0.{p}" for f, p in paths.items()}
    made = of(as_push({}, json.dumps(body).encode()), mapping=paths)
    assert sources(made) == paths


def test_what_is_missing_is_named_with_the_nearest_places():
    body = {"who": {"nr": "+6581230000"}, "sms_body": "hello there", "when": "2026-06-12T14:31:58Z"}
    made = of(sample(json.dumps(body)))
    assert (made.outcome, made.texts, made.payload) == ("not_understood", 0, None)
    assert "no sender" in str(made.reason)
    assert made.suggested == {"from": "who.nr", "text": "sms_body", "time": "when"}
    mended = of(sample(json.dumps(body)), mapping=made.suggested)
    assert mended.understood
    assert sources(mended) == made.suggested


def test_what_a_field_came_from_is_offered_for_no_other():
    body = '{"nr":"+6581230000","received_text":"hello there","stamp":"2026-06-12T14:31:58Z"}'
    made = of(sample(body), mapping={"from": "nr", "text": "received_text"})
    (when,) = [part for part in made.parts if part.field == "time"]
    assert when.near == ("stamp",)


def test_the_webhook_is_the_one_that_would_be_sent():
    body = '{"from":"8123 0000","text":"hi","date":"2026-06-12T14:31:58Z"}'
    made = of(sample(body), country="SG")
    told = json.loads(made.payload or b"")
    assert (told["id"], told["from"], told["fromRaw"]) == (EXAMPLE_ID, "+6581230000", "8123 0000")
    assert told["sentAt"] == "2026-06-12T14:31:58.000Z"
    assert made.as_json()["payload"] == told
    assert made.parts[0].note == "written 8123 0000"
    assert "country" in of(sample(body)).parts[0].note


def test_a_time_that_cannot_be_placed_says_so():
    made = of(sample('{"from":"+6581230000","text":"hi","time":"2026-06-12 14:31"}'))
    (when,) = [part for part in made.parts if part.field == "time"]
    assert (when.value, when.source) == (None, "time")
    assert "no time zone" in when.note


def test_news_of_a_phone_is_no_text():
    _, body = smsgate("system:ping", {})
    made = of(sample(body.decode()))
    assert (made.outcome, made.reason, made.app) == ("event", "system:ping", "smsgate")


def test_a_whole_request_can_be_pasted():
    pasted = "POST /in/x HTTP/1.1\r\nX-SMS-From: +6581230000\r\nContent-Type: text/plain\r\n\r\nhi"
    made = of(sample(pasted))
    assert sources(made) == {"from": "header X-SMS-From", "text": "the body"}


@given(st.text(max_size=200), st.text(max_size=60))
def test_whatever_is_pasted_it_answers(body: str, headers: str):
    made = of(sample(body, headers))
    assert made.outcome in ("text", "event", "not_understood")
    json.dumps(made.as_json())


def test_of_a_long_one_only_so_many_places_are_tried():
    body = {f"name{n}": "x" for n in range(300)} | {"from": "+6581230000", "text": "hi"}
    made = of(sample(json.dumps(body)))
    assert made.understood
    assert sources(made) == {"from": None, "text": None}, "nobody can say"
