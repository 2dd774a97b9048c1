"""Operational events in the store: who is told, how often, and that none tells of itself."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from mmconnect.domain.models import Endpoint, Message, Trigger
from mmconnect.store import alerts, configuration, deliveries, devices, endpoints, events, messages
from mmconnect.store import settings as stored
from mmconnect.store.connection import transaction
from mmconnect.store.devices import Presence
from mmconnect.store.outbox import add
from mmconnect.webhook import events as made
from mmconnect.webhook.events import Event, SystemWarning
from mmconnect.webhook.payload import RECEIVED
from tests.store.conftest import House
from tests.store.making import (
    DAY,
    MINUTE,
    NOW,
    delivery,
    device,
    endpoint,
    ids,
    message,
    new_message,
)

HOUR = 60 * MINUTE


@pytest.fixture
def listening(house: House) -> Endpoint:
    """An endpoint that wants every operational event."""
    wants = endpoint("Watcher", events=made.OPERATIONAL)
    with transaction(house.db):
        endpoints.add(house.db, wants)
    return wants


def tell(db: sqlite3.Connection, event: Event, now: int = NOW, **more: Any) -> int:
    with transaction(db):
        return events.tell(db, configuration.load(db), ids, now, event, **more)


def flush(db: sqlite3.Connection, now: int) -> int:
    due = events.is_due(db, now)
    with transaction(db):
        told = events.flush(db, configuration.load(db), ids, now)
    assert due is bool(told)
    return told


def warning(code: str = "disk") -> Event:
    return made.system_warning(
        SystemWarning(code=code, sentence="The disk is full.", remedy="Free some space.")
    )


def told(db: sqlite3.Connection, endpoint_id: str | None = None) -> list[dict[str, Any]]:
    """The bodies that wait, oldest first."""
    rows = db.execute(
        "SELECT coalesce(d.payload, m.payload), d.endpoint_id FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id WHERE m.kind = 'event' ORDER BY d.id"
    )
    return [json.loads(row[0]) for row in rows if endpoint_id in (None, row[1])]


def failed(house: House, of: Message | None = None, **how: Any) -> Event:
    """A delivery of a text to the house's endpoint, and the event of its failure."""
    value = of or message(house.device.id)
    new = delivery(value, house.endpoint.id, **how)
    with transaction(house.db):
        if of is None:
            messages.insert(house.db, new_message(value))
        add(house.db, new)
    return made.delivery_failed(house.endpoint, new.id, value.id, 10, "It failed (500)")


# -- who is told --------------------------------------------------------------------------------


def test_nobody_wants_it_and_nothing_is_written(house: House):
    assert tell(house.db, warning()) == 0
    for table in ("messages", "deliveries", "events_told"):
        assert house.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_an_event_is_a_message_with_a_delivery_like_any_other(house: House, listening: Endpoint):
    assert tell(house.db, warning()) == 1
    ((delivery_id, message_id),) = house.db.execute("SELECT id, message_id FROM deliveries")
    found = deliveries.get(house.db, delivery_id)
    assert found is not None
    assert (found.state, found.trigger, found.endpoint_id) == ("pending", "event", listening.id)
    assert (found.due_at, found.created_at) == (NOW, NOW)
    kept = messages.get(house.db, message_id)
    assert kept is not None
    assert message_id.startswith("evt_")
    assert (kept.message.kind, kept.message.text, kept.message.received_at) == ("event", "", NOW)
    assert kept.note == "system.warning: The disk is full. Free some space."
    assert kept.payload is not None
    assert json.loads(kept.payload)["id"] == message_id


def test_lists_of_texts_do_not_show_events(house: House, listening: Endpoint):
    text = message(house.device.id)
    with transaction(house.db):
        messages.insert(house.db, new_message(text))
    tell(house.db, warning())
    assert [m.message.id for m in messages.latest(house.db, 10)] == [text.id]
    (event,) = messages.latest(house.db, 10, events=True)
    assert event.message.kind == "event"


def test_an_event_about_an_endpoint_never_goes_there(house: House, listening: Endpoint):
    assert tell(house.db, made.endpoint_held(listening, "It is gone (410)")) == 0
    assert tell(house.db, made.endpoint_held(house.endpoint, "It is gone (410)")) == 1
    assert [e["endpoint"]["id"] for e in told(house.db)] == [house.endpoint.id]
    assert tell(house.db, warning(), about=listening.id) == 0


