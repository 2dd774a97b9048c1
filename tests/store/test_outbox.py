"""The outbox: claimed one per sender, settled once, swept after a crash, sent again, cancelled."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest

from mmconnect.domain.models import DeliveryState, Endpoint, Flight, Trigger
from mmconnect.store import claims, deliveries, endpoints, messages, outbox
from mmconnect.store.connection import transaction
from mmconnect.webhook import schedule
from tests.store.conftest import House
from tests.store.making import (
    BOOT,
    DAY,
    MINUTE,
    NOW,
    attempt,
    delivery,
    endpoint,
    message,
    new_message,
)

BUDGET = len(schedule.DEFAULT)


def waiting(house: House, text: str = "hello", **more: Any) -> str:
    """A text for the house's endpoint; the id of its delivery. `boot_id`: it is in flight."""
    born = {k: more.pop(k) for k in ("boot_id", "trigger", "payload") if k in more}
    to = more.pop("to", house.endpoint)
    value = message(house.device.id, text, **more)
    new = delivery(value, to.id, **born)
    with transaction(house.db):
        messages.take(house.db, new_message(value, [new]))
    return new.id


def claim(house: House, **more: Any) -> tuple[list[Flight], int | None]:
    how: dict[str, Any] = {
        "endpoint_id": house.endpoint.id,
        "now": NOW,
        "boot_id": BOOT,
        "too_old": 0,
        "max_age": 1209600,
    }
    slots, busy = more.pop("slots", 64), more.pop("busy", ())
    with transaction(house.db):
        found = claims.claim(house.db, claims.Claim(**(how | more)), slots=slots, busy=busy)
    return list(found.flights), found.next_due


@pytest.mark.parametrize("state", ["held", "paused"])
def test_what_waits_is_told_although_nothing_of_it_may_go_out(house: House, state: str):
    """Whoever asks may not know the state yet, and would take nothing for an empty outbox."""
    waiting(house)
    with transaction(house.db):
        house.db.execute("UPDATE endpoints SET state = ?", (state,))
    assert claim(house) == ([], NOW)


def second_endpoint(house: House) -> Endpoint:
    made = endpoint("Other")
    with transaction(house.db):
        endpoints.add(house.db, made)
    return made


def state(house: House, delivery_id: str) -> DeliveryState:
    found = deliveries.get(house.db, delivery_id)
    assert found is not None
    return found.state


# -- claim --------------------------------------------------------------------------------------


def test_a_claimed_text_has_all_that_one_post_needs(house: House) -> None:
    delivery_id = waiting(house, "hello")
    (flight,), next_due = claim(house)
    stored = deliveries.get(house.db, delivery_id)
    assert stored is not None
    assert (flight.delivery_id, flight.message_id) == (delivery_id, stored.message_id)
    assert (flight.number, flight.spent, flight.trigger) == (1, 1, Trigger.PUSH)
    assert flight.body == b'{"id":"%s"}' % stored.message_id.encode()
    assert (stored.state, stored.due_at, stored.started_at) == (DeliveryState.IN_FLIGHT, None, NOW)
    assert next_due is None


def test_the_body_of_its_own_goes_before_the_messages(house: House) -> None:
    waiting(house, payload=b"digits")
    (flight,), _ = claim(house)
    assert flight.body == b"digits"


def test_a_text_is_claimed_once(house: House) -> None:
    waiting(house)
    assert len(claim(house)[0]) == 1
    assert claim(house) == ([], None)


def test_one_per_sender_oldest_first(house: House) -> None:
    a1 = waiting(house, "a1", sender="A", received_at=NOW - 30)
    b1 = waiting(house, "b1", sender="B", received_at=NOW - 20)
    a2 = waiting(house, "a2", sender="A", received_at=NOW - 10)
    first, next_due = claim(house)
    assert [f.delivery_id for f in first] == [a1, b1]
    assert next_due == NOW - 10
    assert claim(house, busy={"A", "B"}) == ([], NOW - 10)
    assert [f.delivery_id for f in claim(house, busy={"B"})[0]] == [a2]


def test_of_the_same_moment_the_first_made_goes_first(house: House) -> None:
    made = [waiting(house, f"{n}", sender=f"{n}") for n in range(5)]
    assert [f.delivery_id for f in claim(house)[0]] == made


def test_no_more_than_there_are_slots(house: House) -> None:
    made = [waiting(house, f"{n}", sender=f"{n}", received_at=NOW - 50 + n) for n in range(5)]
    first, next_due = claim(house, slots=2)
    assert [f.delivery_id for f in first] == made[:2]
    assert next_due == NOW - 48
    assert [f.delivery_id for f in claim(house, slots=8)[0]] == made[2:]


