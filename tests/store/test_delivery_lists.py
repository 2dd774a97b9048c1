"""Lists of deliveries, page by page, against a plain walk through everything; and their counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from mmconnect.domain.ids import DELIVERY, Ids
from mmconnect.domain.models import Delivery, DeliveryState, Trigger
from mmconnect.store import (
    deliveries,
    delivery_counts,
    delivery_lists,
    endpoints,
    messages,
    outbox,
)
from mmconnect.store.connection import transaction
from mmconnect.store.delivery_lists import ATTENTION, ENDED, Page, Wanted, page
from tests.store.conftest import House
from tests.store.making import DAY, MINUTE, NOW, FixedClock, endpoint, message, new_message

S = DeliveryState
STATES = frozenset(S)


def filled(house: House, count: int = 300) -> list[Delivery]:
    """Deliveries of every state for three endpoints (one removed), a minute apart; newest first."""
    others = [endpoint("Other"), endpoint("Removed")]
    with transaction(house.db):
        for other in others:
            endpoints.add(house.db, other)
    targets = [house.endpoint.id, *[o.id for o in others]]
    dice, clock = random.Random(7), FixedClock()
    ids = Ids(clock, dice.getrandbits)
    with transaction(house.db):
        for n in range(count):
            clock.ms = NOW + n * MINUTE
            text = message(house.device.id, received_at=clock.ms)
            new = [
                outbox.NewDelivery(
                    id=ids.new(DELIVERY),
                    message_id=text.id,
                    endpoint_id=target,
                    sender="+1",
                    trigger=Trigger.PUSH,
                    created_at=clock.ms,
                )
                for target in dice.sample(targets, dice.randint(1, 3))
            ]
            messages.take(house.db, new_message(text, new))
            for one in new:
                state = dice.choice(list(S))
                due = clock.ms if state is S.PENDING or dice.random() < 0.5 else None
                house.db.execute(
                    "UPDATE deliveries SET state = ?, due_at = ?, parked = ? WHERE id = ?",
                    (state.value, due, int(state is S.PENDING and dice.random() < 0.5), one.id),
                )
        endpoints.remove(house.db, others[1].id, NOW)
    return _every(house)


def _every(house: House) -> list[Delivery]:
    """All of them, by a walk of its own."""
    rows = house.db.execute("SELECT id FROM deliveries ORDER BY id DESC").fetchall()
    return [found for (id,) in rows if (found := deliveries.get(house.db, id))]


def naive(wanted: Wanted) -> Callable[[Delivery], bool]:
    def fits(one: Delivery) -> bool:
        return (
            (not wanted.states or one.state in wanted.states)
            and wanted.endpoint_id in (None, one.endpoint_id)
            and wanted.message_id in (None, one.message_id)
            and (wanted.since is None or one.created_at >= wanted.since)
            and (wanted.until is None or one.created_at < wanted.until)
        )

    return fits


def walked(house: House, wanted: Wanted, limit: int) -> list[Page]:
    """Every page, from the newest on."""
    pages = [page(house.db, wanted, limit=limit)]
    while pages[-1].older is not None:
        pages.append(page(house.db, wanted, limit=limit, before=pages[-1].older))
        assert len(pages) < 3000
    return pages


def cases(house: House, every: list[Delivery]) -> list[Wanted]:
    targets = sorted({one.endpoint_id for one in every})
    dice = random.Random(3)
    made = [Wanted(), Wanted(message_id=every[40].message_id), Wanted(message_id="msg_none")]
    for states in ([S.FAILED], [S.PENDING], [S.IN_FLIGHT], [S.DELIVERED], ATTENTION, ENDED,
                   STATES - {S.DELIVERED}, STATES):  # fmt: skip
        for target in (None, *targets, "ep_none"):
            since = dice.choice([None, NOW + 100 * MINUTE])
            until = dice.choice([None, NOW + 200 * MINUTE])
            made.append(
                Wanted(states=frozenset(states), endpoint_id=target, since=since, until=until)
            )
    return made


@pytest.mark.parametrize("span", [20_000, 7])
def test_all_pages_together_are_what_matches(
    house: House, monkeypatch: pytest.MonkeyPatch, span: int
):
    every = filled(house, 120)
    monkeypatch.setattr(delivery_lists, "SPAN", span)
    for wanted in cases(house, every):
        expected = [one for one in every if naive(wanted)(one)]
        pages = walked(house, wanted, 10)
        assert [one for p in pages for one in p.items] == expected, wanted
        assert all(len(p.items) == 10 or p.looked_to for p in pages[:-1])
        assert pages[0].newer is None
        assert delivery_lists.newest(house.db, wanted, limit=25) == expected[:25]
        if span > 1000:
            assert all(p.looked_to is None for p in pages)


def test_the_way_back_shows_the_same_pages(house: House):
    every = filled(house, 100)
    for wanted in cases(house, every):
        pages = walked(house, wanted, 7)
        for newer, older in pairwise(pages):
            if not older.items:
                continue
            back = page(house.db, wanted, limit=7, after=older.newer)
            assert back.items == newer.items, wanted
            assert back.older == newer.older
            assert (back.newer is None) == (newer is pages[0])


def test_when_too_many_wait_to_be_put_in_order_the_history_is_looked_through(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    every = filled(house, 60)
    monkeypatch.setattr(delivery_lists, "FEW", 5)
    wanted = Wanted(states=frozenset({S.PENDING, S.FAILED}))
    seen: list[str] = []
    house.db.set_trace_callback(seen.append)
    page(house.db, wanted, limit=10)
    house.db.set_trace_callback(None)
    assert not any("WHERE id > '' AND id < '~'" in sql and "waiting" in sql for sql in seen)
    assert any(f"LIMIT {delivery_lists.SPAN}" in sql for sql in seen)
    expected = [one for one in every if naive(wanted)(one)]
    assert [one for p in walked(house, wanted, 10) for one in p.items] == expected


def test_a_page_stays_where_it_is_while_texts_arrive(house: House):
    every = filled(house, 30)
    first = page(house.db, Wanted(), limit=10)
    text = message(house.device.id, received_at=NOW + DAY)
    clock = FixedClock()
    clock.ms = NOW + DAY
    with transaction(house.db):
        late = outbox.NewDelivery(
            id=Ids(clock).new(DELIVERY),
            message_id=text.id,
            endpoint_id=house.endpoint.id,
            sender="+1",
            trigger=Trigger.PUSH,
            created_at=NOW + DAY,
        )
        messages.take(house.db, new_message(text, [late]))
    second = page(house.db, Wanted(), limit=10, before=first.older)
    assert [*first.items, *second.items] == every[:20]
    assert page(house.db, Wanted(), limit=10).items[0].id == late.id
    back = page(house.db, Wanted(), limit=10, after=second.newer)
    assert list(back.items) == list(first.items)
    assert back.newer is not None


def plan(house: House, sql: str, *values: object) -> str:
    rows = house.db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    return " | ".join(row[3] for row in rows)


def test_what_ended_is_found_by_its_index_in_order(house: House):
    seen: list[str] = []
    house.db.set_trace_callback(seen.append)
    page(house.db, Wanted(states=ATTENTION, endpoint_id="ep_1", since=NOW), limit=10)
    house.db.set_trace_callback(None)
    asked = [sql for sql in seen if "INDEXED BY deliveries_undelivered" in sql]
    assert len(asked) == 2
    for sql in asked:
        how = plan(house, sql)
        assert "deliveries_undelivered (state=? AND endpoint_id=? AND id>? AND id<?)" in how
        assert "TEMP B-TREE" not in how


def test_a_text_that_arrives_never_has_a_place_in_that_index(house: House):
    text = message(house.device.id)
    with transaction(house.db):
        for state in ("pending", "in_flight", "delivered"):
            house.db.execute("UPDATE deliveries SET state = ?", (state,))
            (count,) = house.db.execute(
                "SELECT count(*) FROM deliveries INDEXED BY deliveries_undelivered"
                " WHERE state = 'failed' OR state = 'expired' OR state = 'cancelled'"
            ).fetchone()
            assert count == 0
    assert text.id


# -- counting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("span", "most"), [(20_000, 20_000), (7, 3)])
def test_counts_are_exact_whatever_the_steps(
    house: House, monkeypatch: pytest.MonkeyPatch, span: int, most: int
):
    every = filled(house, 120)
    removed = {one.endpoint_id for one in every} - {e.id for e in endpoints.known(house.db)}
    monkeypatch.setattr(delivery_counts, "SPAN", span)
    with transaction(house.db):
        house.db.execute("UPDATE messages SET wiped_at = 1 WHERE rowid % 5 = 0")
        house.db.execute("UPDATE deliveries SET trigger = 'test' WHERE id = ?", (every[3].id,))
    wiped = {id for (id,) in house.db.execute("SELECT id FROM messages WHERE wiped_at = 1")}
    for wanted in cases(house, every):
        if wanted.message_id is not None:
            continue
        expected = [
            one
            for one in every
            if naive(wanted)(one)
            and one.state is not S.IN_FLIGHT
            and one.endpoint_id not in removed
            and one.id != every[3].id
        ]
        so_far, steps = delivery_counts.NOTHING, 0
        while not so_far.end:
            before = so_far.total
            so_far = delivery_counts.step(house.db, wanted, so_far, most=most)
            steps += 1
            assert so_far.total - before <= max(most * 9, span)  # states times endpoints
            if span == 7 and len(wanted.states) == 1 and wanted.endpoint_id is not None:
                assert so_far.total - before <= 7
        assert so_far.total == len(expected), wanted
        assert so_far.wiped == sum(one.message_id in wiped for one in expected)
        if expected:
            assert (so_far.first, so_far.last) == (expected[-1].id, expected[0].id)
        assert steps == 1 or span == 7