def test_only_what_was_ticked(house: House):
    some = endpoint("Some", events=frozenset({RECEIVED, made.SYSTEM_WARNING}))
    with transaction(house.db):
        endpoints.add(house.db, some)
    assert tell(house.db, made.device_recovered(house.device)) == 0
    assert tell(house.db, warning()) == 1


@pytest.mark.parametrize("kind", ["event", "test"])
def test_what_becomes_of_an_event_or_a_test_is_no_event(
    house: House, listening: Endpoint, kind: str
):
    assert tell(house.db, failed(house)) == 1
    later = NOW + HOUR
    if kind == "test":
        event = failed(house, trigger=Trigger.TEST)
    else:
        (event_id,) = house.db.execute("SELECT id FROM messages WHERE kind = 'event'").fetchone()
        value = messages.get(house.db, event_id)
        assert value is not None
        event = failed(house, of=value.message, trigger=Trigger.EVENT)
    assert tell(house.db, event, later) == 0
    assert tell(house.db, failed(house), later) == 1


# -- how often ----------------------------------------------------------------------------------


def test_ten_thousand_failures_are_two_events(house: House, listening: Endpoint):
    event = failed(house)
    with transaction(house.db):
        known = configuration.load(house.db)
        made_now = [events.tell(house.db, known, ids, NOW + n, event) for n in range(10_000)]
    assert sum(made_now) == 1
    assert flush(house.db, NOW + 10 * MINUTE - 1) == 0
    assert flush(house.db, NOW + 10 * MINUTE) == 1
    assert flush(house.db, NOW + 20 * MINUTE) == 0
    first, second = told(house.db)
    assert (first["count"], second["count"]) == (1, 9_999)
    assert second["message"].startswith("9,999 deliveries to Receiver have failed for good")
    assert second["at"] == "2026-05-28T20:26:49.999Z"


def test_the_next_one_after_a_quiet_time_brings_the_count(house: House, listening: Endpoint):
    for minute in (0, 1, 2):
        tell(house.db, failed(house), NOW + minute * MINUTE)
    assert tell(house.db, failed(house), NOW + 11 * MINUTE) == 1
    assert [e["count"] for e in told(house.db)] == [1, 3]
    assert flush(house.db, NOW + DAY) == 0


def test_subjects_have_their_own_times(house: House, listening: Endpoint):
    other = device("Other")
    for event in (
        made.device_rejected(house.device, "removed"),
        made.device_rejected(other, "removed"),
    ):
        assert tell(house.db, event) == 1
        assert tell(house.db, event, NOW + HOUR - 1) == 0
        assert tell(house.db, event, NOW + HOUR) == 1
    assert tell(house.db, warning("disk")) == 1
    assert tell(house.db, warning("clock")) == 1


def test_an_endpoint_that_flaps_ends_with_how_it_is(house: House, listening: Endpoint):
    held = made.endpoint_held(house.endpoint, "It is not there")
    well = made.endpoint_recovered(house.endpoint)
    for second in range(0, 100, 10):
        tell(house.db, held, NOW + second * 1000)
        tell(house.db, well, NOW + second * 1000 + 5000)
    tell(house.db, held, NOW + 100_000)
    assert [e["event"] for e in told(house.db)] == ["endpoint.held", "endpoint.recovered"]
    assert flush(house.db, NOW + 10 * MINUTE) == 1
    assert [e["event"] for e in told(house.db)][2:] == ["endpoint.held"]
    assert flush(house.db, NOW + DAY) == 0


def test_a_clock_that_jumps_back_silences_nobody(house: House, listening: Endpoint):
    assert tell(house.db, warning(), NOW) == 1
    assert tell(house.db, warning(), NOW - 400 * DAY) == 1
    assert tell(house.db, warning(), NOW - 400 * DAY + 1) == 0


def test_what_nobody_wants_any_more_is_dropped(house: House, listening: Endpoint):
    for n in range(3):
        tell(house.db, warning(), NOW + n)
    with transaction(house.db):
        endpoints.remove(house.db, listening.id, NOW)
        known = configuration.load(house.db)
        assert events.flush(house.db, known, ids, NOW + HOUR) == 0
    assert not events.is_due(house.db, NOW + DAY)


