"""A device's own paths, and the signature of a body that has no app."""

from __future__ import annotations

import pytest

from mmconnect.phones.apps import APPS, read
from mmconnect.phones.apps.names import FIELDS, field_of
from mmconnect.phones.push import DeviceEvent, IncomingText, Texts
from tests.phones.apps.reading import NEW_YEAR, one, parse, reason
from tests.support import phones

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
