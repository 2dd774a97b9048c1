"""What an owner does with deliveries, whoever asks: rules, sentences, short writes, the audit."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from mmconnect.desk import deliveries as desk
from mmconnect.desk.actor import Actor
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.models import DeliveryState, Trigger
from mmconnect.store import deliveries, devices, endpoints, messages, migrate, replays
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.delivery_lists import Wanted
from tests.store.conftest import House
from tests.store.making import (
    NOW,
    FixedClock,
    delivery,
    device,
    endpoint,
    ids,
    message,
    new_message,
)

T = TypeVar("T")
BY = Actor(name="admin", address="192.168.1.7")
FAILED = Wanted(states=frozenset({DeliveryState.FAILED}))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A store with a phone and an endpoint."""
    with contextlib.closing(connect(tmp_path / FILE)) as db:
        migrate.migrate(db, tmp_path / FILE)
        made = House(db, device(), endpoint())
        with transaction(db):
            devices.add(db, made.device, made.token)
            endpoints.add(db, made.endpoint)
        yield made


def made(house: House, state: str = "failed", **more) -> str:
    text = message(house.device.id)
    its = delivery(text, house.endpoint.id, **more)
    with transaction(house.db):
        messages.take(house.db, new_message(text, [its]))
        due = NOW if state == "pending" else None
        house.db.execute(
            "UPDATE deliveries SET state = ?, due_at = ? WHERE id = ?", (state, due, its.id)
        )
    return its.id


def wipe(house: House, delivery_id: str) -> None:
    house.db.execute(
        "UPDATE messages SET wiped_at = 1 WHERE id ="
        " (SELECT message_id FROM deliveries WHERE id = ?)",
        (delivery_id,),
    )


def state(house: House, delivery_id: str) -> str:
    return desk.found(house.db, delivery_id).state.value


def notes(house: House) -> list[tuple[str, str | None, str]]:
    rows = house.db.execute("SELECT action, subject, detail FROM audit ORDER BY number")
    return list(rows)


