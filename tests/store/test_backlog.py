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


def test_what_was_offered_anew_waits_since_then(house: House):
    again = waits(house, NOW - 5 * MINUTE)
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET renewed_at = ? WHERE id = ?", (NOW, again))
    assert backlog.backlog(house.db, [house.endpoint.id])[house.endpoint.id].oldest == NOW
