"""One text is one message, however often it is pushed: the ladder of keys, in a real database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device, Endpoint, Flight, Place
from mmconnect.phones.intake import Intake
from mmconnect.phones.push import IncomingText
from mmconnect.store import configuration, devices, endpoints, settings
from mmconnect.store.database import Database
from mmconnect.store.messages import Taken
from tests.store.making import DAY, FixedClock, device, endpoint
from tests.support.phones import as_push, generic_json

SENT = 1_770_000_000_000


class Outlet:
    """Gives every text a place and counts what starts."""

    boot_id = "boot_now"

    def __init__(self) -> None:
        self.started: list[Flight] = []
        self.abandoned_flights = 0
        self.woken = 0

    def reserve(self, endpoint: Endpoint, sender: str) -> Place:
        return Place.IN_FLIGHT

    def committed(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        self.started += flights

    def abandoned(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        self.abandoned_flights += len(flights)

    def wake(self) -> None:
        self.woken += 1


@dataclass
class Way:
    """The way in, from a parsed push to what is stored."""

    database: Database
    intake: Intake
    outlet: Outlet
    clock: FixedClock
    phone: Device
    other_phone: Device

    async def push(
        self,
        *texts: IncomingText,
        window: int = 0,
        body: object = None,
        phone: Device | None = None,
    ) -> list[Taken]:
        wire = generic_json({"body": body or [t.text for t in texts]})
        return await self.intake.take(phone or self.phone, as_push(*wire), texts, window)

    async def one(self, text: IncomingText, **how: Any) -> Taken:
        (taken,) = await self.push(text, **how)
        return taken

    async def count(self) -> int:
        return await self.database.read(
            lambda db: int(db.execute("SELECT count(*) FROM messages").fetchone()[0])
        )


@pytest.fixture
async def way(database: Database, tmp_path: Path) -> Way:
    clock = FixedClock()
    ids = Ids(clock)
    phones = device("One"), device("Two")

    def furnish(db: Any) -> None:
        settings.ensure_tenant(db, ids)
        for n, phone in enumerate(phones):
            devices.add(db, phone, f"token {n}")
        endpoints.add(db, endpoint())

    await database.write(furnish)
    look = await database.read(configuration.load)
    outlet = Outlet()
    return Way(database, Intake(database, lambda: look, outlet, clock, ids), outlet, clock, *phones)


def sms(text: str = "hello", **more: Any) -> IncomingText:
    return IncomingText(**({"sender": "+6581230000", "text": text} | more))


async def test_the_same_id_and_text_is_the_same_message(way: Way) -> None:
    first = await way.one(sms(event_id="e1"))
    again = await way.one(sms(event_id="e1"))
    assert again == Taken(message_id=first.message_id, duplicate=True)
    assert await way.count() == 1
    (counted,) = await way.database.read(
        lambda db: db.execute("SELECT duplicates FROM messages").fetchone()
    )
    assert counted == 1


async def test_a_duplicate_makes_no_delivery_and_frees_its_place(way: Way) -> None:
    for _ in range(3):
        await way.one(sms(event_id="e1"))
    assert len(way.outlet.started) == 1
    assert way.outlet.abandoned_flights == 2
    rows = await way.database.read(lambda db: db.execute("SELECT state FROM deliveries").fetchall())
    assert rows == [("in_flight",)]


async def test_the_same_id_with_another_text_is_new_and_warned_of(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    first = await way.one(sms("a", event_id="e1"))
    with caplog.at_level(logging.WARNING):
        second = await way.one(sms("b", event_id="e1"))
    assert (second.duplicate, second.reused_id) == (False, True)
    assert second.message_id != first.message_id
    assert "used an event id again" in caplog.text
    # and both are known from then on
    assert (await way.one(sms("a", event_id="e1"))).message_id == first.message_id
    assert (await way.one(sms("b", event_id="e1"))).message_id == second.message_id


async def test_the_same_id_with_another_sender_is_new(way: Way) -> None:
    await way.one(sms(event_id="e1"))
    assert not (await way.one(sms(event_id="e1", sender="+6581230001"))).duplicate


async def test_the_same_moment_is_the_same_text_whatever_way_it_came(way: Way) -> None:
    first = await way.one(sms(sent_at=SENT, event_id="e1"))
    assert await way.one(sms(sent_at=SENT)) == Taken(message_id=first.message_id, duplicate=True)
    assert (await way.one(sms(sent_at=SENT, event_id="other"))).duplicate
    assert not (await way.one(sms(sent_at=SENT + 1000))).duplicate
    assert not (await way.one(sms("another", sent_at=SENT))).duplicate


async def test_every_key_of_a_push_is_known_from_then_on(way: Way) -> None:
    """Pushed with one id and a time, then with another id and the time, then with that id alone."""
    first = await way.one(sms(sent_at=SENT, event_id="e1"))
    await way.one(sms(sent_at=SENT, event_id="e2"))
    assert await way.one(sms(event_id="e2")) == Taken(message_id=first.message_id, duplicate=True)


async def test_two_texts_that_read_the_same_stay_two(way: Way) -> None:
    assert not (await way.one(sms("Yes", sent_at=SENT, event_id="e1"))).duplicate
    assert not (await way.one(sms("Yes", sent_at=SENT + 60_000, event_id="e2"))).duplicate


async def test_a_mark_that_is_no_time_tells_texts_apart(way: Way) -> None:
    assert not (await way.one(sms(time_mark="yesterday 10:00"))).duplicate
    assert (await way.one(sms(time_mark="yesterday 10:00"))).duplicate
    assert not (await way.one(sms(time_mark="yesterday 10:01"))).duplicate


async def test_without_id_and_time_the_body_counts_within_the_window(way: Way) -> None:
    first = await way.one(sms(), window=120)
    way.clock.ms += 119_000
    assert await way.one(sms(), window=120) == Taken(message_id=first.message_id, duplicate=True)
    way.clock.ms += 2_000  # 121 s after the first: the repetition has not moved the window
    later = await way.one(sms(), window=120)
    assert not later.duplicate
    way.clock.ms += 60_000
    assert (await way.one(sms(), window=120)).message_id == later.message_id


async def test_a_sender_that_never_retries_has_no_window(way: Way) -> None:
    assert not (await way.one(sms())).duplicate
    assert not (await way.one(sms())).duplicate


async def test_a_clock_that_jumps_back_merges_nothing_from_the_future(way: Way) -> None:
    await way.one(sms(), window=120)
    way.clock.ms -= DAY
    assert not (await way.one(sms(), window=120)).duplicate


async def test_with_an_id_the_body_says_nothing(way: Way) -> None:
    assert not (await way.one(sms(event_id="e1"), window=120, body="same")).duplicate
    assert not (await way.one(sms(event_id="e2"), window=120, body="same")).duplicate


async def test_each_text_of_a_batch_is_one(way: Way) -> None:
    batch = [sms("a"), sms("b"), sms("c")]
    first = await way.push(*batch, window=120)
    assert [t.duplicate for t in first] == [False] * 3
    again = await way.push(*batch, window=120)
    assert [t.duplicate for t in again] == [True] * 3
    assert [t.message_id for t in again] == [t.message_id for t in first]
    assert await way.count() == 3


async def test_each_device_has_its_own_keys(way: Way) -> None:
    text = sms(event_id="e1", sent_at=SENT)
    assert not (await way.one(text)).duplicate
    assert not (await way.one(text, phone=way.other_phone)).duplicate
    assert not (await way.one(sms(), window=120)).duplicate
    assert not (await way.one(sms(), window=120, phone=way.other_phone)).duplicate


async def test_keys_outlive_their_message(way: Way) -> None:
    first = await way.one(sms(event_id="e1"))
    await way.database.write(lambda db: db.execute("DELETE FROM messages"))
    again = await way.one(sms(event_id="e1"))
    assert again == Taken(message_id=first.message_id, duplicate=True)
    assert await way.count() == 0


@pytest.mark.parametrize(
    ("text", "window"),
    [(sms(event_id="e1"), 0), (sms(sent_at=SENT), 0), (sms(), 120)],
    ids=["id", "moment", "body"],
)
async def test_fifty_at_once_are_one_message(way: Way, text: IncomingText, window: int) -> None:
    taken = await asyncio.gather(*[way.one(text, window=window) for _ in range(50)])
    assert sum(not one.duplicate for one in taken) == 1
    assert len({one.message_id for one in taken}) == 1
    assert await way.count() == 1
    assert len(way.outlet.started) == 1
    assert way.outlet.abandoned_flights == 49
