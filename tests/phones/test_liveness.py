"""Silence: told once, at its time, by time that really passed; and told again when it is over."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmconnect.domain.models import Device
from mmconnect.phones.liveness import LEAST, Liveness, allowed
from mmconnect.phones.presence import Presences
from mmconnect.store import database, devices
from mmconnect.store.connection import FILE
from mmconnect.webhook.events import DEVICE_RECOVERED, DEVICE_SILENT
from tests.support.inprocess import NOW, Appliance, FakeClock, appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import Receiver, receiver
from tests.support.wire import ask, request

HOUR = 3600
BOTH = frozenset({DEVICE_SILENT, DEVICE_RECOVERED})


@dataclass
class Watched:
    box: Appliance
    clock: FakeClock
    there: Receiver
    liveness: Liveness

    async def turns(self, seconds: float, step: float = 60.0) -> list[str]:
        """Time passes with a look now and then; the events that were told, in order."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            await self.liveness.turn()
        return self.told()

    def told(self) -> list[str]:
        notes = self.box.rows("SELECT note FROM messages WHERE kind = 'event' ORDER BY id")
        return [str(note).partition(":")[0] for (note,) in notes]

    def restarted(self) -> None:
        """As a new process: only what the database has is known."""
        self.box.presences = Presences(self.clock, dict(self.box._look(devices.presences)))
        self.liveness = watching(self.box)

    @property
    def silent_at(self) -> int | None:
        return self.box.presences.of(next(iter(self.box.tokens))).silent_at


def watching(box: Appliance) -> Liveness:
    return Liveness(
        box.database, box.watch.look, box.ids, box.clock, box.presences, box.dispatcher.wake
    )


@asynccontextmanager
async def watched(directory: Path, silent_after: int | None = 2 * HOUR) -> AsyncIterator[Watched]:
    clock = FakeClock()
    async with appliance(directory, clock=clock, tokens=()) as box, receiver() as there:
        await box.endpoint(there.url, events=BOTH)
        await box.device(silent_after=silent_after)
        it = Watched(box, clock, there, watching(box))
        await it.liveness.turn()
        yield it
        await eventually(lambda: all(d.state == "delivered" for d in box.deliveries()))


