"""Coming in, and being known: cookies, tries, and what ends them. A real database, no HTTP."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmconnect.desk import passwords, setup_codes
from mmconnect.desk.entry import CONFIRMED, Entry, Visitor
from mmconnect.desk.tries import AT_ONCE, ONE_EVERY, WINDOW, WRONG, SlowDown
from mmconnect.domain.errors import Invalid
from mmconnect.domain.ids import Ids
from mmconnect.store import accounts, audit
from mmconnect.store.database import Database
from tests.support.inprocess import FakeClock

PASSWORD = "correct horse battery"
HOME = Visitor(address="192.168.1.5", agent="Firefox " * 100)


@dataclass
class House:
    database: Database
    clock: FakeClock
    entry: Entry

    async def code(self) -> str:
        made = await self.database.write(
            lambda db: setup_codes.make(db, self.clock.now(), asked=False)
        )
        assert made is not None
        return made.shown

    async def actions(self) -> list[str]:
        entries = await self.database.read(lambda db: audit.newest(db, limit=50))
        return [entry.action for entry in entries][::-1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password costs little here; test_passwords.py looks at the real price."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    monkeypatch.setattr(passwords, "P", 1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database, clock = Database.open(tmp_path), FakeClock()
    yield House(database, clock, Entry(database, clock, Ids(clock)))
    await database.close()


@pytest.fixture
async def lived_in(house: House) -> House:
    """With an administrator."""
    await house.entry.set_up(await house.code(), PASSWORD, HOME)
    await house.database.write(accounts.end_all)
    return house


def other(n: int) -> Visitor:
    return Visitor(address=f"198.51.{n // 250}.{n % 250}")


async def test_the_first_visit(house: House) -> None:
    code = await house.code()
    assert not (await house.entry.look(None, HOME.address)).is_set_up
    opened = await house.entry.set_up(f" {code.lower().replace('-', ' ')} ", PASSWORD, HOME)
    standing = await house.entry.look(opened.cookie, HOME.address)
    assert standing.is_set_up
    assert standing.session is not None
    assert standing.session.id == opened.session.id
    assert len(standing.session.user_agent or "") == 300
    assert house.entry.is_confirmed(standing.session)
    assert await house.actions() == ["account.created"]
    assert opened.cookie not in repr(opened)
    assert len(opened.cookie) >= 43, "256 bits"


async def test_a_code_is_dead_once_used_though_many_come_at_once(house: House) -> None:
    code = await house.code()
    async with asyncio.TaskGroup() as group:
        tries = [
            group.create_task(_set_up(house, code, f"{PASSWORD} {n}", other(n))) for n in range(8)
        ]
    assert sum(task.result() for task in tries) == 1
    with pytest.raises(Invalid):
        await house.entry.set_up(code, PASSWORD, HOME)


async def _set_up(house: House, code: str, password: str, who: Visitor) -> bool:
    try:
        await house.entry.set_up(code, password, who)
    except Invalid:
        return False
    return True


async def test_a_bad_password_does_not_use_the_code_up(house: House) -> None:
    code = await house.code()
    with pytest.raises(Invalid) as refused:
        await house.entry.set_up(code, "short", HOME)
    assert refused.value.issues[0].path == "password"
    await house.entry.set_up(code, PASSWORD, HOME)


@pytest.mark.parametrize("typed", ["", "7K2M-9XQ4", "7K2M-9XQ4-PB3D", "x" * 5000])
async def test_what_is_no_code(house: House, typed: str) -> None:
    await house.code()
    with pytest.raises(Invalid) as refused:
        await house.entry.set_up(typed, PASSWORD, HOME)
    assert refused.value.issues[0].path == "code"
    assert "mmconnect admin setup-code" in str(refused.value)


async def test_codes_are_throttled_by_address_and_together(house: House) -> None:
    code = await house.code()
    for _ in range(WRONG):
        assert not await house.entry.is_code("0000-0000-0000", HOME)
    with pytest.raises(SlowDown) as slow:
        await house.entry.is_code(code, HOME)
    assert 0 < slow.value.wait <= WINDOW
    assert "minutes" in str(slow.value)
    for n in range(AT_ONCE - WRONG):
        await house.entry.is_code("0000-0000-0000", other(n))
    with pytest.raises(SlowDown):
        await house.entry.is_code("0000-0000-0000", other(99))
    assert await house.entry.is_code(code, Visitor(address="127.0.0.1")), "this machine may"
    house.clock.advance(ONE_EVERY)
    assert await house.entry.is_code(code, other(99))


async def test_logging_in_and_out(lived_in: House) -> None:
    opened = await lived_in.entry.log_in(PASSWORD, HOME)
    again = await lived_in.entry.log_in(PASSWORD, HOME)
    assert opened.cookie != again.cookie
    assert opened.session.id != again.session.id
    assert len(await lived_in.entry.sessions()) == 2
    assert await lived_in.entry.end(opened.session.id, HOME.address)
    assert not await lived_in.entry.end(opened.session.id, HOME.address)
    assert (await lived_in.entry.look(opened.cookie, HOME.address)).session is None
    assert (await lived_in.entry.look(again.cookie, HOME.address)).session is not None
    assert (await lived_in.actions())[1:] == ["session.started"] * 2 + ["session.ended"]


@pytest.mark.parametrize("cookie", [None, "", "x", "\udcff"])
async def test_a_cookie_that_somebody_made_up_opens_nothing(
    lived_in: House, cookie: str | None
) -> None:
    assert (await lived_in.entry.look(cookie, HOME.address)).session is None


async def test_of_the_cookie_only_a_hash_is_kept(lived_in: House) -> None:
    opened = await lived_in.entry.log_in(PASSWORD, HOME)

    def everything(db: sqlite3.Connection) -> str:
        return str(db.execute("SELECT *, hex(cookie_hash) FROM sessions").fetchall())

    assert opened.cookie not in await lived_in.database.read(everything)


async def test_a_wrong_password(lived_in: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(Invalid) as refused:
        await lived_in.entry.log_in("wrong password", HOME)
    assert refused.value.issues[0].path == "password"
    assert HOME.address in caplog.text
    assert "wrong password" not in caplog.text.replace("A wrong password was", "")


async def test_nobody_logs_in_where_there_is_no_administrator(house: House) -> None:
    with pytest.raises(Invalid):
        await house.entry.log_in(PASSWORD, HOME)


async def test_many_at_once_are_as_many(lived_in: House) -> None:
    """The count goes up before the comparison, which takes long."""
    told = await asyncio.gather(
        *(lived_in.entry.log_in("wrong password", HOME) for _ in range(40)), return_exceptions=True
    )
    assert sum(isinstance(error, Invalid) for error in told) == WRONG
    assert sum(isinstance(error, SlowDown) for error in told) == 40 - WRONG
    with pytest.raises(SlowDown):
        await lived_in.entry.log_in(PASSWORD, HOME)
    lived_in.clock.advance(WINDOW)
    await lived_in.entry.log_in(PASSWORD, HOME)


async def test_a_right_password_forgives_the_wrong_ones(lived_in: House) -> None:
    for _ in range(3):
        for _ in range(WRONG - 1):
            with pytest.raises(Invalid):
                await lived_in.entry.log_in("wrong password", HOME)
        await lived_in.entry.log_in(PASSWORD, HOME)


async def test_a_flood_from_everywhere_does_not_keep_the_owner_out(lived_in: House) -> None:
    await lived_in.entry.log_in(PASSWORD, HOME)
    refused = 0
    for n in range(200):
        with pytest.raises((Invalid, SlowDown)) as told:
            await lived_in.entry.log_in("wrong password", other(n))
        refused += told.errisinstance(SlowDown)
    assert refused == 200 - (AT_ONCE - 1), "the flood itself is kept small"
    await lived_in.entry.log_in(PASSWORD, HOME)  # from where somebody is logged in
    await lived_in.entry.log_in(PASSWORD, Visitor(address="127.0.0.1"))
    with pytest.raises(SlowDown):
        await lived_in.entry.log_in(PASSWORD, other(999))
    lived_in.clock.advance(ONE_EVERY)
    await lived_in.entry.log_in(PASSWORD, other(999))


async def test_a_new_password_sends_everybody_else_out(lived_in: House) -> None:
    mine, theirs = [await lived_in.entry.log_in(PASSWORD, HOME) for _ in range(2)]
    with pytest.raises(Invalid) as refused:
        await lived_in.entry.change_password("wrong password", "another password", HOME)
    assert refused.value.issues[0].path == "current"
    with pytest.raises(Invalid) as refused:
        await lived_in.entry.change_password(PASSWORD, "short", HOME)
    assert refused.value.issues[0].path == "password"
    fresh = await lived_in.entry.change_password(PASSWORD, "another password", HOME)
    good = [
        (await lived_in.entry.look(cookie, HOME.address)).session is not None
        for cookie in (mine.cookie, theirs.cookie, fresh.cookie)
    ]
    assert good == [False, False, True]
    with pytest.raises(Invalid):
        await lived_in.entry.log_in(PASSWORD, HOME)
    await lived_in.entry.log_in("another password", HOME)
    assert "account.password_changed" in await lived_in.actions()


async def test_a_password_that_changes_meanwhile_lets_nobody_in(
    lived_in: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passwords.is_right

    def and_then_it_changed(password: str, stored: str | None) -> bool:
        right = real(password, stored)
        compared.set()
        assert changed.wait(60)
        return right

    compared, changed = threading.Event(), threading.Event()
    monkeypatch.setattr(passwords, "is_right", and_then_it_changed)
    task = asyncio.create_task(lived_in.entry.log_in(PASSWORD, HOME))
    assert await asyncio.to_thread(compared.wait, 60)
    await lived_in.database.write(lambda db: accounts.set_password(db, "x", 0))
    changed.set()
    with pytest.raises(Invalid):
        await task
    assert await lived_in.entry.sessions() == []


async def test_a_hash_with_older_parameters_is_made_anew(
    lived_in: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "LOG_N", 5)
    await lived_in.entry.log_in(PASSWORD, HOME)
    account = await lived_in.database.read(accounts.account)
    assert account is not None
    assert account.password.startswith("$scrypt$ln=5,")
    await lived_in.entry.log_in(PASSWORD, HOME)


async def test_the_password_once_more_counts_for_a_while(lived_in: House) -> None:
    opened = await lived_in.entry.log_in(PASSWORD, HOME)
    lived_in.clock.advance(CONFIRMED / 1000)
    assert not lived_in.entry.is_confirmed(opened.session)
    with pytest.raises(Invalid):
        await lived_in.entry.confirm(opened.session, "wrong password", HOME)
    await lived_in.entry.confirm(opened.session, PASSWORD, HOME)
    session = (await lived_in.entry.look(opened.cookie, HOME.address)).session
    assert session is not None
    assert lived_in.entry.is_confirmed(session)
    lived_in.clock.advance(-3600)
    assert not lived_in.entry.is_confirmed(session), "the clock was set back"


async def test_a_visit_is_written_down_once_a_minute(lived_in: House) -> None:
    opened = await lived_in.entry.log_in(PASSWORD, HOME)
    begun = lived_in.clock.now()

    async def seen() -> tuple[int, str | None]:
        await lived_in.entry.look(opened.cookie, "192.168.1.6")
        await lived_in.database.write(lambda db: None)  # what was queued before is done
        (session,) = await lived_in.entry.sessions()
        return session.seen_at - begun, session.address

    lived_in.clock.advance(1)
    assert await seen() == (1000, "192.168.1.6")
    lived_in.clock.advance(30)
    assert await seen() == (1000, "192.168.1.6")
    lived_in.clock.advance(30)
    assert await seen() == (61_000, "192.168.1.6")


async def test_all_other_browsers(lived_in: House) -> None:
    cookies = [await lived_in.entry.log_in(PASSWORD, HOME) for _ in range(3)]
    assert await lived_in.entry.end_others(cookies[1].session, HOME.address) == 2
    (left,) = await lived_in.entry.sessions()
    assert left.id == cookies[1].session.id
    assert await lived_in.entry.end_others(left, HOME.address) == 0
    assert (await lived_in.actions())[-1] == "session.others_ended"
