"""The registry and its door: what auto makes of each app, and that nothing ever raises."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.phones.apps import APPS, generic, incoming_sms, read, smsforwarder, smsgate
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.push import DeviceEvent, IncomingText, NotUnderstood, Push, Reading, Texts
from tests.support import phones

MODULES = (smsgate, incoming_sms, smsforwarder, generic)

EVERY_WIRE: dict[str, tuple[str, phones.Wire]] = {
    "smsgate": ("smsgate", phones.smsgate_sms()),
    "incoming_sms": ("incoming_sms", phones.incoming_sms()),
    "incoming_sms broken": ("incoming_sms", phones.incoming_sms(sender='A"B')),
    "smsforwarder json": ("smsforwarder", phones.smsforwarder_json()),
    "smsforwarder form": ("smsforwarder", phones.smsforwarder_form()),
    "json": ("generic", phones.generic_json()),
    "form": ("generic", phones.generic_form()),
    "multipart": ("generic", phones.generic_multipart()),
    "plain": ("generic", phones.generic_plain()),
    "envaya": ("generic", phones.envaya()),
    "smssync": ("generic", phones.smssync()),
    "textbee app": ("generic", phones.textbee_app()),
    "textbee": ("generic", phones.textbee()),
    "httpsms app": ("generic", phones.httpsms_app()),
    "httpsms": ("generic", phones.httpsms()),
}


def test_names_and_who_retries() -> None:
    assert {name: app.retries for name, app in APPS.items()} == {
        "auto": False,
        "smsgate": True,
        "incoming_sms": True,
        "smsforwarder": True,
        "tasker": False,
        "macrodroid": False,
        "automate": False,
        "shortcuts": False,
        "termux": True,
        "gammu": True,
        "smstools": True,
        "kannel": True,
        "generic": False,
    }
    assert all(app.name == name and app.label for name, app in APPS.items())


@pytest.mark.parametrize(("app", "wire"), EVERY_WIRE.values(), ids=EVERY_WIRE)
def test_auto_knows_each_app(app: str, wire: phones.Wire) -> None:
    pushed = phones.as_push(*wire)
    reading = read("auto", pushed, {})
    assert isinstance(reading, Texts), reading
    assert reading.app == app
    assert reading == read(app, pushed, {})
    assert reading == read("no such app", pushed, {})
    shaped = {name for name, known in APPS.items() if known.recognises(pushed)}
    assert shaped == {"auto", "generic", app}


WORDS = '"event" "payload" "deviceId" "from" "text" "sentStamp" "ts" "received" "device" &content='


@pytest.mark.parametrize(
    "wire",
    [phones.generic_json({"from": "+1", "text": WORDS}), phones.generic_plain(WORDS, "+1")],
    ids=["json", "plain"],
)
def test_words_do_not_make_an_app(wire: phones.Wire) -> None:
    reading = read("auto", phones.as_push(*wire), {})
    assert isinstance(reading, Texts)
    assert (reading.app, reading.texts[0].text) == ("generic", WORDS)


@pytest.mark.parametrize(("app", "wire"), EVERY_WIRE.values(), ids=EVERY_WIRE)
def test_a_device_set_to_another_app_is_told_so(app: str, wire: phones.Wire) -> None:
    pushed = phones.as_push(*wire)
    for name in APPS:
        reading = read(name, pushed, {})
        if isinstance(reading, NotUnderstood) and app != "generic":
            assert f"set this device's app to {app} or to auto" in reading.reason
        if isinstance(reading, NotUnderstood):
            assert "482913" not in reading.reason


def test_a_mistake_of_ours_keeps_the_push(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret words")

    monkeypatch.setattr(generic, "decode", broken)
    reading = read("generic", phones.as_push(*phones.generic_json()), {})
    assert isinstance(reading, NotUnderstood)
    assert "KeyError" in reading.reason
    assert "secret" not in reading.reason


def test_a_mistake_of_ours_lets_no_signature_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(smsforwarder, "decode", broken)
    pushed = phones.as_push(*phones.smsforwarder_json(key="k"))
    assert APPS["smsforwarder"].verify(pushed, "k") is False
    assert APPS["auto"].verify(pushed, "k") is False


def test_an_app_of_its_own_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        APPS["auto"].name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("app", "wire"), EVERY_WIRE.values(), ids=EVERY_WIRE)
def test_a_text_that_reads_like_a_push_forges_no_sender(app: str, wire: phones.Wire) -> None:
    words = wire[1].decode()
    for sent in (
        phones.as_push(*phones.generic_plain(words, "+1999")),
        phones.as_push({"X-SMS-From": "+1999"}, wire[1]),
        phones.as_push({"X-SMS-From": "+1999", "Content-Type": phones.FORM}, wire[1]),
        phones.as_push({"Content-Type": "text/plain"}, wire[1], {"from": "+1999"}),
        phones.as_push(*phones.generic_json({"from": "+1999", "text": words})),
        phones.as_push(*phones.incoming_sms(words, "+1999")),
        phones.as_push(*phones.smsforwarder_json(words, "+1999")),
        phones.as_push(*phones.smsforwarder_form(words, "+1999")),
        phones.as_push(*phones.smsgate_sms(words, "+1999")),
    ):
        reading = read("auto", sent, {})
        assert isinstance(reading, Texts)
        assert [(t.sender, t.text) for t in reading.texts] == [("+1999", words)]


# never raises


NAMES = st.sampled_from(
    "id event payload deviceId message sender phoneNumber receivedAt messages attachments body "
    "data health checks simCards from text sentStamp receivedStamp sim content timestamp ts sign "
    "action phone_number message_type webhookEvent specversion type sms address _id "
    "encrypted".split()
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["sms:received", "mms:downloaded", "sms:batch:received", "incoming", "+1555"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, st.text()), inner, max_size=6)
    ),
    max_leaves=25,
)
TYPES = st.one_of(
    st.sampled_from(
        ["", phones.JSON, phones.FORM, "text/plain", "multipart/form-data", "text/x-json"]
    ),
    st.text(max_size=20),
)
CHARSETS = st.one_of(
    st.sampled_from(["utf-8", "UTF-8", "utf-16", "utf-7", "gbk", "hex", "idna", "punycode", ""]),
    st.text(max_size=10),
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-sms-from", "x-sms-time", "content-type", "x-signature", "user-agent"]),
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(["multipart/form-data; boundary=B", "me.capcom.smsgateway/1", "\udcff"]),
    ),
)
QUERIES = st.dictionaries(NAMES, st.text(max_size=10), max_size=2)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.text().map(lambda t: t.encode("utf-8", "surrogatepass")),
    VALUES.map(lambda v: json.dumps(v).encode()),
    st.dictionaries(NAMES, SCALARS).map(lambda d: json.dumps(d).encode()),
    st.binary(max_size=100).map(lambda b: b"--B\r\n" + b + b"\r\n--B--"),
    st.binary(max_size=100).map(lambda b: phones.incoming_sms()[1].replace(b"482913", b)),
    st.lists(st.tuples(NAMES, st.text())).map(
        lambda pairs: "&".join(f"{k}={v}" for k, v in pairs).encode("utf-8", "surrogatepass")
    ),
)
PUSHES = st.builds(
    Push, headers=HEADERS, body=BODIES, content_type=TYPES, charset=CHARSETS, query=QUERIES
)
MAPPINGS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}), st.dictionaries(NAMES, st.one_of(NAMES, st.text()), max_size=3)
)


def strings(value: Any) -> Any:
    """Every string in a reading."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from strings(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from strings(list(value.items()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def sound(reading: Reading) -> None:
    assert isinstance(reading, Texts | DeviceEvent | NotUnderstood)
    for text in strings(reading):
        text.encode()
    if isinstance(reading, DeviceEvent):
        json.dumps(reading.detail, allow_nan=False)
    if isinstance(reading, Texts):
        assert reading.texts
        for text in reading.texts:
            assert isinstance(text, IncomingText)
            assert text.sender.strip()


@given(PUSHES, MAPPINGS)
def test_reading_never_raises_and_everything_can_be_stored(
    pushed: Push, mapping: dict[str, str]
) -> None:
    for module in MODULES:
        try:
            sound(module.parse(pushed, mapping))
        except Unreadable as problem:
            str(problem).encode()
    for name in APPS:
        reading = read(name, pushed, mapping)
        sound(reading)
        if isinstance(reading, NotUnderstood):
            assert "mmconnect failed" not in reading.reason


@given(PUSHES, st.text(max_size=10).filter(lambda key: key.isprintable()))
def test_no_unsigned_push_is_ever_verified(pushed: Push, key: str) -> None:
    for module in MODULES:
        assert module.verify(pushed, key) in (False, None)
    for app in APPS.values():
        assert app.verify(pushed, key) in (False, None)
        assert app.recognises(pushed) in (True, False)