def test_a_long_row_of_one_sender_hides_nobody_for_good(house: House) -> None:
    """Another's text, due behind thirty of one sender, follows at the next look."""
    for n in range(30):
        waiting(house, f"{n}", sender="A", received_at=NOW - 1000 + n)
    other = waiting(house, "other", sender="B", received_at=NOW)
    first, _ = claim(house, slots=4)
    busy = [f.sender for f in first]
    second, _ = claim(house, slots=3, busy=busy)
    assert busy[0] == "A"
    assert other in [f.delivery_id for f in (*first, *second)]


def test_what_is_due_later_waits(house: House) -> None:
    delivery_id = waiting(house, received_at=NOW + 5)
    assert claim(house, now=NOW + 4) == ([], NOW + 5)
    assert [f.delivery_id for f in claim(house, now=NOW + 5)[0]] == [delivery_id]


@pytest.mark.parametrize("free", [False, True])
def test_a_new_text_brings_no_old_one_of_its_sender_with_it_as_a_probe(
    house: House, free: bool
) -> None:
    """A door opener's text of an hour ago: it expires, though a retry had put it behind others."""
    old = waiting(house, "old", received_at=NOW - 3_600_000)
    new = waiting(house, "new", received_at=NOW)
    by = claims.Claim(
        endpoint_id=house.endpoint.id, now=NOW, boot_id=BOOT, too_old=NOW - 60_000, max_age=60
    )
    with transaction(house.db):
        if free:
            later = "UPDATE deliveries SET due_at = ?, attempts = 1 WHERE id = ?"
            house.db.execute(later, (NOW + 5000, old))
        found = claims.claim_probe(
            house.db, by, free=free, spare_last=False, budget=10, arrival=True, avoid=None
        )
    assert [flight.delivery_id for flight in found.flights] == [new]
    assert found.expired == [old]
    assert state(house, old) is DeliveryState.EXPIRED


def test_a_new_text_is_the_probe_even_where_probes_are_free(house: House) -> None:
    """Else two texts that a receiver chokes on with 503 would take turns for ever."""
    for sender in ("poison 1", "poison 2"):
        waiting(house, sender, sender=sender, received_at=NOW - 60_000)
    old = waiting(house, "old", sender="C", received_at=NOW - 50_000)
    waiting(house, "new", sender="C", received_at=NOW)
    by = claims.Claim(
        endpoint_id=house.endpoint.id, now=NOW, boot_id=BOOT, too_old=0, max_age=86_400
    )
    with transaction(house.db):
        found = claims.claim_probe(
            house.db, by, free=True, spare_last=False, budget=10, arrival=True, avoid="poison 1"
        )
    assert [flight.delivery_id for flight in found.flights] == [old], "in its sender's order"


def test_an_endpoint_gets_only_its_own(house: House) -> None:
    other = second_endpoint(house)
    mine, its = waiting(house), waiting(house, to=other)
    assert [f.delivery_id for f in claim(house)[0]] == [mine]
    assert [f.delivery_id for f in claim(house, endpoint_id=other.id)[0]] == [its]


def test_the_hot_path_searches_and_never_scans_or_sorts(house: House) -> None:
    """A million old deliveries must not slow the next one down."""
    waiting(house, sender="A")
    ran: list[str] = []
    house.db.set_trace_callback(ran.append)
    claim(house, busy=("B", "C"))
    settle(house, waiting(house, sender="D", boot_id=BOOT), DeliveryState.DELIVERED)
    house.db.set_trace_callback(None)
    statements = [sql for sql in ran if sql.split()[0] in ("SELECT", "UPDATE", "INSERT")]
    steps = [
        (row[3], sql)
        for sql in statements
        for row in house.db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    ]
    assert len(statements) > 6
    assert any("deliveries_due" in step for step, _ in steps)
    tables = re.compile(
        r"SCAN (d|m|a|deliveries|messages|attempts|dedupe_keys)\b(?!.* deliveries_parked)"
        "|.*TEMP B-TREE"
    )
    assert [(step, sql) for step, sql in steps if tables.match(step)] == []


# -- settle -------------------------------------------------------------------------------------


def settle(house: House, delivery_id: str, to: DeliveryState, due_at: int | None = None) -> None:
    with transaction(house.db):
        stored = deliveries.get(house.db, delivery_id)
        assert stored is not None
        made = attempt(delivery_id, outcome=to.value)
        outbox.settle(house.db, made, to, spent=stored.spent, due_at=due_at, now=NOW + 9)


