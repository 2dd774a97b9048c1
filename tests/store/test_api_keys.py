"""API keys and the audit list, as rows."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from mmconnect.store import api_keys, audit
from mmconnect.store.api_keys import ApiKey
from tests.store.making import NOW

KEY = ApiKey(
    id="key_1",
    name="CRM",
    hint="abcd",
    scopes=frozenset({"read", "write"}),
    created_at=NOW,
    expires_at=NOW + 10,
    digest=b"digest",
)


def test_a_key_comes_back_as_it_was(db: sqlite3.Connection) -> None:
    api_keys.add(db, KEY)
    assert api_keys.find(db, b"digest") == KEY == api_keys.get(db, "key_1")
    assert api_keys.find(db, b"another") is None
    api_keys.used(db, "key_1", NOW + 3, "192.0.2.7")
    used = replace(KEY, last_used_at=NOW + 3, last_address="192.0.2.7")
    assert api_keys.known(db) == [used]
    assert "digest" not in repr(KEY)


def test_a_key_ends_by_itself_or_when_it_is_revoked(db: sqlite3.Connection) -> None:
    api_keys.add(db, KEY)
    assert KEY.is_good(NOW + 9)
    assert not KEY.is_good(NOW + 10)
    assert replace(KEY, expires_at=None).is_good(NOW * 2)
    assert api_keys.revoke(db, "key_1", NOW)
    assert not api_keys.revoke(db, "key_1", NOW + 1)
    revoked = api_keys.find(db, b"digest")
    assert revoked is not None
    assert revoked.revoked_at == NOW
    assert not revoked.is_good(NOW)
    assert api_keys.known(db) == []


def noted(db: sqlite3.Connection, action: str, at: int = NOW) -> None:
    audit.note(db, at=at, actor=audit.CLI, action=action, subject="ep_1", detail="CRM")


def test_changes_are_told_newest_first_and_a_page_at_a_time(db: sqlite3.Connection) -> None:
    for n in range(5):
        noted(db, f"endpoint.{n}", NOW + n)
    first = audit.newest(db, limit=3)
    assert [entry.action for entry in first] == ["endpoint.4", "endpoint.3", "endpoint.2"]
    assert (first[0].at, first[0].actor, first[0].subject) == (NOW + 4, "cli", "ep_1")
    assert (first[0].detail, first[0].address) == ("CRM", None)
    rest = audit.newest(db, limit=3, before=first[-1].number)
    assert [entry.action for entry in rest] == ["endpoint.1", "endpoint.0"]


def test_the_list_is_bounded(db: sqlite3.Connection) -> None:
    noted(db, "first")
    db.execute("UPDATE audit SET number = 1000000 - ?", (audit.MOST,))
    db.execute(
        "INSERT INTO audit SELECT 999999, at, actor, address, 'last', subject, detail FROM audit"
    )
    noted(db, "next")
    assert [entry.action for entry in audit.newest(db, limit=9)] == ["next", "last"]


def test_what_is_two_years_old_goes_but_not_what_has_no_date(db: sqlite3.Connection) -> None:
    noted(db, "at 1970", 5)
    noted(db, "old", NOW - audit.KEPT - 1)
    noted(db, "young", NOW - audit.KEPT)
    assert audit.is_old(db, NOW)
    assert audit.prune(db, NOW) == 1
    assert not audit.is_old(db, NOW)
    assert [entry.action for entry in audit.newest(db, limit=9)] == ["young", "at 1970"]
