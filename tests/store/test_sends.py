"""What an owner changes of an endpoint, and texts that somebody picks for one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from mmconnect.domain.ids import DELIVERY
from mmconnect.domain.models import (
    EVERYTHING,
    Condition,
    EndpointState,
    Kind,
    Match,
    Message,
    Numbers,
    Routing,
    Trigger,
)
from mmconnect.store import claims, configuration, deliveries, endpoints, messages, routings, sends
from mmconnect.store.connection import transaction
from mmconnect.store.sends import Sent, Skip
from mmconnect.webhook import headers
from tests.store.conftest import House
from tests.store.making import BOOT, NOW, delivery, endpoint, ids, message, new_message

CHANGED: dict[str, Any] = {
    "name": "New",
    "url": "https://new.example/",
    "numbers": Numbers.DIGITS,
    "events": frozenset({"device.silent"}),
    "max_age": 60,
    "plain_headers": False,
    "concurrency": 3,
    "schedule": (0, 7),
    "strict_order": True,
    "headers": (("X-Api-Key", "k"), ("X-Umlaut", "ü")),
    "routing": Routing(
        id="rule_1",
        devices=frozenset({"dev_1"}),
        sims=frozenset({2}),
        senders=(Condition(match=Match.PREFIX, value="+65"),),
        texts=(Condition(match=Match.PATTERN, value=r"\bcödé\b"),),
    ),
    "ca": "-----BEGIN CERTIFICATE-----",
    "plain_http": True,
}
OTHERS = {"id", "state", "held_class", "held_reason", "held_at", "alert", "created_at"} | {
    *("removed_at", "secrets", "probe_asked_at")
}


def test_everything_that_an_owner_sets_is_written(house: House) -> None:
    assert {f.name for f in fields(house.endpoint)} == set(CHANGED) | OTHERS, "which is it?"
    made = replace(house.endpoint, **CHANGED)
    with transaction(house.db):
        endpoints.update(house.db, made)
    assert endpoints.get(house.db, made.id) == made


@pytest.mark.parametrize("name", CHANGED)
def test_each_alone_too_and_the_service_notices(house: House, name: str) -> None:
    before = configuration.revision(house.db)
    made = replace(house.endpoint, **{name: CHANGED[name]})
    with transaction(house.db):
        endpoints.update(house.db, made)
    assert configuration.load(house.db).endpoints == {made.id: made}
    assert configuration.revision(house.db) != before


def test_what_the_service_has_learnt_meanwhile_stays(house: House) -> None:
    """Somebody's form is open while the endpoint is held."""
    with transaction(house.db):
        endpoints.hold(
            house.db, house.endpoint.id, "gone", "It answered 410", NOW, house.endpoint.url
        )
        endpoints.update(house.db, replace(house.endpoint, name="New", alert=True, secrets=()))
    found = endpoints.get(house.db, house.endpoint.id)
    assert found is not None
    assert (found.name, found.state) == ("New", EndpointState.HELD)
    assert (found.held_reason, found.alert) == ("It answered 410", False)
    assert found.secrets == house.endpoint.secrets


def test_others_stay_as_they_are(house: House) -> None:
    other = endpoint("Other")
    with transaction(house.db):
        endpoints.add(house.db, other)
        endpoints.update(house.db, replace(house.endpoint, **CHANGED))
    assert endpoints.get(house.db, other.id) == other


@pytest.mark.parametrize(
    "broken", ['{"X-A": "a\\r\\nX-B: b"}', '{"X-A": 5}', '{"X-A": null}', "[]", "nonsense", '"x"']
)
def test_headers_that_were_broken_by_hand_are_read_and_never_sendable(
    house: House, broken: str
) -> None:
    house.db.execute("UPDATE endpoints SET headers = ?", (broken,))
    (found,) = configuration.load(house.db).endpoints.values()
    assert headers.validate(found.headers)


def test_routing_survives_its_column() -> None:
    for value in (EVERYTHING, CHANGED["routing"], Routing(id="rule_1")):
        assert routings.read(routings.written(value)) == value
    assert routings.read("{}") is EVERYTHING, "which the hot path knows by its identity"


# -- texts that somebody picks ---


def text(house: House, *sent: str, **more: Any) -> Message:
    """A text in the database, with a finished delivery to each endpoint in `sent`."""
    made = message(house.device.id, **more)
    new = [delivery(made, endpoint_id, boot_id=BOOT) for endpoint_id in sent]
    with transaction(house.db):
        messages.take(house.db, new_message(made, new))
        house.db.execute("UPDATE deliveries SET state = 'delivered' WHERE state = 'in_flight'")
    return made


def send(house: House, *chosen: Message, own: bytes | None = None) -> list[Sent]:
    with transaction(house.db):
        return sends.send(
            house.db,
            [m.id for m in chosen],
            house.endpoint.id,
            now=NOW + 5,
            new_id=lambda: ids.new(DELIVERY),
            write=lambda m, kept: own,
        )