def test_a_result_is_recorded_with_its_attempt(house: House) -> None:
    delivery_id = waiting(house)
    claim(house)
    settle(house, delivery_id, DeliveryState.DELIVERED)
    stored = deliveries.get(house.db, delivery_id)
    assert stored is not None
    assert (stored.state, stored.finished_at, stored.due_at) == (
        DeliveryState.DELIVERED,
        NOW + 9,
        None,
    )
    assert [a.number for a in deliveries.attempts(house.db, delivery_id)] == [1]
    assert claim(house, now=NOW + DAY) == ([], None)


def test_a_failure_waits_for_its_time_and_counts(house: House) -> None:
    delivery_id = waiting(house)
    claim(house)
    settle(house, delivery_id, DeliveryState.PENDING, due_at=NOW + 5000)
    assert claim(house, now=NOW + 4999) == ([], NOW + 5000)
    (flight,), _ = claim(house, now=NOW + 5000)
    assert (flight.number, flight.spent) == (2, 2)
    stored = deliveries.get(house.db, delivery_id)
    assert stored is not None
    assert stored.finished_at is None


@pytest.mark.parametrize("now_it_is", ["cancelled", "failed", "expired", "delivered"])
def test_what_is_no_longer_in_flight_keeps_its_state(house: House, now_it_is: str) -> None:
    delivery_id = waiting(house)
    claim(house)
    house.db.execute("UPDATE deliveries SET state = ?", (now_it_is,))
    settle(house, delivery_id, DeliveryState.PENDING, due_at=NOW)
    assert state(house, delivery_id) == now_it_is
    assert len(deliveries.attempts(house.db, delivery_id)) == 1  # the POST was made, so it is told


def test_cancelled_and_yet_delivered_is_delivered(house: House) -> None:
    delivery_id = waiting(house)
    claim(house)
    house.db.execute("UPDATE deliveries SET state = 'cancelled'")
    settle(house, delivery_id, DeliveryState.DELIVERED)
    assert state(house, delivery_id) is DeliveryState.DELIVERED


# -- sweep --------------------------------------------------------------------------------------


def sweep(house: House, boot_id: str = "boot_2", now: int = NOW + 60_000) -> int:
    with transaction(house.db):
        return outbox.sweep(house.db, boot_id=boot_id, now=now, budgets={}, budget=BUDGET)


def test_what_an_earlier_boot_left_in_flight_is_due_at_once_and_marked(house: House) -> None:
    claimed = waiting(house, "claimed", sender="A")
    claim(house)
    born = waiting(house, "born", sender="B", boot_id=BOOT)
    waits = waiting(house, "waits", sender="C", received_at=NOW + DAY)
    assert sweep(house) == 2
    for delivery_id in (claimed, born):
        stored = deliveries.get(house.db, delivery_id)
        assert stored is not None
        assert (stored.state, stored.due_at) == (DeliveryState.PENDING, NOW), "in its old place"
        assert (stored.attempts, stored.spent) == (1, 1)
        (told,) = deliveries.attempts(house.db, delivery_id)
        assert (told.number, told.outcome, told.status) == (1, "interrupted", None)
        assert "may have been delivered" in (told.error or "")
    assert deliveries.attempts(house.db, waits) == []
    flights, _ = claim(house, now=NOW + 60_000, boot_id="boot_2")
    assert sorted(f.delivery_id for f in flights) == sorted([claimed, born])
    assert {f.number for f in flights} == {2}
    assert sweep(house) == 0  # this boot's own stay in flight


def test_an_interruption_counts_until_the_budget_is_used_up(house: House) -> None:
    """A text that brings the process down cannot do so for ever."""
    delivery_id = waiting(house)
    for n in range(BUDGET):
        flights, _ = claim(house, now=NOW + n, boot_id=f"boot_{n}")
        assert [f.number for f in flights] == [n + 1]
        assert sweep(house, f"boot_{n + 1}", NOW + n + 1) == 1
    assert state(house, delivery_id) is DeliveryState.FAILED
    assert len(deliveries.attempts(house.db, delivery_id)) == BUDGET
    assert claim(house, now=NOW + DAY) == ([], None)


def test_an_interrupted_test_is_not_repeated(house: House) -> None:
    delivery_id = waiting(house, trigger=Trigger.TEST, boot_id="cli")
    assert sweep(house) == 1
    assert state(house, delivery_id) is DeliveryState.FAILED
    assert deliveries.attempts(house.db, delivery_id)[0].outcome == "interrupted"


