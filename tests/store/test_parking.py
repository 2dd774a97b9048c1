"""Parked: not in the queue of its endpoint yet, and otherwise a waiting delivery like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.models import DeliveryState
from mmconnect.store import (
    backlog,
    claims,
    deliveries,
    delivery_counts,
    delivery_lists,
    endpoints,
    expiry,
    jumps,
    migrate,
    outbox,
    parking,
)
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.delivery_lists import Wanted
from mmconnect.store.jumps import Jump
from mmconnect.store.messages import take
from tests.store.conftest import House
from tests.store.making import BOOT, DAY, MINUTE, NOW, delivery, message, new_message


def park(house: House, text: str = "hello", *, made: int = NOW, **more: Any) -> str:
    """A text that is parked for the house's endpoint; the id of its delivery."""
    value = message(house.device.id, text, received_at=made, **more)
    new = delivery(value, house.endpoint.id, parked=True)
    with transaction(house.db):
        take(house.db, new_message(value, [new]))
    return new.id


def row(house: House, delivery_id: str, columns: str) -> tuple[Any, ...]:
    found = house.db.execute(f"SELECT {columns} FROM deliveries WHERE id = ?", (delivery_id,))
    return tuple(found.fetchone())


def by(house: House, **more: Any) -> claims.Claim:
    how: dict[str, Any] = {"now": NOW, "boot_id": BOOT, "too_old": 0, "max_age": 1209600}
    return claims.Claim(endpoint_id=house.endpoint.id, **(how | more))


def claim(house: House, **more: Any) -> list[str]:
    with transaction(house.db):
        found = claims.claim(house.db, by(house, **more), slots=64, busy=())
    return [flight.delivery_id for flight in found.flights]


def test_a_claim_queues_what_is_parked_for_its_endpoint_alone(house: House) -> None:
    first, second = park(house, "1", sender="A", made=NOW - 1), park(house, "2", sender="B")
    with transaction(house.db):
        parking.queue(house.db, "ep_another")
    assert claim(house, parked=False) == [], "nobody looked"
    assert claim(house) == [first, second]


def test_so_does_a_probe(house: House) -> None:
    made = park(house)
    with transaction(house.db):
        found = claims.claim_probe(
            house.db, by(house), free=True, spare_last=False, budget=10, arrival=True, avoid=None
        )
    assert [flight.delivery_id for flight in found.flights] == [made]


def test_it_waits_in_its_old_order(house: House) -> None:
    parked = park(house, sender="A", made=NOW - 2)
    value = message(house.device.id, sender="A", received_at=NOW - 1)
    queued = delivery(value, house.endpoint.id)
    with transaction(house.db):
        take(house.db, new_message(value, [queued]))
    assert claim(house) == [parked]


def test_whoever_asks_what_waits_is_told(house: House) -> None:
    old, new = park(house, made=NOW - DAY), park(house)
    here = house.endpoint.id
    found = backlog.backlog(house.db, [here])[here]
    assert (found.waiting, found.oldest_due) == (2, NOW - DAY)
    assert outbox.waiting(house.db, here) == 2
    assert jumps.waits(house.db)
    assert deliveries.waiting(house.db, here, limit=9) == [old, new]
    assert deliveries.waiting(house.db, here, before=NOW, limit=9) == [old]
    for of in (here, None):
        wanted = Wanted(states=frozenset({DeliveryState.PENDING}), endpoint_id=of, since=NOW - DAY)
        listed = delivery_lists.newest(house.db, wanted, limit=9)
        assert [(d.id, d.due_at) for d in listed] == [(new, NOW), (old, NOW - DAY)]
    aged = expiry.find(house.db, here, NOW - MINUTE, 5)
    assert (aged.ids, aged.oldest) == ([old], NOW)
    counted = delivery_counts.exact(house.db, Wanted(states=frozenset({DeliveryState.PENDING})))
    assert counted.total == 2


def test_it_is_cancelled_like_any_other_and_can_be_sent_again(house: House) -> None:
    old, new = park(house, made=NOW - DAY), park(house)
    with transaction(house.db):
        assert deliveries.cancel_waiting(house.db, house.endpoint.id, NOW, before=NOW) == 1
        assert deliveries.cancel(house.db, [new], NOW) == 1
    assert outbox.waiting(house.db, house.endpoint.id) == 0
    with transaction(house.db):
        assert deliveries.retry(house.db, [old, new], NOW) == 2
    assert claim(house, parked=False) == [old], "queued, by whoever offered it"


def test_a_start_queues_all(house: House) -> None:
    made = park(house)
    with transaction(house.db):
        outbox.sweep(house.db, boot_id=BOOT, now=NOW, budgets={}, budget=10)
    assert claim(house, parked=False) == [made]


def test_a_start_cancels_what_is_parked_for_a_removed_endpoint(house: House) -> None:
    made = park(house)
    with transaction(house.db):
        endpoints.remove(house.db, house.endpoint.id, NOW)
        outbox.sweep(house.db, boot_id=BOOT, now=NOW, budgets={}, budget=10)
    assert row(house, made, "state") == ("cancelled",)


def shift(house: House) -> None:
    jump = Jump(old=NOW, new=NOW + DAY, start=NOW - DAY, first="dlv_z")
    jumps.shift(house.db, jump, newest="dlv_z")


@pytest.mark.parametrize(
    ("jump", "made", "after"),
    [
        (shift, NOW, (NOW, NOW + DAY)),
        (lambda house: jumps.clamp_due(house.db, NOW, DAY), NOW + 3 * DAY, (NOW, NOW + 3 * DAY)),
        (lambda house: jumps.clamp_ages(house.db, NOW, NOW - DAY), 5, (5, NOW)),
    ],
)
def test_a_clock_that_is_set_moves_it(
    house: House, jump: Callable[[House], Any], made: int, after: tuple[int, int]
) -> None:
    parked = park(house, made=made)
    with transaction(house.db):
        jump(house)
    assert row(house, parked, "due_at, coalesce(renewed_at, created_at)") == after
    assert claim(house, parked=False, now=NOW + 4 * DAY) == [parked]


def test_all_of_it_is_queued_in_parts(house: House) -> None:
    made = [park(house, sender=f"{n}") for n in range(5)]
    with transaction(house.db):
        assert [parking.queue_all(house.db, 2) for _ in range(3)] == [2, 2, 1]
    assert claim(house, parked=False) == made


def test_a_database_from_before_keeps_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = migrate.migrations()
    db = connect(tmp_path / FILE)
    monkeypatch.setattr(migrate, "migrations", lambda: steps[:4])
    migrate.migrate(db, tmp_path / FILE)
    db.execute(
        "INSERT INTO endpoints (id, name, url, state, numbers, events, max_age, concurrency,"
        " created_at) VALUES ('ep_1', 'One', 'http://127.0.0.1/', 'paused', 'e164', '[]', 9, 9, 9)"
    )
    db.execute("INSERT INTO messages (id, kind, text, received_at) VALUES ('msg_1', 'sms', '', 9)")
    db.execute(
        "INSERT INTO deliveries (id, message_id, endpoint_id, state, trigger, sender, due_at,"
        " created_at) VALUES ('dlv_1', 'msg_1', 'ep_1', 'pending', 'push', '', 9, 9)"
    )
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    migrate.migrate(db, tmp_path / FILE)
    found = backlog.backlog(db, ["ep_1"])["ep_1"]
    assert (found.waiting, found.oldest_due) == (1, 9)
    assert db.execute("SELECT parked FROM deliveries").fetchall() == [(0,)]
    db.close()