def test_what_is_long_past_is_forgotten(house: House, listening: Endpoint):
    tell(house.db, warning())
    flush(house.db, NOW + DAY)
    assert house.db.execute("SELECT count(*) FROM events_told").fetchone() == (1,)
    flush(house.db, NOW + 3 * DAY)
    assert house.db.execute("SELECT count(*) FROM events_told").fetchone() == (0,)


def test_a_write_that_is_undone_told_nobody(house: House, listening: Endpoint):
    house.db.execute("BEGIN")
    assert events.tell(house.db, configuration.load(house.db), ids, NOW, warning()) == 1
    house.db.execute("ROLLBACK")
    assert told(house.db) == []
    assert tell(house.db, warning(), NOW + 1) == 1


# -- pushes that were refused -------------------------------------------------------------------


def test_refused_pushes_are_told_with_their_number(house: House, listening: Endpoint):
    def save(rejected: int, now: int) -> int:
        presence = Presence(
            device_id=house.device.id,
            rejected=rejected,
            rejected_at=now,
            rejected_reason="bad_signature",
        )
        with transaction(house.db):
            known = configuration.load(house.db)
            return events.save_presences(house.db, known, ids, now, [presence])

    assert save(0, NOW) == 0
    assert save(7, NOW) == 1
    assert save(7, NOW + 2 * HOUR) == 0, "nothing new"
    assert save(9, NOW + 2 * HOUR) == 1
    assert [e["count"] for e in told(house.db)] == [7, 2]
    assert devices.rejected(house.db, house.device.id) == 9


# -- the alert URL ------------------------------------------------------------------------------


def alert_url(db: sqlite3.Connection, url: str | None, now: int = NOW) -> str | None:
    with transaction(db):
        if url is None:
            stored.remove(db, "alert_url")
        else:
            stored.put(db, "alert_url", url)
        return alerts.sync(db, ids, now)


def test_the_alert_url_is_an_endpoint_that_follows_the_setting(house: House):
    assert alert_url(house.db, None) is None
    assert alerts.find(house.db) is None
    secret = alert_url(house.db, "https://alerts.example/a")
    assert secret is not None
    first = alerts.find(house.db)
    assert first is not None
    assert (first.name, first.events, first.secrets[0].value) == (
        "Alerts",
        made.OPERATIONAL,
        secret,
    )
    assert alert_url(house.db, "https://alerts.example/a") is None
    with transaction(house.db):
        endpoints.hold(house.db, first.id, "gone", "It is gone", NOW, first.url)
    assert alert_url(house.db, "https://other.example/b") is None
    moved = alerts.find(house.db)
    assert moved is not None
    assert (moved.id, moved.url, moved.state) == (first.id, "https://other.example/b", "active")
    assert (moved.held_class, moved.secrets) == (None, first.secrets)
    tell(house.db, warning())
    assert alert_url(house.db, "off") is None
    assert alerts.find(house.db) is None
    assert house.db.execute("SELECT state FROM deliveries").fetchall() == [("cancelled",)]
    again = alert_url(house.db, "https://alerts.example/a")
    assert again not in (None, secret)


def test_the_alert_url_gets_everything_but_what_is_about_itself(house: House, listening: Endpoint):
    alert_url(house.db, "https://alerts.example/a")
    alert = alerts.find(house.db)
    assert alert is not None
    assert tell(house.db, warning()) == 2
    assert tell(house.db, made.endpoint_held(alert, "Nothing listens there")) == 1
    assert tell(house.db, made.endpoint_held(listening, "Nothing listens there")) == 1
    (first, second) = told(house.db, alert.id)
    assert first["text"] == first["content"] == first["message"]
    assert second["endpoint"]["id"] == listening.id
    assert all("text" not in body for body in told(house.db, listening.id))


def test_what_failed_at_the_old_alert_url_goes_to_the_new_one_at_once(house: House):
    alert_url(house.db, "https://alerts.example/a")
    tell(house.db, warning())
    later = "UPDATE deliveries SET attempts = 3, due_at = ?"
    with transaction(house.db):
        house.db.execute(later, (NOW + 7_200_000,))
    alert_url(house.db, "https://other.example/b", NOW + 1000)
    ((due_at,),) = house.db.execute("SELECT due_at FROM deliveries").fetchall()
    assert due_at <= NOW + 1000