def body(house: House) -> bytes:
    """What the one waiting delivery would send."""
    by = claims.Claim(
        endpoint_id=house.endpoint.id, boot_id=BOOT, now=NOW + 5, too_old=0, max_age=60
    )
    (flight,) = claims.claim(house.db, by, slots=9, busy=[]).flights
    return flight.body


def test_a_text_that_it_never_got(house: House) -> None:
    made = text(house)
    before = configuration.revision(house.db)
    (sent,) = send(house, made)
    assert (sent.message_id, sent.skip) == (made.id, None)
    assert configuration.revision(house.db) != before, "a running service notices"
    (found,) = deliveries.of_message(house.db, made.id)
    assert (found.id, found.trigger, found.state) == (sent.delivery_id, Trigger.SEND, "pending")
    assert (found.created_at, found.due_at, found.sender) == (NOW + 5, NOW + 5, made.sender)
    assert json.loads(body(house)) == {"id": made.id}, "the message's own form"


def test_the_endpoints_own_form(house: House) -> None:
    send(house, text(house), own=b"{own}")
    assert body(house) == b"{own}"


@pytest.mark.parametrize("first", [None, b"{first}"])
def test_what_it_got_before_comes_as_the_same_bytes(house: House, first: bytes | None) -> None:
    made = text(house, house.endpoint.id)
    house.db.execute("UPDATE deliveries SET payload = ?", (first,))
    (sent,) = send(house, made, own=b"{as it would be now}")
    assert sent.skip is None
    assert body(house) == (first or b'{"id":"%s"}' % made.id.encode())
    assert len(deliveries.of_message(house.db, made.id)) == 2


@pytest.mark.parametrize("state", ["pending", "in_flight"])
def test_what_is_under_way_is_not_sent_twice(house: House, state: str) -> None:
    made = text(house, house.endpoint.id, house.endpoint.id)
    old, _ = deliveries.of_message(house.db, made.id)
    house.db.execute("UPDATE deliveries SET state = ? WHERE id = ?", (state, old.id))
    before = configuration.revision(house.db)
    assert send(house, made) == [Sent(message_id=made.id, delivery_id=old.id, skip=Skip.UNDER_WAY)]
    assert configuration.revision(house.db) == before


def test_what_is_under_way_elsewhere_is_no_obstacle(house: House) -> None:
    other = endpoint("Other")
    with transaction(house.db):
        endpoints.add(house.db, other)
    made = text(house, other.id)
    house.db.execute("UPDATE deliveries SET state = 'pending'")
    assert [one.skip for one in send(house, made)] == [None]


def test_what_cannot_be_sent(house: House) -> None:
    wiped = text(house)
    house.db.execute("UPDATE messages SET wiped_at = 1, text = '' WHERE id = ?", (wiped.id,))
    asked = [
        wiped,
        text(house, kind=Kind.UNRECOGNISED),
        text(house, kind=Kind.EVENT),
        text(house, test=True),
        text(house),
    ]
    told = [one.skip for one in send(house, *asked)]
    assert told == [Skip.WIPED, Skip.UNRECOGNISED, Skip.EVENT, Skip.TEST, None]
    assert sends.unknown(house.db, [asked[0].id, "msg_none"]) == ["msg_none"]


def test_a_text_that_was_deleted_meanwhile_is_left_out(house: House) -> None:
    gone, kept = text(house), text(house)
    house.db.execute("DELETE FROM messages WHERE id = ?", (gone.id,))
    assert [one.message_id for one in send(house, gone, kept)] == [kept.id]


def test_an_endpoint_that_was_removed_meanwhile_gets_nothing(house: House) -> None:
    made = text(house)
    with transaction(house.db):
        endpoints.remove(house.db, house.endpoint.id, NOW)
    send(house, made)
    assert [d.state for d in deliveries.of_message(house.db, made.id)] == ["cancelled"]


def test_what_a_routing_is_tried_on(house: House) -> None:
    real = [text(house, text=f"text {n}") for n in range(4)]
    text(house, kind=Kind.UNRECOGNISED)
    text(house, kind=Kind.EVENT)
    text(house, test=True)
    house.db.execute("UPDATE messages SET wiped_at = 1 WHERE id = ?", (real[3].id,))
    assert [m.text for m in messages.recent(house.db, 50)] == ["text 2", "text 1", "text 0"]
    assert messages.recent(house.db, 2) == [real[2], real[1]]


def test_how_many_deliveries_a_message_has(house: House) -> None:
    assert deliveries.count_of(house.db, text(house).id) == 0
    assert deliveries.count_of(house.db, text(house, house.endpoint.id).id) == 1
