"""What is said of phones: old addresses, harmful versions, refused pushes; named where only their
owner reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from mmconnect.domain.models import Device
from mmconnect.phones.liveness import Liveness
from mmconnect.phones.urls import Bases
from mmconnect.phones.versions import advice, told
from mmconnect.phones.whereabouts import learned, moved
from mmconnect.service.phone_watch import LATELY, PhoneWatch
from mmconnect.service.warnings import Warnings
from mmconnect.store import alerts, devices, settings
from mmconnect.webhook.addresses import Address
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import Receiver, receiver
from tests.support.wire import ask, request

OLD, NEW = "http://192.168.1.20:8481", "http://192.168.1.77:8481"


@dataclass
class Watched:
    box: Appliance
    clock: FakeClock
    there: Receiver
    warnings: Warnings
    own: list[str] = field(default_factory=lambda: ["127.0.0.1", "192.168.1.20"])
    watch: PhoneWatch = field(init=False)

    def addresses(self) -> frozenset[Address]:
        return frozenset(ip_address(text) for text in self.own)

    def where(self) -> Bases:
        return Bases(http=tuple(f"http://{a}:8481" for a in self.own[1:] or self.own))

    async def turn(self) -> list[str]:
        """A look; what is shown to anybody."""
        await self.box.watch.refresh()
        await self.watch.liveness.turn()
        await self.watch.turn()
        await self.warnings.turn()
        return [*self.warnings.shown, *self.watch.sentences]

    def told(self) -> list[str]:
        """The sentences of all events, in order."""
        rows = self.box.rows("SELECT note FROM messages WHERE kind = 'event' ORDER BY id")
        return [str(note).partition(": ")[2] for (note,) in rows]

    def base(self) -> str | None:
        (device,) = self.box._look(devices.known)
        return device.push_base


@asynccontextmanager
async def watched(directory: Path) -> AsyncIterator[Watched]:
    clock = FakeClock()
    async with appliance(directory, clock=clock, tokens=()) as box, receiver() as there:

        def alert(db: sqlite3.Connection) -> None:
            settings.put(db, "alert_url", there.url)
            alerts.sync(db, box.ids, clock.now())

        box.change(alert)
        await box.device(push_base=OLD)
        warnings = Warnings(
            box.database, box.watch.look, box.ids, clock, directory, box.dispatcher.wake
        )
        it = Watched(box, clock, there, warnings)
        liveness = Liveness(
            box.database, box.watch.look, box.ids, clock, box.presences, box.dispatcher.wake
        )
        it.watch = PhoneWatch(
            *(box.database, box.watch.look, clock, box.presences, box.intake.counts),
            *(liveness, warnings),
            own=it.addresses,
            where=it.where,
        )
        yield it
        await eventually(lambda: all(d.state == "delivered" for d in box.deliveries()))


async def test_an_address_that_is_gone_is_told_once_by_name_and_shown_without(tmp_path: Path):
    async with watched(tmp_path) as it:
        assert await it.turn() == []
        it.own[1] = "192.168.1.77"
        (shown,) = await it.turn()
        assert shown.startswith(f"1 phone still pushes to {OLD}, where this machine is not")
        assert "Reception" not in shown
        await it.turn()
        (event,) = it.told()
        assert event.startswith(
            f"Reception still pushes to {OLD}, which is no address of this machine any more:"
            f" that is {NEW} now. Change the URL"
        )
        token = next(iter(it.box.tokens.values()))
        assert token not in event
        it.own.append("192.168.1.20")
        assert await it.turn() == [], "the old one is back"


async def test_a_push_to_the_new_address_ends_it(tmp_path: Path):
    async with watched(tmp_path) as it:
        it.own[1] = "192.168.1.77"
        assert len(await it.turn()) == 1
        told = await it.box.push(*generic_json(), host="192.168.1.77:8481")
        assert told.status == 200
        assert await it.turn() == []
        assert it.base() == NEW
        assert await it.turn() == []


async def test_a_second_phone_is_told_anew(tmp_path: Path):
    async with watched(tmp_path) as it:
        it.own[1] = "192.168.1.77"
        await it.turn()
        await it.box.device(name="Shop", push_base=OLD)
        (shown,) = await it.turn()
        assert shown.startswith("2 phones still push to")
        it.clock.advance(3601)
        await it.turn()
        assert len(it.told()) == 2
        assert "Shop still pushes" in it.told()[1]


async def test_phones_that_are_fetched_from_and_removed_ones_are_left_out(tmp_path: Path):
    async with watched(tmp_path) as it:
        (device_id,) = it.box.tokens
        it.own[1] = "192.168.1.77"
        it.box.change(
            lambda db: db.execute(
                "INSERT INTO phone_links (device_id, url, created_at) VALUES (?, 'http://x', 0)",
                (device_id,),
            )
        )
        assert await it.turn() == []
        await it.box.device(name="Gone", push_base=OLD, removed_at=1)
        assert await it.turn() == []


async def test_without_a_network_nobody_has_moved(tmp_path: Path):
    async with watched(tmp_path) as it:
        del it.own[1]
        assert await it.turn() == []


def device(base: str | None) -> Device:
    return Device(
        id="dev_1",
        name="Reception",
        app="auto",
        country=None,
        signing_key=None,
        push_base=base,
        created_at=0,
    )


OWN = frozenset(map(ip_address, ("127.0.0.1", "192.168.1.77", "fd00::7", "10.0.0.7")))
BASES = Bases(
    http=(NEW, "http://10.0.0.7:8481"),
    https=("https://192.168.1.77:8482",),
)


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        (OLD, NEW),
        ("https://192.168.1.20:8482", "https://192.168.1.77:8482"),
        ("http://[fd00::1]:8481", NEW),
        (NEW, None),
        ("http://10.0.0.7:8481", None),
        ("http://[fd00:0::7]:8481", None),
        ("http://gateway.local:8481", None),
        ("http://127.0.0.1:8481", None),
        (None, None),
    ],
)
def test_who_has_to_be_told_what(base: str | None, wanted: str | None):
    found = moved(device(base), OWN, BASES)
    assert (found and found.new) == wanted


def test_a_listener_on_an_address_that_is_gone_is_nowhere_to_send_anybody():
    assert moved(device(OLD), OWN, Bases(http=(OLD,))) is None


@pytest.mark.parametrize(
    ("base", "host", "wanted"),
    [
        (OLD, "192.168.1.77:8481", NEW),
        (OLD, "192.168.1.77:8482 over TLS", "https://192.168.1.77:8482"),
        (OLD, "[fd00::7]:8481", "http://[fd00::7]:8481"),
        (OLD, "Gateway.local:8481", "http://gateway.local:8481"),
        (OLD, "127.0.0.1:8481", OLD),
        (OLD, "localhost", OLD),
        (OLD, "203.0.113.9:8481", None),  # through something that hands pushes on
        ("http://gateway.local:8481", "203.0.113.9", "http://gateway.local:8481"),
        (OLD, "", OLD),
        (OLD, "a b", OLD),
        (OLD, "x@192.168.1.77", OLD),
        (OLD, "[fd00::7", OLD),
        (OLD, "192.168.1.77:port", OLD),
        (OLD, "192.168.1.77/in/token", OLD),
    ],
)
def test_what_the_host_of_a_push_teaches(base: str, host: str, wanted: str | None):
    host, _, tls = host.partition(" over ")
    assert learned(device(base), host, OWN, secure=bool(tls)).push_base == wanted


async def test_a_push_just_before_the_change_is_no_forwarded_one(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.turn()
        told = await it.box.push(*generic_json(), host="192.168.1.20:8481")
        assert told.status == 200
        it.own[1] = "192.168.1.77"
        await it.turn()
        (shown,) = await it.turn()
        assert "still pushes" in shown


@pytest.mark.parametrize(
    ("version", "harmful", "word"),
    [
        ("1.51.0", False, "forgets texts"),
        ("1.51.1", True, "each text twice"),
        ("1.51.2", True, "each text twice"),
        ("1.52.0", False, "no inbox"),
        ("1.58.9", False, "no inbox"),
        ("1.59.0", False, "read alike"),
        ("1.65.1", False, "read alike"),
        ("1.65.2", True, "never leaves the phone"),
        ("1.66", True, "never leaves the phone"),
        ("1.66.1", True, "never leaves the phone"),
        ("1.66.2", None, ""),
        ("1.68.0", None, ""),
        ("1.100", None, ""),
        ("2.0.0", None, ""),
    ],
)
def test_versions(version: str, harmful: bool | None, word: str):
    by_agent = advice("auto", f"me.capcom.smsgateway/{version}", {})
    by_fact = advice("smsgate", None, {"version": version})
    assert by_agent == by_fact
    assert (by_agent and by_agent.harmful) == harmful
    if by_agent is not None:
        assert word in by_agent.sentence
        assert "1.66.2" in by_agent.remedy
        assert "github.com/capcom6/android-sms-gateway/releases" in by_agent.remedy


def test_versions_of_other_apps_are_none_of_our_business():
    assert advice("generic", "okhttp/1.65.2", {"version": "1.65.2"}) is None
    assert advice("auto", None, {"version": "1.65.2"}) is None
    assert told("okhttp/4", {"version": "2.4.1"}) == "2.4.1"
    assert told("me.capcom.smsgateway/1.68.0", {"version": "1.1"}) == "1.68.0"
    assert told(None, {}) is None


async def test_a_harmful_version_is_told_and_over_after_the_update(tmp_path: Path):
    async with watched(tmp_path) as it:
        for agent in ("me.capcom.smsgateway/1.58.0", "me.capcom.smsgateway/1.65.2"):
            it.box.presences.heard(next(iter(it.box.tokens)), "192.168.1.31", agent)
            shown = await it.turn()
        assert len(shown) == 1
        assert shown[0].startswith("1 phone has an app that loses or doubles texts.")
        assert "Reception" not in shown[0]
        (event,) = it.told()
        assert event.startswith("Reception: Version 1.65.2 of SMS Gateway for Android loses texts")
        it.box.presences.heard(next(iter(it.box.tokens)), None, "me.capcom.smsgateway/1.66.2")
        assert await it.turn() == []


async def test_refused_and_odd_pushes_are_counted_for_a_day(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.box.push({"Content-Type": "application/json"}, b"[1]")
        for _ in range(2):
            await ask(it.box.port, request("/in/wrong", {}, b"x"))
        refused, odd = await it.turn()
        assert refused.startswith("2 pushes were refused in the last 24 hours")
        assert odd.startswith("1 push was not understood in the last 24 hours")
        for _ in range(20):
            it.clock.advance(LATELY / 19)
            shown = await it.turn()
        assert shown == []
        await ask(it.box.port, request("/in/wrong", {}, b"x"))
        (refused,) = await it.turn()
        assert refused.startswith("1 push was refused")


async def test_silent_phones_are_shown_without_names(tmp_path: Path):
    async with watched(tmp_path) as it:
        await it.box.device(name="Shop", silent_after=3600)
        await it.turn()
        it.clock.advance(3600)
        (shown,) = await it.turn()
        assert shown.startswith("1 phone has fallen silent")
        assert "Shop" not in shown
