"""Age is time lived: gaps do not count, and what is too old expires, visible and replayable."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.store import deliveries, endpoints, expiry, gaps
from mmconnect.store.connection import transaction
from mmconnect.store.gaps import Gap, Reason, threshold
from mmconnect.store.messages import take
from tests.store.conftest import House
from tests.store.making import DAY, MINUTE, NOW, delivery, message, new_message

HERE, THERE = "ep_here", "ep_there"


def gap(begin: int, end: int | None, endpoint_id: str | None = None) -> Gap:
    reason = Reason.OFF if endpoint_id is None else Reason.PAUSED
    return Gap(endpoint_id=endpoint_id, from_at=begin, to_at=end, reason=reason)


def lived(known: Sequence[Gap], made: int, now: int) -> int:
    """How many ms something has lived, counted one by one."""
    return sum(
        not any(
            g.from_at <= ms < (now if g.to_at is None else g.to_at)
            for g in known
            if g.endpoint_id in (None, HERE)
        )
        for ms in range(made, now)
    )


SPANS = st.lists(
    st.builds(
        gap,
        st.integers(-20, 110),
        st.one_of(st.none(), st.integers(-20, 110)),
        st.sampled_from([None, HERE, THERE]),
    ),
    max_size=6,
)


@given(SPANS, st.integers(0, 100), st.integers(1, 80))
def test_the_threshold_is_where_lived_time_reaches_the_maximum(
    known: list[Gap], made: int, max_age: int
) -> None:
    too_old = threshold(known, HERE, 100, max_age)
    assert (made <= too_old) == (lived(known, made, 100) >= max_age)


def test_pauses_of_others_do_not_count() -> None:
    assert threshold([gap(10, 90, THERE)], HERE, 100, 50) == 50
    assert threshold([gap(10, 90, HERE)], HERE, 100, 50) == -30
    assert threshold([gap(10, None, HERE)], HERE, 100, 5) == 5


def waiting(house: House, made_at: int, due_at: int | None = None) -> str:
    value = message(house.device.id, received_at=made_at)
    new = delivery(value, house.endpoint.id)
    with transaction(house.db):
        take(house.db, new_message(value, [new]))
        house.db.execute(
            "UPDATE deliveries SET due_at = ? WHERE id = ?", (due_at or made_at, new.id)
        )
    return new.id


def expire(house: House, ids: Sequence[str], at: int) -> int:
    with transaction(house.db):
        return len(
            expiry.expire(house.db, house.endpoint.id, ids, threshold=at, max_age=900, now=NOW)
        )


def test_only_what_waits_and_is_too_old_is_found(house: House) -> None:
    old = [waiting(house, NOW - n * MINUTE, NOW + DAY) for n in (30, 20, 15)]
    young = waiting(house, NOW - 14 * MINUTE)
    found = expiry.find(house.db, house.endpoint.id, NOW - 15 * MINUTE, 10)
    assert sorted(found.ids) == sorted(old)
    assert found.oldest == NOW - 14 * MINUTE
    assert len(expiry.find(house.db, house.endpoint.id, NOW - 15 * MINUTE, 2).ids) == 2
    assert expire(house, [*found.ids, young], NOW - 15 * MINUTE) == 3
    row = deliveries.get(house.db, old[0])
    assert row is not None
    assert (row.state, row.note) == ("expired", "older than the endpoint's maximum age (15m)")
    assert (row.finished_at, row.due_at) == (NOW, None)
    assert deliveries.get(house.db, young).state == "pending"  # type: ignore[union-attr]


def test_a_replay_makes_it_young_again(house: House) -> None:
    made = waiting(house, NOW - DAY)
    assert expire(house, [made], NOW - MINUTE) == 1
    with transaction(house.db):
        assert deliveries.retry(house.db, [made], NOW) == 1
    assert expiry.find(house.db, house.endpoint.id, NOW - MINUTE, 10).ids == []
    assert expire(house, [made], NOW - MINUTE) == 0
    row = deliveries.get(house.db, made)
    assert row is not None
    assert (row.state, row.renewed_at, row.note) == ("pending", NOW, None)


def test_a_pause_that_came_in_between_prevents_it(house: House) -> None:
    made = waiting(house, NOW - DAY)
    with transaction(house.db):
        endpoints.pause(house.db, house.endpoint.id, NOW)
    assert expire(house, [made], NOW - MINUTE) == 0


def test_gaps_are_kept_and_forgotten(db: sqlite3.Connection, house: House) -> None:
    with transaction(db):
        gaps.set_off(db, NOW, NOW + 5)
        gaps.set_off(db, NOW, NOW + 9)  # the same gap, known better
        gaps.set_off(db, NOW + 10, NOW + 10)
        db.execute(
            "INSERT INTO age_gaps (endpoint_id, from_at, reason) VALUES (?, ?, 'paused')",
            (house.endpoint.id, NOW - 50),
        )
    paused = gap(NOW - 50, None, house.endpoint.id)
    assert gaps.load(db) == [gap(NOW, NOW + 9), paused]
    with transaction(db):
        gaps.forget(db, NOW + 9)
    assert len(gaps.load(db)) == 2
    with transaction(db):
        gaps.drop_off(db)
    assert gaps.load(db) == [paused]
    with transaction(db):
        endpoints.remove(db, house.endpoint.id, NOW)
        gaps.forget(db, NOW)
    assert gaps.load(db) == []


@pytest.mark.parametrize("count", [1, 3])
def test_the_plan_does_not_walk_through_history(house: House, count: int) -> None:
    for _ in range(count):
        waiting(house, NOW - DAY)
    ran: list[str] = []
    house.db.set_trace_callback(ran.append)
    expiry.find(house.db, house.endpoint.id, NOW - 2 * DAY, 5)
    house.db.set_trace_callback(None)
    assert len(ran) == 2
    for sql in ran:
        plan = [row[3] for row in house.db.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert any("INDEX deliveries_due (endpoint_id=?)" in step for step in plan), plan
        for step in plan:
            assert not re.match("SCAN deliveries(?!.*INDEX deliveries_parked)", step), plan
