"""Whatever waits moves with a clock that is set: nobody waits longer or shorter, or grows older."""

from __future__ import annotations

import sqlite3

import pytest

from mmconnect.domain.ids import DELIVERY
from mmconnect.store import endpoints, gaps, jumps
from mmconnect.store.connection import transaction
from mmconnect.store.jumps import Jump
from mmconnect.store.messages import take
from tests.store.conftest import House
from tests.store.making import DAY, MINUTE, NOW, delivery, endpoint, ids, message, new_message

YEARS = 20 * 365 * DAY


def add(house: House, *, made: int, due: int | None, endpoint_id: str | None = None) -> str:
    """A delivery made at one time and due at another; None: it is in flight."""
    value = message(house.device.id, received_at=made)
    boot = "boot_1" if due is None else None
    new = delivery(value, endpoint_id or house.endpoint.id, boot_id=boot)
    with transaction(house.db):
        take(house.db, new_message(value, [new]))
        if due is not None:
            house.db.execute("UPDATE deliveries SET due_at = ? WHERE id = ?", (due, new.id))
    return new.id


def times(db: sqlite3.Connection, delivery_id: str) -> tuple[int | None, int]:
    """When it is due, and from when its age counts."""
    row = db.execute(
        "SELECT due_at, coalesce(renewed_at, created_at) FROM deliveries WHERE id = ?",
        (delivery_id,),
    ).fetchone()
    return row[0], row[1]


def shift(db: sqlite3.Connection, old: int, new: int, start: int | None) -> None:
    """The move of a jump after which nothing was made."""
    last = ids.new(DELIVERY)
    with transaction(db):
        jumps.shift(db, Jump(old=old, new=new, start=start, first=last), last)


@pytest.mark.parametrize("delta", [DAY, -DAY, 60 * MINUTE, -60 * MINUTE])
def test_what_the_new_time_has_made_already_stays(house: House, delta: int) -> None:
    old = add(house, made=NOW - 30 * MINUTE, due=NOW + MINUTE)
    first = ids.new(DELIVERY)
    new = add(house, made=NOW + delta + 9, due=NOW + delta + MINUTE)
    flying = add(house, made=NOW + delta + 9, due=None)
    with transaction(house.db):
        jump = Jump(old=NOW, new=NOW + delta, start=NOW - 2 * DAY, first=first)
        jumps.shift(house.db, jump, flying)
    assert times(house.db, old) == (NOW + delta + MINUTE, NOW + delta - 30 * MINUTE)
    assert times(house.db, new) == (NOW + delta + MINUTE, NOW + delta + 9)
    assert times(house.db, flying) == (None, NOW + delta + 9)


@pytest.mark.parametrize("delta", [3000, -3000, DAY, -DAY, YEARS, -YEARS])
def test_due_times_and_ages_move_with_the_clock(house: House, delta: int) -> None:
    start = NOW - 60 * MINUTE
    before = add(house, made=start - MINUTE, due=NOW + MINUTE)
    retry = add(house, made=NOW - MINUTE, due=NOW + 5 * MINUTE)
    overdue = add(house, made=NOW - 2 * MINUTE, due=NOW - 2 * MINUTE)
    flying = add(house, made=NOW - 3 * MINUTE, due=None)
    shift(house.db, old=NOW, new=NOW + delta, start=start)
    now = NOW + delta
    assert times(house.db, retry) == (now + 5 * MINUTE, now - MINUTE)
    assert times(house.db, flying) == (None, now - 3 * MINUTE)
    assert times(house.db, before) == (now + MINUTE, start - MINUTE)  # another run's clock made it
    due, made = times(house.db, overdue)
    assert made == now - 2 * MINUTE
    assert due is not None
    assert due <= now


@pytest.mark.parametrize("delta", [DAY, -DAY, 10 * MINUTE, -10 * MINUTE])
def test_a_backlog_of_several_endpoints_is_moved_each_row_once(house: House, delta: int) -> None:
    other = endpoint("Other")
    with transaction(house.db):
        endpoints.add(house.db, other)
    dues = [NOW + (n - 5) * MINUTE for n in range(20)]
    made = {
        add(house, made=NOW - n - 1, due=due, endpoint_id=[house.endpoint.id, other.id][n % 2]): (
            due,
            NOW - n - 1,
        )
        for n, due in enumerate(dues)
    }
    shift(house.db, old=NOW, new=NOW + delta, start=NOW - MINUTE)
    for delivery_id, (due, born) in made.items():
        new_due, new_born = times(house.db, delivery_id)
        assert new_born == born + delta
        assert new_due is not None
        assert new_due == due + delta if due > NOW else new_due <= NOW + max(0, delta)