async def test_it_is_told_once_at_its_time_and_recovered_after(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turns(600)
        assert (await it.box.push(*generic_json())).status == 200
        heard = it.clock.now()
        assert await it.turns(2 * HOUR - 60) == []
        assert await it.turns(10, step=5) == []
        assert await it.turns(50, step=5) == [DEVICE_SILENT]
        assert it.clock.now() - heard <= (2 * HOUR + 10) * 1000
        (event,) = await it.there.until(1)
        assert "2026-06-12T14:42:00.000Z" in event.json["message"], "since it was last heard"
        assert event.json["device"]["name"] == "Reception"
        assert await it.turns(40 * HOUR, step=600) == [DEVICE_SILENT], "once"
        assert [d.name for d in it.liveness.silent()] == ["Reception"]
        assert (await it.box.push(*generic_json({"from": "a", "text": "b"}))).status == 200
        assert await it.turns(5, step=5) == [DEVICE_SILENT, DEVICE_RECOVERED]
        assert it.liveness.silent() == []
        assert it.box.rows("SELECT 1 FROM device_presence WHERE silent_at IS NOT NULL") == []


async def test_a_heartbeat_keeps_it_alive(tmp_path: Path):
    async with watched(tmp_path) as it:
        (token,) = it.box.tokens.values()
        for _ in range(20):
            assert await it.turns(HOUR, step=600) == []
            await ask(it.box.port, request(f"/beat/{token}", {}, method="GET"))


async def test_a_restart_gives_it_its_full_time_again(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turns(2 * HOUR - 60)
        it.clock.advance(86_400)  # off for a day
        it.restarted()
        assert await it.turns(2 * HOUR - 60) == []
        assert await it.turns(120) == [DEVICE_SILENT]


async def test_a_silence_is_not_told_again_after_a_restart_but_its_end_is(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turns(2 * HOUR)
        since = it.silent_at
        assert since is not None
        it.restarted()
        assert it.silent_at == since
        assert await it.turns(20 * HOUR, step=600) == [DEVICE_SILENT]
        it.box.presences.heard(next(iter(it.box.tokens)), "192.168.1.9", None)
        assert await it.turns(5, step=5) == [DEVICE_SILENT, DEVICE_RECOVERED]


async def test_neither_a_clock_that_is_set_nor_sleep_makes_anybody_silent(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turns(HOUR)
        it.clock._now += 400 * 86_400_000  # the wall clock alone
        assert await it.turns(HOUR - 60) == []
        it.clock._now = NOW - 86_400_000
        assert await it.turns(120) == [DEVICE_SILENT]


async def test_what_a_person_sets_counts_at_once(tmp_path: Path):
    async with watched(tmp_path, silent_after=None) as it:
        assert await it.turns(50 * HOUR, step=600) == [], "a phone that only pushes"
        (device_id,) = it.box.tokens

        async def put(seconds: int | None) -> None:
            it.box.change(
                lambda db: db.execute(
                    "UPDATE devices SET silent_after = ? WHERE id = ?", (seconds, device_id)
                )
            )
            await it.box.watch.refresh()

        await put(HOUR)
        assert await it.turns(5, step=5) == [DEVICE_SILENT]
        await put(0)
        assert await it.turns(HOUR) == [DEVICE_SILENT], "off is no recovery"
        assert it.silent_at is None


async def test_a_phone_that_was_just_added_has_its_full_time(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turns(2 * HOUR)
        await it.box.device(name="New", silent_after=HOUR)
        assert await it.turns(HOUR - 60) == [DEVICE_SILENT]
        assert await it.turns(120) == [DEVICE_SILENT, DEVICE_SILENT]


async def test_a_phone_that_is_fetched_from_is_watched_by_default(tmp_path: Path):
    async with watched(tmp_path, silent_after=None) as it:
        (device_id,) = it.box.tokens
        it.box.change(
            lambda db: db.execute(
                "INSERT INTO phone_links (device_id, url, created_at) VALUES (?, ?, 0)",
                (device_id, "http://192.168.1.9:8080"),
            )
        )
        await it.box.watch.refresh()
        assert await it.turns(LEAST - 60) == []
        assert it.liveness.pulled == {device_id}
        it.box.presences.reached(device_id)
        assert await it.turns(LEAST - 60) == [], "it was fetched from in between"
        assert await it.turns(120) == [DEVICE_SILENT]
        it.box.presences.reached(device_id)
        assert await it.turns(5, step=5) == [DEVICE_SILENT, DEVICE_RECOVERED]


async def test_a_removed_one_never(tmp_path: Path):
    async with watched(tmp_path) as it:
        (device_id,) = it.box.tokens
        it.box.change(lambda db: devices.remove(db, device_id, it.clock.now()))
        await it.box.watch.refresh()
        assert await it.turns(5 * HOUR) == []


async def test_a_database_that_cannot_commit_delays_it_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr("mmconnect.delivery.dispatcher.AFTER_ERROR", 0.05)
    async with watched(tmp_path) as it:
        await it.turns(2 * HOUR - 60)
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(Exception, match="another program"):
            await it.turns(60)
        assert it.silent_at is None
        blocker.close()
        await eventually(lambda: it.box.database.trouble is None)
        assert await it.turns(5, step=5) == [DEVICE_SILENT]
        assert it.box.one("SELECT silent_at FROM device_presence") == it.silent_at


@pytest.mark.parametrize(
    ("setting", "pulled", "gap", "wanted"),
    [
        (None, False, None, None),
        (None, True, None, LEAST),
        (None, False, 60_000, LEAST),
        (None, False, 1_800_000, 5400),
        (None, True, 1_800_000, LEAST),
        (0, True, 60_000, None),
        (120, False, None, 120),
    ],
)
async def test_after_how_long(
    setting: int | None, pulled: bool, gap: int | None, wanted: int | None, tmp_path: Path
):
    async with watched(tmp_path, silent_after=setting) as it:
        (device,) = it.box.watch.look().devices.values()
        assert allowed(device, pulled=pulled, beat_gap=gap) == wanted


@pytest.mark.parametrize(
    ("setting", "every", "wanted"),
    [(60, 0, 300), (60, 3000, 300), (301, 0, 301), (None, 3_600_000, 7260), (0, 0, None)],
)
def test_a_pulled_phone_is_not_silent_between_two_looks(
    setting: int | None, every: int, wanted: int | None
):
    device = Device(
        id="dev_1",
        name="R",
        app="smsgate",
        country=None,
        signing_key=None,
        created_at=0,
        silent_after=setting,
    )
    assert allowed(device, pulled=True, beat_gap=None, every=every) == wanted
