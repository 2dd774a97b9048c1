"""The bodies of operational events, byte for byte, and what never gets into one.

As in test_payload.py, tests/golden holds what receivers know. `python tests/unit/test_events.py`
writes those of cases that are new; it changes none that exist.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.domain.ids import EVENT, Ids, made_at
from mmconnect.domain.models import Device, Endpoint, EndpointState, Numbers, Secret
from mmconnect.webhook import events
from mmconnect.webhook.events import Event, SystemWarning, event_body
from mmconnect.webhook.payload import EVENTS, RECEIVED, Tenant

GOLDEN = Path(__file__).parents[1] / "golden"
ACME = Tenant(id="ten_01JCZZZZZZZZZZZZZZZZZZZZZZ", name="Acme")
ID, AT = "evt_01JD0000000000000000000003", 1_781_274_720_000
SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
REASON = "The receiver did not accept the signature (401). Compare the secrets"


def endpoint(url: str = "https://user:pa55@crm.example/hook?key=k3y#f", name: str = "CRM"):
    return Endpoint(
        id="ep_01JD0000000000000000000001",
        name=name,
        url=url,
        state=EndpointState.ACTIVE,
        held_class=None,
        held_reason=None,
        numbers=Numbers.E164,
        events=frozenset({RECEIVED}),
        max_age=1,
        plain_headers=True,
        concurrency=1,
        created_at=AT,
        secrets=(Secret(value=SECRET, created_at=AT, expires_at=None),),
    )


def device(name: str = "Reception") -> Device:
    return Device(
        id="dev_01JD0000000000000000000000",
        name=name,
        app="auto",
        country=None,
        signing_key="k3y-of-the-device",
        created_at=AT,
    )


def failed(name: str = "CRM", reason: str = REASON) -> Event:
    return events.delivery_failed(
        endpoint(name=name),
        "dlv_01JD0000000000000000000002",
        "msg_01JD0000000000000000000001",
        10,
        reason,
    )


CLOCK = SystemWarning(
    code="clock",
    sentence="This machine's clock is not synchronised.",
    remedy="Check its network; `timedatectl` says more.",
)
CASES: dict[str, tuple[Event, int, bool]] = {
    "device-silent": (events.device_silent(device(), AT - 86_400_000), 1, False),
    "device-recovered": (events.device_recovered(device()), 1, False),
    "device-rejected": (events.device_rejected(device(), "bad_signature"), 1, False),
    "device-rejected-many": (events.device_rejected(device(), "removed"), 1200, False),
    "device-unrecognised": (
        events.device_unrecognised(device(), "msg_01JD0000000000000000000001"),
        1,
        False,
    ),
    "device-unrecognised-many": (
        events.device_unrecognised(device(), "msg_01JD0000000000000000000001"),
        2,
        False,
    ),
    "endpoint-held": (events.endpoint_held(endpoint(), REASON), 1, False),
    "endpoint-recovered": (events.endpoint_recovered(endpoint(), 10_000), 1, False),
    "delivery-failed": (failed(), 1, False),
    "delivery-failed-many": (failed(), 9_999, False),
    "system-warning": (events.system_warning(CLOCK), 1, False),
    "alert-url": (events.system_warning(CLOCK), 1, True),
}
texts = st.text(st.characters(exclude_categories=["Cs"]))


def golden(case: str) -> Path:
    return GOLDEN / f"event-{case}.json"


def body_of(case: str) -> bytes:
    event, count, chat = CASES[case]
    return event_body(event, ID, AT, ACME, count=count, chat=chat)


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_the_ones_receivers_know(case: str):
    assert body_of(case) == golden(case).read_bytes()


def test_no_golden_file_is_left_over_and_every_event_has_one():
    assert {p.name for p in GOLDEN.glob("event-*.json")} == {golden(c).name for c in CASES}
    assert {event.name for event, _, _ in CASES.values()} == events.OPERATIONAL
    assert set(EVENTS) >= events.OPERATIONAL


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_there_in_order(case: str):
    fields = json.loads(body_of(case))
    assert list(fields)[:5] == ["event", "id", "at", "message", "count"]
    bare = [name for name in fields if name not in ("text", "content")]
    assert bare[-2:] == ["tenantId", "tenantName"]
    assert fields["message"].endswith((".", "?"))
    assert "text" not in fields or (fields["text"] == fields["content"] == fields["message"])


@pytest.mark.parametrize("case", CASES)
def test_nothing_secret_is_in_it(case: str):
    body = body_of(case).decode()
    for secret in ("pa55", "user", "k3y", SECRET[6:], "#f", "?key"):
        assert secret not in body


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("http://u:p@[::1]:90/a/b?c=d#e", "http://[::1]:90/a/b"),
        ("https://a@b@host/x", "https://host/x"),
        ("http://host", "http://host"),
        ("http://[broken/", ""),
    ],
)
def test_a_url_is_told_bare(url: str, bare: str):
    assert events.bare_url(url) == bare


@given(name=texts, reason=texts, count=st.integers(1, 10**6))
def test_any_name_survives_waiting_and_telling(name: str, reason: str, count: int):
    event = failed(name, reason)
    waited = events.unpacked(events.packed(event))
    body = event_body(waited, ID, AT, ACME, count=count)
    assert body == event_body(event, ID, AT, ACME, count=count)
    assert b"\n" not in body
    told = json.loads(body)
    assert told["endpoint"]["name"] == name
    assert told["count"] == count
    assert count == 1 or told["message"].startswith(f"{count:,} deliveries")
    assert "{count}" not in told["message"] or count == 1


@pytest.mark.parametrize("case", CASES)
def test_waiting_changes_nothing(case: str):
    event = CASES[case][0]
    assert events.unpacked(events.packed(event)) == event


def test_an_id_tells_when_it_was_made():
    class Fixed:
        def now(self) -> int:
            return AT

        def monotonic(self) -> float:
            return 0.0

    assert made_at(Ids(Fixed()).new(EVENT)) == AT
    assert made_at("msg_short") == 0
    assert made_at("") == 0


if __name__ == "__main__":
    for case in CASES:
        if not golden(case).exists():
            golden(case).write_bytes(body_of(case))