def test_what_an_earlier_run_made_keeps_its_age(house: House) -> None:
    made = add(house, made=NOW - MINUTE, due=NOW + 5 * MINUTE)
    shift(house.db, old=NOW, new=1000, start=None)
    assert times(house.db, made) == (1000 + 5 * MINUTE, NOW - MINUTE)
    assert jumps.last_seen(house.db) == 1000


def test_an_announced_mms_waits_no_longer(house: House) -> None:
    with transaction(house.db):
        house.db.executemany(
            "INSERT INTO mms_notices (message_id, device_id, sender, at, state, due_at)"
            " VALUES (?, ?, '', ?, 'announced', ?)",
            [("a", house.device.id, NOW, NOW + MINUTE), ("b", house.device.id, NOW, NOW - 1)],
        )
    shift(house.db, old=NOW, new=NOW - DAY, start=NOW)
    due = dict(house.db.execute("SELECT message_id, due_at FROM mms_notices").fetchall())
    assert due["a"] == NOW - DAY + MINUTE
    assert due["b"] <= NOW - DAY


def test_pauses_of_this_run_move_too(house: House) -> None:
    start = NOW - 10 * MINUTE
    with transaction(house.db):
        house.db.executemany(
            "INSERT INTO age_gaps (endpoint_id, from_at, to_at, reason) VALUES (?, ?, ?, 'paused')",
            [
                (house.endpoint.id, NOW - MINUTE, None),
                (house.endpoint.id, NOW - 3 * MINUTE, NOW - 2 * MINUTE),
                (house.endpoint.id, start - 5 * MINUTE, start - MINUTE),
            ],
        )
    shift(house.db, old=NOW, new=NOW + DAY, start=start)
    now = NOW + DAY
    assert [(g.from_at, g.to_at) for g in gaps.load(house.db)] == [
        (now - MINUTE, None),
        (now - 3 * MINUTE, now - 2 * MINUTE),
        (start - 5 * MINUTE, start - MINUTE),
    ]


def test_nothing_waits_longer_than_any_schedule_asks(house: House) -> None:
    far = add(house, made=NOW, due=NOW + YEARS)
    near = add(house, made=NOW, due=NOW + DAY)
    with transaction(house.db):
        assert jumps.clamp_due(house.db, NOW, DAY) == 1
    assert times(house.db, far)[0] == NOW
    assert times(house.db, near)[0] == NOW + DAY


def test_by_a_clock_that_is_right_births_in_the_future_or_in_1970_are_new(house: House) -> None:
    future = add(house, made=NOW + DAY, due=NOW)
    epoch = add(house, made=60_000, due=None)
    old = add(house, made=NOW - DAY, due=NOW)
    with transaction(house.db):
        assert jumps.clamp_ages(house.db, NOW, NOW - 365 * DAY) == 2
    assert [times(house.db, i)[1] for i in (future, epoch, old)] == [NOW, NOW, NOW - DAY]


def test_when_it_last_ran(house: House) -> None:
    assert jumps.last_seen(house.db) is None
    add(house, made=NOW, due=None)
    assert jumps.last_seen(house.db) == NOW  # an older version did not write it down
    for at, told in [
        (NOW - MINUTE, NOW),
        (NOW + MINUTE, NOW + MINUTE),
        (NOW - DAY, NOW - DAY),  # the message was dated by a clock that was set back since
    ]:
        with transaction(house.db):
            jumps.seen(house.db, at)
        assert jumps.last_seen(house.db) == told


def test_what_waits_and_what_is_newest(house: House) -> None:
    assert not jumps.waits(house.db)
    assert jumps.newest_ids(house.db) == []
    add(house, made=NOW, due=None)
    assert not jumps.waits(house.db)
    made = add(house, made=NOW, due=NOW)
    assert jumps.waits(house.db)
    assert max(jumps.newest_ids(house.db), key=lambda i: i[4:]) == made
