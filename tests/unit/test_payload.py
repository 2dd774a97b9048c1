"""The webhook's body and headers, byte for byte.

tests/golden holds what receivers were written for: a change there is a major version. The files
have no line end, because the body has none. `python tests/unit/test_payload.py` writes those of
cases that are new; it changes none that exist.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.domain.models import Attachment, Kind, Message, Numbers
from mmconnect.webhook import signing
from mmconnect.webhook.payload import EVENTS, Tenant, message_received

GOLDEN = Path(__file__).parents[1] / "golden"
SECRETS = [
    "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM=",
    "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM=",
]
ACME = Tenant(id="ten_01JCZZZZZZZZZZZZZZZZZZZZZZ", name="Acme")
SMS = Message(
    id="msg_01JD0000000000000000000001",
    kind=Kind.SMS,
    sender="+6581230000",
    sender_raw=None,
    recipient="+6591110000",
    text="balance",
    sim=1,
    sent_at=1_781_274_718_000,
    received_at=1_781_274_720_000,
    device_id="dev_01JD0000000000000000000000",
    device_name="Reception",
)
NOBODY = replace(
    SMS, recipient=None, sim=None, sent_at=None, device_id=None, device_name=None, test=True
)
MMS = replace(
    SMS,
    kind=Kind.MMS,
    text="",
    subject="Door",
    attachments=(
        Attachment(name="door.jpg", content_type="image/jpeg", size=48_213),
        Attachment(name=None, content_type=None, size=None),
    ),
)
CASES: dict[str, tuple[Message, Numbers]] = {
    "sms": (SMS, Numbers.E164),
    "sms-digits": (SMS, Numbers.DIGITS),
    "sms-nulls": (replace(NOBODY, sender=None), Numbers.E164),
    "sms-short-code": (replace(SMS, sender="DBS-Bank", recipient="72323"), Numbers.DIGITS),
    "sms-from-raw": (replace(SMS, sender_raw="8123 0000", ref="order-7"), Numbers.E164),
    "sms-arabic": (replace(SMS, text="مرحبا، رصيدك ١٢ ريال"), Numbers.E164),
    "sms-emoji": (replace(SMS, text='👩‍👩‍👧 "ok"\\ </b> é e\u0301 \u2028'), Numbers.E164),
    "sms-controls": (replace(SMS, text="a\x00b\r\nc\td\x7f\x1b"), Numbers.E164),
    "mms": (MMS, Numbers.E164),
    "mms-empty": (replace(MMS, subject=None, attachments=None), Numbers.E164),
    "data": (replace(SMS, kind=Kind.DATA, text="AQID/w=="), Numbers.E164),
    "sms-rule": (replace(SMS, sender_raw="8123 0000"), Numbers.E164),
}
RULES = {"sms-rule": "rule_01JD0000000000000000000003"}
"""Which routing matched."""
REQUIRED = (
    "event id kind from to text ref sentAt receivedAt deviceId deviceName sim"
    " tenantId tenantName test"
).split()

texts = st.text(st.characters(exclude_categories=["Cs"]))


def golden(case: str) -> Path:
    return GOLDEN / f"webhook-{case}.json"


def written(case: str) -> bytes:
    message, numbers = CASES[case]
    return message_received(message, ACME, numbers, rule_id=RULES.get(case))


def headers_of(body: bytes) -> str:
    headers = signing.signature_headers(SECRETS, SMS.id, 1_781_274_720, body)
    return "".join(f"{name}: {value}\n" for name, value in headers.items())


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_the_ones_receivers_know(case: str):
    assert written(case) == golden(case).read_bytes()


def test_no_golden_file_is_left_over():
    assert {path.name for path in GOLDEN.glob("webhook-*.json")} == {golden(c).name for c in CASES}


def test_the_headers_are_the_ones_receivers_know():
    known = (GOLDEN / "webhook-headers-rotation.txt").read_text(encoding="utf-8")
    assert headers_of(golden("sms").read_bytes()) == known


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_there_in_order(case: str):
    fields = json.loads(golden(case).read_bytes())
    assert list(fields)[: len(REQUIRED)] == REQUIRED
    assert fields["event"] in EVENTS


def test_digits_change_numbers_and_nothing_else():
    plain, bare = (json.loads(golden(c).read_bytes()) for c in ("sms", "sms-digits"))
    assert (bare["from"], bare["to"]) == ("6581230000", "6591110000")
    assert bare | {"from": plain["from"], "to": plain["to"]} == plain


@given(text=texts, sender=texts, name=texts, subject=texts)
def test_any_text_survives_the_journey(text: str, sender: str, name: str, subject: str):
    message = replace(
        MMS,
        text=text,
        sender=sender,
        sender_raw=sender,
        device_name=name,
        subject=subject,
        attachments=(Attachment(name=name, content_type=subject, size=0),),
    )
    body = message_received(message, ACME)
    assert b"\n" not in body
    fields = json.loads(body)
    assert (fields["text"], fields["from"], fields["fromRaw"]) == (text, sender, sender)
    assert (fields["deviceName"], fields["subject"]) == (name, subject)
    assert fields["attachments"] == [{"name": name, "contentType": subject, "size": 0}]
    assert body == message_received(message, ACME), "the same message, the same bytes"


def test_times_have_milliseconds():
    fields = json.loads(message_received(replace(SMS, sent_at=0, received_at=7), ACME))
    assert fields["sentAt"] == "1970-01-01T00:00:00.000Z"
    assert fields["receivedAt"] == "1970-01-01T00:00:00.007Z"


if __name__ == "__main__":
    for case in CASES:
        if not golden(case).exists():
            golden(case).write_bytes(written(case))