class Steps:
    """Runs functions as the service does, and counts the transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db, self.count = db, 0

    async def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> T:
        self.count += 1
        with transaction(self.db):
            return function(self.db)


def test_all_that_are_named_are_sent_again_or_none(house: House):
    one, test = made(house), made(house, trigger=Trigger.TEST)
    with pytest.raises(Refused, match="tests are never repeated"):
        desk.retry(house.db, [one, test], now=NOW, by=BY)
    assert state(house, one) == "failed"
    done = desk.retry(house.db, [one, one], now=NOW, by=BY)
    assert (done.count, done.flying) == (1, 0)
    assert state(house, one) == "pending"
    assert notes(house) == [("delivery.retried", one, "")]


def test_what_cannot_be_sent_again_says_why(house: House):
    wiped, kept = made(house), made(house)
    wipe(house, wiped)
    with pytest.raises(Refused, match=f"The text of {wiped} was wiped at 1970-.*nothing to send"):
        desk.retry(house.db, [wiped], now=NOW, by=BY)
    with pytest.raises(NotFound, match="There is no delivery dlv_none"):
        desk.retry(house.db, ["dlv_none"], now=NOW, by=BY)
    endpoints.remove(house.db, house.endpoint.id, NOW)
    with pytest.raises(Refused, match=f"The endpoint of {kept} was removed"):
        desk.retry(house.db, [kept], now=NOW, by=BY)
    assert notes(house) == []


def test_of_several_those_are_sent_again_that_can_be(house: House):
    one, two, flies, wiped = made(house), made(house), made(house, "in_flight"), made(house)
    wipe(house, wiped)
    done = desk.retry_those_that_can(house.db, [one, wiped, two, flies, "dlv_none"], now=NOW, by=BY)
    assert (done.count, done.flying) == (2, 1)
    assert len(done.refused) == 1
    assert "was wiped" in done.refused[0]
    assert [state(house, d) for d in (one, two, flies, wiped)] == [
        "pending",
        "pending",
        "in_flight",
        "failed",
    ]
    assert notes(house) == [("delivery.retried", None, "2 deliveries")]
    nothing = desk.retry_those_that_can(house.db, [], now=NOW, by=BY)
    assert (nothing.count, len(notes(house))) == (0, 1)


async def test_an_order_begins_at_the_first_that_matches_and_can_be_stopped(house: House):
    made(house, "delivered")
    first, last = made(house), made(house)
    made(house, "delivered")
    counted = await desk.count(Steps(house.db), FAILED)
    assert (counted.total, counted.end) == (2, True)
    with transaction(house.db):
        replay = desk.order(house.db, FAILED, counted, ids=ids, now=NOW, by=BY)
    assert (replay.total, replay.last) == (2, last)
    assert first[:20] <= replay.cursor < first
    assert replays.look(house.db, replay, replay.cursor, 1).ids == [first]
    assert desk.stop(house.db, replay.id, now=NOW, by=BY).state is replays.ReplayState.CANCELLED
    desk.stop(house.db, replay.id, now=NOW, by=BY)
    assert [n[0] for n in notes(house)] == ["replay.ordered", "replay.cancelled"]
    with pytest.raises(NotFound, match="There is no replay rpl_none"):
        desk.stop(house.db, "rpl_none", now=NOW, by=BY)


async def test_a_replay_of_several_states_takes_just_those(house: House):
    wanted = Wanted(states=frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED}))
    failed, expired = made(house), made(house, "expired")
    fine = made(house, "delivered")
    counted = await desk.count_all(Steps(house.db), wanted)
    with transaction(house.db):
        ordered = desk.order(house.db, wanted, counted, ids=ids, now=NOW, by=BY)
        replay = replays.get(house.db, ordered.id)
    assert replay == ordered
    found = replays.look(house.db, ordered, ordered.cursor, 10)
    assert found.ids == [failed, expired]
    house.db.execute("UPDATE deliveries SET state = 'delivered' WHERE id = ?", (failed,))
    with transaction(house.db):
        assert replays.advance(house.db, ordered, found, NOW) == 1
    assert [state(house, d) for d in (failed, expired, fine)] == [
        "delivered",
        "pending",
        "delivered",
    ]


async def test_nothing_to_send_is_no_order(house: House):
    counted = await desk.count(Steps(house.db), FAILED)
    with pytest.raises(Refused, match="Nothing that matches"):
        desk.order(house.db, FAILED, counted, ids=ids, now=NOW, by=BY)


async def test_a_count_that_is_looked_at_ends_somewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(8):
        made(house)
    monkeypatch.setattr(desk, "MOST_COUNTED", 2)
    monkeypatch.setattr(desk, "STEPS", 2)
    counted = await desk.count(Steps(house.db), FAILED)
    assert not counted.end
    assert 2 < counted.total < 8
    assert (await desk.count_all(Steps(house.db), FAILED)).total == 8


async def test_cancelling_takes_short_writes_with_room_between(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    waiting = [made(house, "pending") for _ in range(7)]
    flies, done = made(house, "in_flight"), made(house, "delivered")
    monkeypatch.setattr(desk, "CHUNK", 3)
    write, rests = Steps(house.db), []

    async def rest() -> None:
        rests.append(write.count)

    named = [*waiting[:5], flies, done, waiting[0]]
    told = await desk.cancel(write, named, clock=FixedClock(), by=BY, between=rest)
    assert (told.count, told.flying) == (5, 1)
    assert len(rests) == 2
    assert state(house, done) == "delivered"
    with pytest.raises(NotFound):
        await desk.cancel(write, [waiting[5], "dlv_none"], clock=FixedClock(), by=BY)
    assert state(house, waiting[5]) == "pending"
    left = await desk.cancel_waiting(write, house.endpoint.id, clock=FixedClock(), by=BY)
    assert left.count == 2
    assert [n[0] for n in notes(house)] == ["delivery.cancelled"] * 2
    assert notes(house)[1][1] == house.endpoint.id
    assert deliveries.waiting(house.db, house.endpoint.id, limit=9) == []
