"""Replays of many: what matches, bounded looks, and a cursor that moves with what it offers."""

from __future__ import annotations

import sqlite3

import pytest

from mmconnect.domain.ids import REPLAY
from mmconnect.domain.models import DeliveryState, Trigger
from mmconnect.store import configuration, deliveries, delivery_counts, endpoints, messages, replays
from mmconnect.store.connection import transaction
from mmconnect.store.delivery_lists import Wanted
from mmconnect.store.replays import Replay, ReplayState
from tests.store.conftest import House
from tests.store.making import (
    DAY,
    MINUTE,
    NOW,
    delivery,
    endpoint,
    ids,
    message,
    new_message,
)

FAILED = Wanted(states=frozenset({DeliveryState.FAILED}))


def made(
    house: House, state: str = "failed", *, at: int = NOW, to: str | None = None, **more
) -> str:
    """A delivery in that state; its id."""
    text = message(house.device.id, received_at=at)
    its = delivery(text, to or house.endpoint.id, created_at=at, **more)
    with transaction(house.db):
        messages.take(house.db, new_message(text, [its]))
        house.db.execute(
            "UPDATE deliveries SET state = ?, spent = 10, attempts = 10 WHERE id = ?",
            (state, its.id),
        )
    return its.id


def count(db: sqlite3.Connection, wanted: Wanted) -> tuple[int, int, str]:
    counted = delivery_counts.exact(db, wanted)
    return counted.total, counted.wiped, counted.last


def order(house: House, wanted: Wanted = FAILED) -> Replay:
    total, _, last = count(house.db, wanted)
    replay = Replay(
        id=ids.new(REPLAY), created_at=NOW, filter=wanted, cursor="", last=last, total=total
    )
    with transaction(house.db):
        replays.add(house.db, replay)
    return replay


def step(house: House, limit: int = 100, after: str = "") -> int:
    """One turn: look outside the write, then offer."""
    replay = replays.next_open(house.db, after)
    assert replay is not None
    found = replays.look(house.db, replay, replay.cursor, limit)
    with transaction(house.db):
        return replays.advance(house.db, replay, found, NOW)


def get(house: House, replay: Replay) -> Replay:
    found = replays.get(house.db, replay.id)
    assert found is not None
    return found


def states(house: House, *made: str) -> list[str]:
    return [d.state.value for one in made if (d := deliveries.get(house.db, one))]


def test_it_matches_by_state_endpoint_and_time(house: House):
    other = endpoint("Other")
    with transaction(house.db):
        endpoints.add(house.db, other)
    old, new = made(house, at=NOW - DAY), made(house)
    its, fine = made(house, to=other.id), made(house, "delivered")
    made(house, trigger=Trigger.TEST)
    made(house, "in_flight")
    here = house.endpoint.id
    for wanted, expected in (
        (FAILED, {old, new, its}),
        (Wanted(states=frozenset({DeliveryState.FAILED}), endpoint_id=here), {old, new}),
        (Wanted(states=frozenset({DeliveryState.FAILED}), since=NOW - MINUTE), {new, its}),
        (Wanted(states=frozenset({DeliveryState.FAILED}), until=NOW - MINUTE), {old}),
        (Wanted(states=frozenset({DeliveryState.FAILED}), since=NOW - DAY, until=NOW), {old}),
        (Wanted(states=frozenset({DeliveryState.DELIVERED})), {fine}),
        (Wanted(), {old, new, its, fine}),
    ):
        assert count(house.db, wanted) == (len(expected), 0, max(expected))
        replay = Replay(id="rpl_", created_at=NOW, filter=wanted, cursor="", last="dlv_~", total=0)
        assert set(replays.look(house.db, replay, "", 100).ids) == expected
    assert count(house.db, Wanted(states=frozenset({DeliveryState.EXPIRED}))) == (0, 0, "")


def test_what_comes_later_does_not_belong_to_it(house: House):
    first = made(house)
    replay = order(house)
    later = made(house)
    assert step(house) == 1
    assert states(house, first, later) == ["pending", "failed"]
    after = get(house, replay)
    assert (after.done, after.total, after.state) == (1, 1, ReplayState.FINISHED)
    assert replays.next_open(house.db, "") is None


def test_each_is_offered_once_in_order_by_pieces(house: House):
    those = [made(house) for _ in range(10)]
    order(house)
    done = [step(house, limit=3) for _ in range(4)]
    assert done == [3, 3, 3, 1]
    assert set(states(house, *those)) == {"pending"}
    assert {d.spent for one in those if (d := deliveries.get(house.db, one))} == {0}


def test_one_that_failed_again_meanwhile_is_not_offered_again(house: House):
    first, _second = made(house), made(house)
    order(house)
    step(house, limit=1)
    house.db.execute("UPDATE deliveries SET state = 'failed' WHERE id = ?", (first,))
    assert step(house, limit=1) == 1
    assert states(house, first) == ["failed"]


