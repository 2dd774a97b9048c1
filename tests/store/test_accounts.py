"""The administrator, setup codes, sessions: what is good until when, and what ends what."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect.store import accounts, backups
from mmconnect.store.accounts import AHEAD, ASKED, IDLE, LONGEST, MOST, Session
from mmconnect.store.connection import FILE, connect, transaction
from tests.store.making import NOW


def session(name: str = "ses_1", at: int = NOW) -> Session:
    return Session(
        id=name, created_at=at, seen_at=at, confirmed_at=at, address="192.0.2.7", user_agent="x"
    )


def admitted(db: sqlite3.Connection, name: str, at: int = NOW) -> bytes:
    cookie = name.encode()
    with transaction(db):
        accounts.add_session(db, cookie, session(name, at))
    return cookie


def test_there_is_one_administrator(db: sqlite3.Connection) -> None:
    assert accounts.account(db) is None
    assert accounts.set_password(db, "first", NOW) == 0
    accounts.set_password(db, "second", NOW + 5)
    account = accounts.account(db)
    assert account is not None
    assert (account.password, account.created_at, account.changed_at) == ("second", NOW, NOW + 5)
    assert "second" not in repr(account)


def test_a_password_is_rewritten_only_while_it_is_the_same(db: sqlite3.Connection) -> None:
    accounts.set_password(db, "old way", NOW)
    accounts.rewrite_password(db, "another", "new way")
    assert accounts.account(db).password == "old way"  # type: ignore[union-attr]
    accounts.rewrite_password(db, "old way", "new way")
    assert accounts.account(db).password == "new way"  # type: ignore[union-attr]


def test_a_new_password_ends_sessions_and_codes(db: sqlite3.Connection) -> None:
    accounts.add_setup_code(db, b"code", NOW, asked=False)
    cookies = [admitted(db, name) for name in ("ses_1", "ses_2")]
    assert accounts.set_password(db, "p", NOW) == 2
    assert [accounts.session_of(db, cookie, NOW) for cookie in cookies] == [None, None]
    accounts.remove(db)
    assert not accounts.is_setup_code(db, b"code"), "an old code is not good after a reset"


def test_a_code_is_good_while_there_is_no_administrator(db: sqlite3.Connection) -> None:
    accounts.add_setup_code(db, b"code", NOW, asked=False)
    assert accounts.is_setup_code(db, b"code")
    assert not accounts.is_setup_code(db, b"another")
    db.execute("INSERT INTO account VALUES (1, 'p', 0, 0)")
    assert not accounts.is_setup_code(db, b"code")


def test_a_start_ends_codes_but_for_a_young_one_that_was_asked_for(db: sqlite3.Connection) -> None:
    accounts.add_setup_code(db, b"start", NOW, asked=False)
    accounts.add_setup_code(db, b"asked", NOW, asked=True)
    assert accounts.is_setup_code(db, b"start"), "asking ends none"
    accounts.add_setup_code(db, b"next", NOW + ASKED, asked=False)
    good = [accounts.is_setup_code(db, code) for code in (b"start", b"asked", b"next")]
    assert good == [False, True, True]
    accounts.add_setup_code(db, b"third", NOW + ASKED + 1, asked=False)
    assert not accounts.is_setup_code(db, b"asked")


@pytest.mark.parametrize(
    ("seen", "now", "good"),
    [
        (NOW, NOW + IDLE - 1, True),
        (NOW, NOW + IDLE, False),
        (NOW + LONGEST - 5, NOW + LONGEST - 1, True),
        (NOW + LONGEST - 5, NOW + LONGEST, False),
        (NOW, NOW - AHEAD, True),
        (NOW, NOW - AHEAD - 1, False),
        (NOW, 5_000, True),  # 1970: the clock was never set, so nothing ends by it
    ],
)
def test_a_session_ends_by_itself(db: sqlite3.Connection, seen: int, now: int, good: bool) -> None:
    cookie = admitted(db, "ses_1")
    accounts.saw(db, "ses_1", seen, "192.0.2.8")
    found = accounts.session_of(db, cookie, now)
    assert (found is not None) is good
    assert len(accounts.sessions(db, now)) == good
    if found is not None:
        assert found == replace(session(), seen_at=seen, address="192.0.2.8")


def test_a_login_clears_what_has_ended_and_leaves_a_bounded_number(db: sqlite3.Connection) -> None:
    admitted(db, "ses_old", NOW - IDLE)
    admitted(db, "ses_future", NOW + 2 * AHEAD)
    for n in range(MOST + 5):
        admitted(db, f"ses_{n:03}", NOW + n)
    rows = [name for (name,) in db.execute("SELECT id FROM sessions ORDER BY id")]
    assert rows == [f"ses_{n:03}" for n in range(5, MOST + 5)]


def test_a_login_by_a_clock_that_was_never_set_ends_nothing(db: sqlite3.Connection) -> None:
    cookie = admitted(db, "ses_1")
    early = admitted(db, "ses_1970", 5_000)
    assert accounts.session_of(db, early, 6_000) is not None
    assert accounts.session_of(db, cookie, NOW) is not None
    assert accounts.session_of(db, early, NOW) is None


def test_ending_one_and_the_others(db: sqlite3.Connection) -> None:
    cookies = [admitted(db, name) for name in ("ses_1", "ses_2", "ses_3")]
    assert accounts.end(db, "ses_1")
    assert not accounts.end(db, "ses_1")
    assert accounts.end_others(db, "ses_3") == 1
    good = [accounts.session_of(db, cookie, NOW) is not None for cookie in cookies]
    assert good == [False, False, True]


def test_the_password_once_more(db: sqlite3.Connection) -> None:
    cookie = admitted(db, "ses_1")
    accounts.confirm(db, "ses_1", NOW + 9)
    assert accounts.session_of(db, cookie, NOW).confirmed_at == NOW + 9  # type: ignore[union-attr]


def test_nothing_of_a_cookie_or_code_is_good_after_a_restore(db: sqlite3.Connection) -> None:
    cookie = admitted(db, "ses_1")
    accounts.add_setup_code(db, b"code", NOW, asked=True)
    accounts.forget(db)
    assert accounts.session_of(db, cookie, NOW) is None
    assert not accounts.is_setup_code(db, b"code")


def test_a_backup_that_is_restored_lets_no_browser_in(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    cookie = admitted(db, "ses_1")
    accounts.add_setup_code(db, b"code", NOW, asked=True)
    copy, staged = tmp_path / "copy.db", tmp_path / "staged.db"
    copy.touch()
    backups.copy(tmp_path / FILE, copy)
    staged.touch()
    backups.stage(copy, staged)
    restored = connect(staged)
    try:
        assert accounts.session_of(restored, cookie, NOW) is None
        assert not accounts.is_setup_code(restored, b"code")
    finally:
        restored.close()
