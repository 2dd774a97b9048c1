"""Figures by hour: what is read is what a naive count says; what is old goes."""

from __future__ import annotations

import random
import sqlite3
from itertools import pairwise

import pytest

from mmconnect.domain.days import DAY, HOUR
from mmconnect.store import tallies
from mmconnect.store.connection import transaction
from mmconnect.store.tallies import ALL, Tally
from tests.store.conftest import House
from tests.store.making import NOW

THIS = NOW - NOW % HOUR


def test_texts_are_what_a_naive_count_says(db: sqlite3.Connection):
    rng = random.Random(5)
    events = [
        (rng.choice(["dev_1", "dev_2", "dev_3"]), THIS - rng.randrange(60 * 24) * HOUR)
        for _ in range(600)
    ]
    written, unwritten = events[:400], events[400:]
    for part in (written[:150], written[150:]):  # the second adds to what the first has left
        with transaction(db):
            tallies.add(db, counted(part), {})
    bounds = sorted(THIS - rng.randrange(50 * 24) * HOUR for _ in range(9))
    for device_id in ("dev_1", "dev_2", "dev_4", ALL):
        naive = [
            sum(low <= hour < high and device_id in (owner, ALL) for owner, hour in events)
            for low, high in pairwise(bounds)
        ]
        assert tallies.texts_between(db, device_id, bounds, counted(unwritten)) == naive


def counted(events: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    return {key: events.count(key) for key in events}


def test_attempts_add_up_over_writes_and_what_is_unwritten(db: sqlite3.Connection):
    for at in (THIS, THIS, THIS - DAY):
        tally = Tally(given_up=1)
        tally.attempt(delivered=True, probe=False, answered_in=10)
        tally.attempt(delivered=False, probe=False, answered_in=2000)
        tally.attempt(delivered=False, probe=False, answered_in=None)
        with transaction(db):
            tallies.add(db, {}, {("ep_1", at): tally, ("ep_2", at): tally})
    new = Tally()
    new.attempt(delivered=True, probe=True, answered_in=10)
    new.attempt(delivered=False, probe=True, answered_in=None)  # only asked whether it is back
    yesterday, today = tallies.attempts_between(
        db, "ep_1", [THIS - 2 * DAY, THIS, THIS + HOUR], {("ep_1", THIS): new, ("ep_2", THIS): new}
    )
    assert (yesterday.delivered, yesterday.failed, yesterday.given_up) == (1, 2, 1)
    assert (today.delivered, today.failed, today.given_up) == (3, 4, 2)
    assert sum(today.latencies.values()) == 5
    assert max(today.latencies.values()) == 3


def test_what_is_old_goes_and_what_is_not_stays(house: House):
    db, before = house.db, THIS
    own = {(house.device.id, THIS - HOUR): 1, (house.device.id, THIS): 2}
    ends = {
        (house.endpoint.id, THIS - HOUR): Tally(delivered=1),
        (house.endpoint.id, THIS): Tally(),
    }
    with transaction(db):
        tallies.add(db, own, ends)
    rows = tallies.old(db, before, 100)
    with transaction(db):
        assert tallies.prune(db, rows) == 3
    assert db.execute("SELECT device_id, hour, texts FROM text_hours ORDER BY 1").fetchall() == [
        ("", THIS, 2),
        (house.device.id, THIS, 2),
    ]
    assert db.execute("SELECT endpoint_id, hour FROM endpoint_hours").fetchall() == [
        (house.endpoint.id, THIS)
    ]
    assert tallies.old(db, before, 100) == []


def test_a_removed_endpoint_takes_its_figures_along(house: House):
    with transaction(house.db):
        tallies.add(house.db, {}, {(house.endpoint.id, THIS): Tally(delivered=1)})
        house.db.execute("UPDATE endpoints SET removed_at = ?", (NOW,))
    with transaction(house.db):
        tallies.prune(house.db, tallies.old(house.db, 0, 100))
    assert house.db.execute("SELECT count(*) FROM endpoint_hours").fetchone() == (0,)


@pytest.mark.parametrize("table", ["text_hours", "endpoint_hours"])
def test_no_look_walks_through_all_of_it(house: House, table: str):
    """Each statement seeks by owner and hour."""
    seen: list[str] = []
    house.db.set_trace_callback(seen.append)
    bounds = [THIS - DAY, THIS]
    tallies.texts_between(house.db, ALL, bounds, {})
    tallies.first_hour(house.db, ALL)
    tallies.attempts_between(house.db, "ep_1", bounds, {})
    tallies.old(house.db, THIS, 10)
    house.db.set_trace_callback(None)
    plans = [
        row[3]
        for sql in seen
        if sql.startswith("SELECT")
        for row in house.db.execute(f"EXPLAIN QUERY PLAN {sql}")
    ]
    mine = [plan for plan in plans if table in plan]
    assert mine
    assert not [plan for plan in mine if not plan.startswith("SEARCH") or "=? AND hour" not in plan]
