"""How often a phone is asked, by a clock that is told to move: 3 s, 2 min while pushes arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from mmconnect.domain.clock import SystemClock
from mmconnect.phones.clients.http import PhoneHttp
from mmconnect.phones.keeping import Keeping
from mmconnect.phones.pulling.signing_in import sign_in
from mmconnect.phones.pulling.smsgate_phone import SmsGatePhone
from mmconnect.phones.pulling.tools import Tools
from mmconnect.phones.urls import Bases
from mmconnect.store import links
from mmconnect.store.connection import FILE, connect
from mmconnect.store.links import Link
from tests.support.inprocess import FakeClock, appliance
from tests.support.smsgate_phone import SmsgatePhone

USUAL, RELAXED = 3.0, 120.0


@asynccontextmanager
async def asked(directory: Path) -> AsyncIterator[tuple[SmsGatePhone, FakeClock, SmsgatePhone]]:
    """A phone that has been asked once: once more for each turn, and never by itself."""
    clock = FakeClock(SystemClock().now())  # the phone's tokens have ends in real time
    http = PhoneHttp()
    try:
        with SmsgatePhone() as there:
            async with appliance(directory, clock=clock, tokens=()) as box:
                await box.device(app="smsgate")
                (device_id,) = box.tokens
                signed = await sign_in("smsgate", there.url, "sms", "pass1234", clock, http)
                assert signed.tokens is not None
                now, tokens = clock.now(), signed.tokens
                link = Link(
                    device_id=device_id, url=there.url, phone_id=signed.phone_id, created_at=now
                )
                box.change(lambda db: links.put(db, link))
                state = await box.database.write(
                    lambda db: links.update(
                        db,
                        device_id,
                        access_token=tokens.access,
                        refresh_token=tokens.refresh,
                        token_made_at=now,
                        token_ends_at=tokens.ends_at,
                    )
                )
                tools = Tools(
                    database=box.database,
                    intake=box.intake,
                    keeping=Keeping(box.database, box.watch.look, clock, box.ids, lambda: None),
                    presences=box.presences,
                    look=box.watch.look,
                    refresh=box.watch.refresh,
                    clock=clock,
                    http=http,
                    where=lambda: Bases(http=(), https=("https://127.0.0.1:8482",)),
                )
                phone = SmsGatePhone(tools, link, state)
                await phone.turn()  # signs in, and tells it where to push
                yield phone, clock, there
    finally:
        await http.close()


async def test_every_two_minutes_for_ten_minutes_after_a_push(tmp_path: Path) -> None:
    async with asked(tmp_path) as (phone, clock, _):
        assert await phone.turn() == USUAL
        for event in ("system:ping", None):  # a ping, a text
            phone.pushed(event, own=True, secure=True)
            assert await phone.turn() == RELAXED
            clock.advance(599)
            assert await phone.turn() == RELAXED
            clock.advance(2)
            assert await phone.turn() == USUAL


@pytest.mark.parametrize(("own", "secure"), [(True, False), (False, True)])
async def test_not_after_one_that_says_nothing_of_the_next(
    tmp_path: Path, own: bool, secure: bool
) -> None:
    """By plain http, or by a webhook that somebody else made."""
    async with asked(tmp_path) as (phone, _, _):
        phone.pushed(None, own=own, secure=secure)
        assert await phone.turn() == USUAL


async def test_a_phone_that_is_away_is_asked_less_and_less_often(tmp_path: Path) -> None:
    async with asked(tmp_path) as (phone, clock, there):
        phone.pushed("system:ping", own=True, secure=True)
        there.wifi(False)
        waits = []
        for _ in range(6):
            waits.append(await phone.turn())
            clock.advance(waits[-1])
        assert waits == [3.0, 6.0, 12.0, 15.0, 15.0, 15.0], "not two minutes: nothing arrives"
        clock.advance(3600)
        assert await phone.turn() == 60.0
        assert phone.pushed(None, own=True, secure=True), "it is there: look at once"
        there.wifi(True)
        assert await phone.turn() == RELAXED


async def test_a_look_at_an_inbox_without_news_is_one_small_request(
    tmp_path: Path,
) -> None:
    """What a linked phone costs while nothing comes: at both ends, and the disk."""
    async with asked(tmp_path) as (phone, clock, there):
        there.fill(300)
        for _ in range(3):
            await phone.turn()
            clock.advance(USUAL)
        before, versions = len(there.requests), set()
        with closing(connect(tmp_path / FILE, readonly=True)) as db:
            for _ in range(200):  # ten minutes
                await phone.turn()
                clock.advance(USUAL)
                versions |= set(db.execute("PRAGMA data_version").fetchall())
        made = there.requests[before:]
        looks = [one for one in made if one.path == "/inbox"]
        assert len(looks) == 200
        assert {one.query["limit"] for one in looks} == {"25"}
        beside = [one.path for one in made if one.path != "/inbox"]
        assert set(beside) <= {"/health", "/logs"}
        assert len(beside) <= 2 * 11, "once a minute"
        assert len(versions) <= 2, "written at most once: how far it has come"