# -- sending again ------------------------------------------------------------------------------


def retry(house: House, *delivery_ids: str, now: int = NOW + DAY) -> int:
    with transaction(house.db):
        return deliveries.retry(house.db, delivery_ids, now)


@pytest.mark.parametrize("ended", ["delivered", "failed", "expired", "cancelled"])
def test_sent_again_with_the_same_body_and_a_budget_of_its_own(house: House, ended: str) -> None:
    delivery_id = waiting(house)
    for n in range(BUDGET):
        (flight,), _ = claim(house, now=NOW + n)
        settle(house, delivery_id, DeliveryState.PENDING, due_at=NOW + n + 1)
    assert flight.spent == BUDGET
    house.db.execute("UPDATE deliveries SET state = ?, due_at = NULL, finished_at = 1", (ended,))

    assert retry(house, delivery_id) == 1
    (again,), _ = claim(house, now=NOW + DAY)
    assert (again.trigger, again.spent, again.number) == (Trigger.REPLAY, 1, BUDGET + 1)
    assert (again.message_id, again.body) == (flight.message_id, flight.body)


def test_what_waits_is_brought_forward_and_keeps_its_count(house: House) -> None:
    delivery_id = waiting(house)
    claim(house)
    settle(house, delivery_id, DeliveryState.PENDING, due_at=NOW + DAY)
    assert retry(house, delivery_id, now=NOW + 1) == 1
    (flight,), _ = claim(house, now=NOW + 1)
    assert (flight.trigger, flight.spent) == (Trigger.PUSH, 2)


def test_what_is_in_flight_is_not_sent_twice(house: House) -> None:
    delivery_id = waiting(house)
    claim(house)
    assert retry(house, delivery_id) == 0
    assert state(house, delivery_id) is DeliveryState.IN_FLIGHT


def test_a_test_is_not_sent_again(house: House) -> None:
    delivery_id = waiting(house, trigger=Trigger.TEST, boot_id="cli")
    settle(house, delivery_id, DeliveryState.FAILED)
    assert retry(house, delivery_id) == 0


def test_a_wiped_text_is_not_sent_again(house: House) -> None:
    delivery_id = waiting(house)
    house.db.execute("UPDATE deliveries SET state = 'failed'")
    assert deliveries.wiped_at(house.db, delivery_id) is None
    house.db.execute("UPDATE messages SET wiped_at = ?", (NOW,))
    assert retry(house, delivery_id) == 0
    assert state(house, delivery_id) is DeliveryState.FAILED
    assert deliveries.wiped_at(house.db, delivery_id) == NOW


@pytest.mark.parametrize("ended", ["delivered", "failed", "expired", "cancelled"])
def test_what_has_ended_begins_anew_in_budget_and_age(house: House, ended: str) -> None:
    delivery_id = waiting(house, received_at=NOW - DAY)
    house.db.execute(
        "UPDATE deliveries SET state = ?, attempts = 10, spent = 10, finished_at = 1, note = 'why'",
        (ended,),
    )
    assert retry(house, delivery_id) == 1
    found = deliveries.get(house.db, delivery_id)
    assert found is not None
    assert (found.attempts, found.spent, found.trigger) == (10, 0, Trigger.REPLAY)
    assert (found.renewed_at, found.finished_at, found.note) == (NOW + DAY, None, None)


def test_what_waits_is_brought_forward_and_keeps_its_age(house: House) -> None:
    delivery_id = waiting(house)
    house.db.execute("UPDATE deliveries SET spent = 3, due_at = due_at + 99")
    assert retry(house, delivery_id) == 1
    found = deliveries.get(house.db, delivery_id)
    assert found is not None
    assert (found.due_at, found.spent, found.renewed_at) == (NOW + DAY, 3, None)


def test_a_running_service_notices_that_something_is_sent_again(house: House) -> None:
    delivery_id = waiting(house)
    before = house.db.execute("SELECT number FROM revision").fetchone()
    retry(house, delivery_id)
    assert house.db.execute("SELECT number FROM revision").fetchone() != before


# -- cancelled, removed -------------------------------------------------------------------------


def test_cancelling_takes_what_waits_and_leaves_it_visible(house: House) -> None:
    delivery_id, flying = waiting(house, sender="A"), waiting(house, sender="B", boot_id=BOOT)
    with transaction(house.db):
        assert deliveries.cancel(house.db, [delivery_id, flying], NOW) == 1
    assert state(house, delivery_id) is DeliveryState.CANCELLED
    assert state(house, flying) is DeliveryState.IN_FLIGHT
    assert claim(house) == ([], None)
    assert retry(house, delivery_id) == 1


