"""What waits: how many, and since when the oldest does, parked or queued or tried before."""

from __future__ import annotations

import pytest

from mmconnect.store import backlog
from mmconnect.store.connection import transaction
from mmconnect.store.messages import take
from tests.store.conftest import House
from tests.store.making import MINUTE, NOW, delivery, message, new_message


def waits(house: House, since: int, **more: object) -> str:
    value = message(house.device.id, received_at=since)
    out = delivery(value, house.endpoint.id, **more)
    with transaction(house.db):
        take(house.db, new_message(value, [out]))
    return out.id


@pytest.mark.parametrize("parked", [False, True])
def test_the_oldest_that_waits_is_told(house: House, *, parked: bool):
    assert backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id].oldest is None
    first = waits(house, NOW - 5 * MINUTE, parked=parked)
    waits(house, NOW - 2 * MINUTE, parked=parked)
    found = backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id]
    assert (found.waiting, found.oldest) == (2, NOW - 5 * MINUTE)
    with transaction(house.db):  # it was tried, and is due later than the other
        house.db.execute("UPDATE deliveries SET due_at = ? WHERE id = ?", (NOW + MINUTE, first))
    assert backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id].oldest == found.oldest


def test_the_first_that_is_due_is_told_wherever_it_lies(house: House):
    waits(house, NOW - 5 * MINUTE, parked=True)
    queued = waits(house, NOW - 2 * MINUTE)

    def due() -> int | None:
        return backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id].oldest_due

    assert due() == NOW - 5 * MINUTE
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET due_at = 7 WHERE id = ?", (queued,))
    assert due() == 7


def test_counting_ends_where_it_was_told_to(house: House):
    for n in range(4):
        waits(house, NOW - n * MINUTE)
    found = backlog.backlog(house.db, [house.endpoint.id], most=3)[house.endpoint.id]
    assert (found.waiting, found.more) == (3, True)
    found = backlog.backlog(house.db, [house.endpoint.id], most=5)[house.endpoint.id]
    assert (found.waiting, found.more) == (4, False)


def test_the_first_that_is_due_is_found_without_walking_through_all(house: House):
    seen: list[str] = []
    house.db.set_trace_callback(seen.append)
    backlog.backlog(house.db, [house.endpoint.id])
    house.db.set_trace_callback(None)
    (asked,) = [sql for sql in seen if "min(due_at)" in sql]
    plan = [row[3] for row in house.db.execute(f"EXPLAIN QUERY PLAN {asked}")]
    assert "SEARCH deliveries USING COVERING INDEX deliveries_due (endpoint_id=?)" in plan
    assert not [line for line in plan if "ORDER BY" in line], plan


def test_what_was_offered_anew_waits_since_then(house: House):
    again = waits(house, NOW - 5 * MINUTE)
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET renewed_at = ? WHERE id = ?", (NOW, again))
    assert backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id].oldest == NOW
