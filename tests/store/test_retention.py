"""Retention: what is old and waits for nothing goes; keys stay; a wrong clock costs nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.domain.models import Kind, Message
from mmconnect.store import erasure, mms, outbox, retention
from mmconnect.store.connection import transaction
from mmconnect.store.messages import Keys, take
from tests.store.conftest import House
from tests.store.making import DAY, NOW, attempt, delivery, ids, message, new_message

BEFORE = NOW - 90 * DAY


def at(ms: int, value: Message) -> Message:
    """The same as if it had been taken at that time: id and stamp."""
    return replace(value, id=first_at(MESSAGE, ms)[:-8] + ids.new(MESSAGE)[-8:], received_at=ms)


def taken(house: House, ms: int, states: tuple[str, ...] = (), **more: Any) -> str:
    """A text taken at that time, with a delivery in each of these states; its id."""
    value = at(ms, message(house.device.id))
    out = [delivery(value, house.endpoint.id) for _ in states]
    with transaction(house.db):
        take(house.db, new_message(value, out, **more))
        for one, state in zip(out, states, strict=True):
            finished = None if state in ("pending", "in_flight") else ms
            house.db.execute(
                "UPDATE deliveries SET state = ?, finished_at = ?, id = ? WHERE id = ?",
                (state, finished, first_at("dlv_", ms)[:-8] + one.id[-8:], one.id),
            )
    return value.id


def left(db: sqlite3.Connection, table: str = "messages", column: str = "id") -> list[Any]:
    return [row[0] for row in db.execute(f"SELECT {column} FROM {table} ORDER BY 1")]


def prune(db: sqlite3.Connection, before: int = BEFORE) -> int:
    """All of it, in looks of two."""
    count, after = 0, ""
    while True:
        found = retention.old_messages(db, before, after, 2)
        with transaction(db):
            count += retention.prune_messages(db, found.old, before)
        after = found.last
        if not found.more:
            return count


@pytest.mark.parametrize("state", ["delivered", "failed", "expired", "cancelled"])
def test_what_is_old_and_finished_goes_with_all_that_hangs_on_it(house: House, state: str):
    old = taken(house, BEFORE - 1, (state,))
    young = taken(house, BEFORE, (state,))
    with transaction(house.db):
        (one,) = house.db.execute(
            "SELECT id FROM deliveries WHERE message_id = ?", (old,)
        ).fetchone()
        outbox.record(house.db, attempt(one))
    assert prune(house.db) == 1
    assert left(house.db) == [young]
    assert left(house.db, "deliveries", "message_id") == [young]
    assert left(house.db, "attempts", "delivery_id") == []


@pytest.mark.parametrize("state", ["pending", "in_flight"])
def test_what_waits_is_never_touched_however_old(house: House, state: str):
    old = taken(house, BEFORE - 80 * DAY, ("delivered", state))
    assert prune(house.db) == 0
    assert left(house.db) == [old]
    with transaction(house.db):
        assert retention.prune_messages(house.db, [old], NOW) == 0, (
            "checked again when it is removed"
        )
    assert left(house.db) == [old]


def test_one_that_began_to_wait_after_the_look_stays(house: House):
    old = taken(house, BEFORE - 1, ("failed",))
    found = retention.old_messages(house.db, BEFORE, "", 10)
    assert found.old == [old]
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET state = 'pending', due_at = 1")
        assert retention.prune_messages(house.db, found.old, BEFORE) == 0
    assert left(house.db) == [old]


def test_a_look_goes_no_further_than_asked_and_says_where_to_go_on(house: House):
    old = [taken(house, BEFORE - DAY + n, ("delivered",)) for n in range(5)]
    first = retention.old_messages(house.db, BEFORE, "", 3)
    assert (first.old, first.last, first.more) == (old[:3], old[2], True)
    second = retention.old_messages(house.db, BEFORE, first.last, 3)
    assert (second.old, second.last, second.more) == (old[3:], old[4], False)
    assert retention.old_messages(house.db, BEFORE, second.last, 3).last == second.last


def test_a_look_never_walks_through_the_table(house: House):
    plan = house.db.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM messages m WHERE m.id > 'a' AND m.id < 'b'"
        " ORDER BY m.id LIMIT 5"
    ).fetchall()
    assert "SEARCH" in str(plan)
    for look in (
        lambda: retention.old_messages(house.db, BEFORE, "", 5),
        lambda: retention.old_attempts(house.db, BEFORE, "", 5),
        lambda: retention.old_keys(house.db, NOW, b"", 5),
        lambda: retention.prune_messages(house.db, ["msg_1"], BEFORE),
        lambda: retention.prune_attempts(house.db, ["dlv_1"], BEFORE),
    ):
        statements: list[str] = []
        house.db.set_trace_callback(statements.append)
        look()
        house.db.set_trace_callback(None)
        for statement in statements:
            if statement.startswith("--"):
                continue  # what a foreign key does
            steps = [r[3] for r in house.db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert [s for s in steps if s.startswith("SCAN") and "SUBQUERY" not in s] == [], steps


# -- a clock that was wrong ----------------------------------------------------------------------


def test_a_text_stamped_in_1970_goes_when_the_next_one_does_and_not_before(house: House):
    before_it = taken(house, NOW - 100 * DAY, ("delivered",))
    unset = taken(house, 5000, ("delivered",))
    after_it = taken(house, NOW - 10 * DAY, ("delivered",))
    assert prune(house.db) == 1
    assert left(house.db) == sorted([unset, after_it])
    assert before_it not in left(house.db)
    assert prune(house.db, NOW) == 2


def test_a_text_stamped_in_1970_stays_while_nothing_came_after_it(house: House):
    taken(house, 5000, ("delivered",))
    assert prune(house.db, NOW) == 0


def test_a_text_stamped_in_1970_is_wiped_when_the_next_one_is_and_not_before(house: House):
    unset = taken(house, 5000, ("delivered",))
    assert erasure.to_wipe(house.db, NOW, "", 10).old == []
    after_it = taken(house, NOW - 10 * DAY, ("delivered",))
    assert erasure.to_wipe(house.db, NOW - 20 * DAY, "", 10).old == []
    assert list(erasure.to_wipe(house.db, NOW, "", 10).old) == [unset, after_it]


# -- keys ---------------------------------------------------------------------------------------


def forget(db: sqlite3.Connection, now: int) -> int:
    found = retention.old_keys(db, now, b"", 100)
    with transaction(db):
        retention.stamp_keys(db, found.unset, now)
        return retention.prune_keys(db, found.old, now)


def key(n: int) -> Keys:
    return Keys(event=n.to_bytes(16, "big"))


def test_a_push_that_comes_again_after_its_message_went_is_still_seen(house: House):
    old = taken(house, BEFORE - 1, ("delivered",), keys=key(1))
    assert prune(house.db) == 1
    with transaction(house.db):
        again = take(house.db, new_message(message(house.device.id), keys=key(1)))
    assert (again.duplicate, again.message_id) == (True, old)


def test_keys_live_ninety_days_and_as_long_as_their_message(house: House):
    with_message = taken(house, NOW - 200 * DAY, ("pending",), keys=key(1))
    taken(house, NOW - 91 * DAY, ("delivered",), keys=key(2))
    taken(house, NOW - 50 * DAY, ("delivered",), keys=key(3))
    assert prune(house.db, NOW - 10 * DAY) == 2
    assert forget(house.db, NOW) == 1
    assert left(house.db, "dedupe_keys", "key") == [key(1).event, key(3).event]
    assert left(house.db) == [with_message]


def test_a_key_stamped_by_a_wrong_clock_has_its_ninety_days_from_now_on(house: House):
    taken(house, 5000, ("delivered",), keys=key(1))
    with transaction(house.db):
        house.db.execute("DELETE FROM messages")
    assert forget(house.db, NOW) == 0
    assert forget(house.db, NOW + 89 * DAY) == 0
    assert forget(house.db, NOW + 91 * DAY) == 1


def test_the_key_of_an_mms_that_is_still_announced_stays(house: House):
    value = at(NOW - 95 * DAY, message(house.device.id, kind=Kind.MMS))
    with transaction(house.db):
        mms.announce(house.db, new_message(value, keys=key(1)))
    assert forget(house.db, NOW) == 0
    found = retention.old_notices(house.db, BEFORE, "", 10)
    assert found.old == []


def test_a_notice_goes_after_its_message(house: House):
    value = at(BEFORE - 5, message(house.device.id, kind=Kind.MMS, attachments=()))
    with transaction(house.db):
        mms.downloaded(house.db, key(1), lambda _id, ref: new_message(value, keys=key(1)), value)
    assert retention.old_notices(house.db, BEFORE, "", 10).old == []
    assert prune(house.db) == 1
    found = retention.old_notices(house.db, BEFORE, "", 10)
    with transaction(house.db):
        assert retention.prune_notices(house.db, found.old, BEFORE) == 1


# -- attempts and oddments -------------------------------------------------------------------------


def test_of_a_finished_delivery_only_the_last_attempt_stays_without_its_excerpt(house: House):
    taken(house, NOW - 40 * DAY, ("failed",))
    taken(house, NOW - 40 * DAY + 1, ("pending",))
    done, waits = left(house.db, "deliveries")
    with transaction(house.db):
        for one in (done, waits):
            for number in (1, 2, 3):
                outbox.record(
                    house.db,
                    attempt(one, number, started_at=NOW - 40 * DAY, request="noted", error="why")
                    if number == 3
                    else attempt(one, number, started_at=NOW - 40 * DAY, response_body="quoted"),
                )
        outbox.record(house.db, attempt(done, 4, started_at=NOW, response_body="new"))
        house.db.execute("DELETE FROM attempts WHERE number = 4")
    before = NOW - 30 * DAY
    found = retention.old_attempts(house.db, before, "", 10)
    assert found.old == [done]
    with transaction(house.db):
        assert retention.prune_attempts(house.db, found.old, before) == 3
    rows = house.db.execute(
        "SELECT number, error, request, response_body FROM attempts WHERE delivery_id = ?", (done,)
    ).fetchall()
    assert rows == [(3, "why", None, None)]
    assert len(left(house.db, "attempts", "number")) == 4
    assert retention.old_attempts(house.db, before, "", 10).old == []


def test_what_an_attempt_has_sent_is_reason_enough_to_look_at_it(house: House):
    taken(house, NOW - 40 * DAY, ("failed",))
    (done,) = left(house.db, "deliveries")
    before = NOW - 30 * DAY
    with transaction(house.db):
        outbox.record(house.db, attempt(done, 1, started_at=NOW - 40 * DAY, request="noted"))
        assert retention.old_attempts(house.db, before, "", 10).old == [done]
        assert retention.prune_attempts(house.db, [done], before) == 1
    assert retention.old_attempts(house.db, before, "", 10).old == []


def test_young_attempts_stay_beside_old_ones(house: House):
    taken(house, NOW - 40 * DAY, ("failed",))
    (done,) = left(house.db, "deliveries")
    with transaction(house.db):
        outbox.record(house.db, attempt(done, 1, started_at=NOW - 40 * DAY))
        outbox.record(house.db, attempt(done, 2, started_at=NOW - 29 * DAY, response_body="young"))
        retention.prune_attempts(house.db, [done], NOW - 30 * DAY)
    assert house.db.execute("SELECT number, response_body FROM attempts").fetchall() == [
        (2, "young")
    ]


def test_oddments_go_and_what_is_in_use_stays(house: House):
    db = house.db
    with transaction(db):
        for ms in (BEFORE - 1, BEFORE):
            db.execute(
                "INSERT INTO device_events (device_id, name, received_at, detail)"
                " VALUES (?, 'x', ?, '{}')",
                (house.device.id, ms),
            )
            db.execute(
                "INSERT INTO secrets VALUES (?, ?, 'whsec_old', ?)", (house.endpoint.id, ms, ms)
            )
    assert retention.old_oddments(db, BEFORE)
    with transaction(db):
        assert retention.prune_oddments(db, BEFORE) == 2
    assert not retention.old_oddments(db, BEFORE)
    assert left(db, "device_events", "received_at") == [BEFORE]
    assert len(left(db, "secrets", "value")) == 2


def test_a_crash_in_the_middle_leaves_whole_messages(house: House):
    """What one step removes is one transaction: a message goes with its deliveries or stays."""
    for n in range(4):
        taken(house, BEFORE - DAY + n, ("delivered",))
    found = retention.old_messages(house.db, BEFORE, "", 10)

    def dies() -> None:
        with transaction(house.db):
            retention.prune_messages(house.db, found.old[:2], BEFORE)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        dies()
    assert len(left(house.db)) == len(left(house.db, "deliveries")) == 4
    assert prune(house.db) == 4
