"""The trap of SQLite under asyncio, walked into on purpose: hundreds of times, at random.

On a shared connection one coroutine's rollback erases another's insert, and a cancellation in
mid-transaction loses what comes after. Here handlers are cancelled at any moment, writes fail
half-done and whole commits fail, in between texts that are acknowledged; afterwards the database is
opened anew and every acknowledged text has to be there.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device, Endpoint, Flight, Place
from mmconnect.phones.intake import Intake
from mmconnect.phones.push import IncomingText
from mmconnect.store import configuration, devices, endpoints, settings
from mmconnect.store import database as module
from mmconnect.store.connection import connect
from mmconnect.store.database import Database
from tests.store.making import FixedClock, afresh, device, endpoint
from tests.support.phones import as_push, generic_json

OPERATIONS = 500


class Outlet:
    """Counts the places that it gives, and what becomes of them."""

    boot_id = "boot_now"

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.places = 0
        self.expected: Counter[str] = Counter()
        self.started: list[Flight] = []

    def reserve(self, endpoint: Endpoint, sender: str) -> Place:
        place = self._rng.choice([Place.IN_FLIGHT, Place.IN_FLIGHT, Place.QUEUED, Place.PARKED])
        self.places += place is Place.IN_FLIGHT
        if place is not Place.IN_FLIGHT:
            self.expected[endpoint.id] += 1
        return place

    def committed(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        self.started += flights
        self.abandoned(flights, waiting)

    def abandoned(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        self.places -= len(flights)
        self.expected.subtract(waiting)

    def wake(self) -> None: ...


class FailingNowAndThen:
    """The writer's connection, every fifth of whose commits finds the disk full."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.armed = False
        self._commits = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._commits += sql == "COMMIT"
        if self.armed and sql == "COMMIT" and self._commits % 5 == 0:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._db.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize("seed", range(4))
async def test_no_acknowledged_text_is_ever_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    disks: list[FailingNowAndThen] = []

    def opened(path: Path, **how: Any) -> Any:
        db = connect(path, **how)
        if how.get("readonly"):
            return db
        disks.append(FailingNowAndThen(db))
        return disks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(module, "connect", opened)
        database = Database.open(tmp_path)
    phone, clock = device(), FixedClock()
    ids = Ids(clock)

    def furnish(db: sqlite3.Connection) -> None:
        settings.ensure_tenant(db, ids)
        devices.add(db, phone, "token")
        endpoints.add(db, endpoint("one"))
        endpoints.add(db, endpoint("two"))

    await database.write(furnish)
    look = await database.read(configuration.load)
    outlet = Outlet(rng)
    intake = Intake(database, lambda: look, outlet, clock, ids)
    disks[0].armed = True

    acknowledged: dict[str, str] = {}
    refused: set[str] = set()
    handlers: list[tuple[str, asyncio.Task[None]]] = []
    bad: list[asyncio.Future[Any]] = []

    async def handle(name: str) -> None:
        try:
            (taken,) = await _push(intake, phone, name)
        except StoreUnavailable:
            refused.add(name)
        else:
            acknowledged[name] = taken.message_id

    for n in range(OPERATIONS):
        name = f"text {n}"
        if n and rng.random() < 0.1:
            name = f"text {rng.randrange(n)}"  # pushed again, perhaps while the first is under way
        match rng.choice(("push", "push", "push", "cancel", "fail", "breathe")):
            case "push":
                handlers.append((name, asyncio.create_task(handle(name))))
            case "cancel":  # one that is under way, however quick the disk is
                handlers.append((name, asyncio.create_task(handle(name))))
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                if alive := [task for _, task in handlers[-10:] if not task.done()]:
                    rng.choice(alive).cancel()
            case "fail":
                bad.append(database.submit(_half_done(n), heavy=rng.random() < 0.3))
            case "breathe":
                await asyncio.sleep(rng.choice((0, 0.001, 0.002)))
        if n % 10 == 0:  # however slow the disk is, there are commits enough for some to fail
            await asyncio.gather(database.submit(lambda db: None), return_exceptions=True)
    await asyncio.gather(*[task for _, task in handlers], return_exceptions=True)
    ended = await asyncio.gather(*bad, return_exceptions=True)
    disks[0].armed = False
    await database.close()

    cancelled = {name for name, task in handlers if task.cancelled()}
    assert len(acknowledged) > 50
    assert len(cancelled) > 10
    assert len(refused) > 3
    assert len(bad) > 30
    assert not any(task.exception() for _, task in handlers if not task.cancelled())
    assert all(isinstance(one, (ValueError, StoreUnavailable)) for one in ended)

    db = afresh(tmp_path)
    stored = {text: message_id for message_id, text in db.execute("SELECT id, text FROM messages")}
    (count,) = db.execute("SELECT count(*) FROM messages").fetchone()
    assert len(stored) == count, "a text was stored twice"
    assert {n: i for n, i in acknowledged.items() if stored.get(n) != i} == {}, "lost"
    assert set(stored) <= set(acknowledged) | cancelled, "refused, and yet stored"
    assert all(not text.startswith("half") for text in stored)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []

    # every text has a delivery to each endpoint; what flies is on the disk, and the reverse
    assert db.execute("SELECT count(*) FROM deliveries").fetchone() == (2 * count,)
    rows = db.execute("SELECT id FROM deliveries WHERE state = 'in_flight'").fetchall()
    flying = [flight.delivery_id for flight in outlet.started]
    assert len(flying) == len(set(flying))
    assert {row[0] for row in rows} == set(flying)
    assert outlet.places == 0
    assert not any(outlet.expected.values())
    db.close()


async def _push(intake: Intake, phone: Device, name: str) -> list[Any]:
    text = IncomingText(sender="+6581230000", text=name, event_id=name)
    wire = generic_json({"from": "+6581230000", "text": name, "id": name})
    return await intake.take(phone, as_push(*wire), [text], 0)


def _half_done(n: int) -> Any:
    def write(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO messages (id, kind, text, received_at) VALUES (?, 'sms', ?, 0)",
            (f"msg_half_{n}", f"half {n}"),
        )
        if n % 2:
            db.execute("DELETE FROM messages")
        raise ValueError("in the middle")

    return write