def test_cancelling_what_is_older(house: House) -> None:
    old, new = waiting(house, received_at=NOW - MINUTE), waiting(house)
    with transaction(house.db):
        assert deliveries.cancel_waiting(house.db, house.endpoint.id, NOW, before=NOW) == 1
    assert [state(house, d) for d in (old, new)] == ["cancelled", "pending"]


def remove(house: House) -> None:
    with transaction(house.db):
        deliveries.cancel_waiting(house.db, house.endpoint.id, NOW)
        endpoints.remove(house.db, house.endpoint.id, NOW)


def test_nothing_waits_for_a_removed_endpoint(house: House) -> None:
    """Neither what waited, nor what was in flight and failed, nor what came a moment later."""
    waits, flying = waiting(house, sender="A"), waiting(house, sender="B", boot_id=BOOT)
    interrupted = waiting(house, sender="C", boot_id="boot_0")
    remove(house)
    late, born_late = waiting(house, sender="D"), waiting(house, sender="E", boot_id=BOOT)
    settle(house, flying, DeliveryState.PENDING, due_at=NOW)
    settle(house, born_late, DeliveryState.PENDING, due_at=NOW)
    sweep(house, boot_id=BOOT)
    made = (waits, flying, interrupted, late, born_late)
    assert {state(house, d) for d in made} == {DeliveryState.CANCELLED}
    assert claim(house, now=NOW + DAY) == ([], None)
    assert endpoints.known(house.db) == []


def test_what_was_meant_for_a_removed_endpoint_is_not_sent_again(house: House) -> None:
    delivery_id = waiting(house)
    remove(house)
    assert retry(house, delivery_id) == 0
    assert state(house, delivery_id) is DeliveryState.CANCELLED


def test_a_removed_endpoint_has_no_secret_left(house: House) -> None:
    remove(house)
    assert house.db.execute("SELECT count(*) FROM secrets").fetchone() == (0,)


def test_a_pause_stands_whatever_was_answered(house: House) -> None:
    with transaction(house.db):
        endpoints.pause(house.db, house.endpoint.id, NOW)
        endpoints.hold(house.db, house.endpoint.id, "gone", "410", NOW, house.endpoint.url)
    found = endpoints.get(house.db, house.endpoint.id)
    assert found is not None
    assert (found.state, found.held_class) == ("paused", None)


def test_ten_thousand_that_wait_are_not_touched_by_a_hold(house: House) -> None:
    """Held and paused are states of the endpoint alone."""
    waiting(house)
    with transaction(house.db):
        before = _changes(house.db)
        endpoints.hold(house.db, house.endpoint.id, "gone", "410", NOW, house.endpoint.url)
        assert _changes(house.db) - before <= 2  # the endpoint, and the revision


def _changes(db: sqlite3.Connection) -> int:
    return db.total_changes


def test_a_sweep_need_not_look_at_what_is_older_than_the_mark(house: House) -> None:
    """Born in flight they are in no index: from the mark on, every one is found."""
    born = [waiting(house, str(n), sender=str(n), boot_id=BOOT) for n in range(3)]
    settle(house, born[0], DeliveryState.DELIVERED)
    with transaction(house.db):
        outbox.mark(house.db, born[1])
    assert sweep(house) == 2
    assert [state(house, one) for one in born] == ["delivered", "pending", "pending"]
    steps = house.db.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM deliveries WHERE state = 'in_flight' AND due_at IS NULL"
        " AND id >= (SELECT oldest FROM flights)"
    ).fetchall()
    assert "SEARCH deliveries USING PRIMARY KEY (id>?)" in str(steps)


def test_what_was_claimed_is_found_however_old_it_is(house: House) -> None:
    old = waiting(house)
    claim(house)
    with transaction(house.db):
        outbox.mark(house.db, "dlv_Z")
    assert sweep(house) == 1
    assert state(house, old) is DeliveryState.PENDING


def test_a_test_that_was_cut_short_is_found_however_old_it_is(house: House) -> None:
    """The command line made it: this process's mark knows nothing of it."""
    tested = waiting(house, boot_id="cli", trigger=Trigger.TEST)
    with transaction(house.db):
        outbox.mark(house.db, "dlv_Z")
    assert sweep(house) == 1
    assert state(house, tested) is DeliveryState.FAILED