def test_what_is_delivered_is_not_offered_for_ever(house: House):
    made(house, "delivered")
    replay = order(house, Wanted(states=frozenset({DeliveryState.DELIVERED})))
    assert step(house) == 1
    house.db.execute("UPDATE deliveries SET state = 'delivered'")
    assert replays.next_open(house.db, "") is None
    assert get(house, replay).done == 1


def test_one_that_has_changed_since_the_look_is_left_alone(house: House):
    one = made(house)
    replay = order(house)
    found = replays.look(house.db, replay, "", 10)
    house.db.execute("UPDATE deliveries SET state = 'cancelled'")
    with transaction(house.db):
        assert replays.advance(house.db, replay, found, NOW) == 0
    assert states(house, one) == ["cancelled"]


def test_the_same_piece_twice_changes_nothing(house: House):
    """As after a kill whose commit went through, when nobody was told."""
    one = made(house)
    made(house)
    replay = order(house)
    found = replays.look(house.db, replay, "", 1)
    with transaction(house.db):
        assert replays.advance(house.db, replay, found, NOW) == 1
    house.db.execute("UPDATE deliveries SET state = 'failed' WHERE id = ?", (one,))
    with transaction(house.db):
        assert replays.advance(house.db, replay, found, NOW) == 0
    assert states(house, one) == ["failed"]


def test_wiped_texts_are_skipped_and_counted(house: House):
    made(house)
    made(house)
    house.db.execute("UPDATE messages SET wiped_at = 1 WHERE id = (SELECT min(id) FROM messages)")
    replay = order(house)
    assert step(house) == 1
    after = get(house, replay)
    assert (after.done, after.skipped, after.total) == (1, 1, 2)


def test_what_was_meant_for_a_removed_endpoint_does_not_match(house: House):
    made(house)
    with transaction(house.db):
        endpoints.remove(house.db, house.endpoint.id, NOW)
    assert count(house.db, FAILED) == (0, 0, "")


def test_a_look_goes_over_a_bounded_number_of_rows(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replays, "SPAN", 4)
    for _ in range(9):
        made(house, "delivered")
    last = made(house)
    replay = order(house)
    cursors = [""]
    while True:
        found = replays.look(house.db, replay, cursors[-1], 100)
        cursors.append(found.cursor)
        if found.end:
            break
        assert found.ids == []
    assert len(cursors) == 4  # 4 + 4 + 2 rows
    assert found.ids == [last]


def test_a_look_searches_by_id_and_never_sorts(house: House):
    wanted = Wanted(states=frozenset({DeliveryState.PENDING}), endpoint_id=house.endpoint.id)
    replay = Replay(id="rpl_", created_at=NOW, filter=wanted, cursor="", last="dlv_~", total=0)
    told: list[str] = []
    house.db.set_trace_callback(told.append)
    replays.look(house.db, replay, "", 10)
    house.db.set_trace_callback(None)
    for statement in (s for s in told if "FROM deliveries" in s):
        plan = " ".join(row[3] for row in house.db.execute("EXPLAIN QUERY PLAN " + statement))
        assert "SEARCH deliveries USING PRIMARY KEY" in plan, plan
        assert "TEMP B-TREE" not in plan


def test_several_take_turns(house: House):
    for _ in range(4):
        made(house)
        made(house, "expired")
    one, two = order(house), order(house, Wanted(states=frozenset({DeliveryState.EXPIRED})))
    turns, last = [], ""
    for _ in range(4):
        replay = replays.next_open(house.db, last)
        assert replay is not None
        turns.append(replay.id)
        step(house, limit=1, after=last)
        last = replay.id
    assert turns == [one.id, two.id, one.id, two.id]


def test_a_cancelled_one_offers_no_more(house: House):
    made(house)
    second = made(house)
    replay = order(house)
    step(house, limit=1)
    reading = get(house, replay)
    found = replays.look(house.db, reading, reading.cursor, 10)
    with transaction(house.db):
        assert replays.cancel(house.db, replay.id, NOW)
    with transaction(house.db):
        assert replays.advance(house.db, reading, found, NOW) == 0
        assert not replays.cancel(house.db, replay.id, NOW)
    assert states(house, second) == ["failed"]
    assert get(house, replay).state is ReplayState.CANCELLED
    assert replays.next_open(house.db, "") is None


def test_a_running_service_is_told_of_a_new_one(house: House):
    made(house)
    before = configuration.revision(house.db)
    order(house)
    assert configuration.revision(house.db) > before


def test_the_newest_are_listed_first(db: sqlite3.Connection, house: House):
    made(house)
    one, two = order(house), order(house)
    assert [r.id for r in replays.latest(db, 10)] == [two.id, one.id]
    assert get(house, one) == one
