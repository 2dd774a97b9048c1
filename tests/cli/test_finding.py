"""`message list` with what is looked for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from mmconnect.store import grams, segment_building
from mmconnect.store.connection import FILE
from mmconnect.store.messages import Keys, take
from tests.cli.conftest import Desk
from tests.store.indexing import build_all
from tests.store.making import NOW, delivery, message, new_message


@pytest.fixture
def filled(desk: Desk) -> dict[str, str]:
    """Four messages; their ids by what they are."""
    desk("device", "add", "--name", "Phone", "--json")
    desk("endpoint", "add", "http://127.0.0.1:9/", "--json")
    with closing(sqlite3.connect(desk.directory / FILE, isolation_level=None)) as db:
        (phone,) = db.execute("SELECT id FROM devices").fetchone()
        (hook,) = db.execute("SELECT id FROM endpoints").fetchone()
        made = {
            "parcel": message(phone, "Your parcel is at the Café"),
            "code": message(phone, "code 4711", sender="MyBank", received_at=NOW + 60_000),
            "failed": message(phone, "parcel, too", received_at=NOW + 120_000),
            "test": message(None, "a test", test=True, received_at=NOW + 180_000),
        }
        for name, value in made.items():
            outs = [delivery(value, hook)] if name == "failed" else []
            take(db, new_message(value, outs, keys=Keys()))
        db.execute("UPDATE deliveries SET state = 'failed'")
    return {name: value.id for name, value in made.items()} | {"phone": phone}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], ["test", "failed", "code", "parcel"]),
        (["--limit", "2"], ["test", "failed"]),
        (["--from", "8123 0000"], ["test", "failed", "parcel"]),
        (["--from", "mybank"], ["code"]),
        (["--text", "PARCEL"], ["failed", "parcel"]),
        (["--text", "cafe parcel"], ["parcel"]),
        (["--text", '"parcel cafe"'], []),
        (["--state", "failed"], ["failed"]),
        (["--state", "unwanted"], ["test", "code", "parcel"]),
        (["--state", "test"], ["test"]),
        (["--state", "kept-back"], []),
        (["--since", "2026-05-28T20:27:00Z"], ["test", "failed", "code"]),
        (["--until", "2026-05-28T20:27:00Z"], ["parcel"]),
        (["--device", "phone", "--text", "parcel", "--limit", "1"], ["failed"]),
    ],
)
def test_what_is_looked_for_is_listed(
    desk: Desk, filled: dict[str, str], words: list[str], wanted: list[str]
):
    given = [filled.get(word, word) if word == "phone" else word for word in words]
    found: list[dict[str, Any]] = desk("message", "list", *given, "--json").json
    assert [one["id"] for one in found] == [filled[name] for name in wanted]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", " "], "--from is empty"),
        (["--text", ""], "--text is empty"),
        (["--since", "soon"], "--since 'soon'"),
        (["--state", "lost"], "invalid choice"),
        (["--events", "--text", "x"], "--events lists what mmconnect told of itself"),
    ],
)
def test_what_cannot_be_looked_for_is_told(desk: Desk, words: list[str], told: str):
    answer = desk("message", "list", *words)
    assert answer.code == 2
    assert told in answer.err


def test_nothing_found_is_not_nothing_there(desk: Desk, filled: dict[str, str]):
    assert desk("message", "list", "--text", "zebra").out == "No message is like that.\n"


def test_a_deleted_text_is_not_found_by_its_pieces_either(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(segment_building, "SIZE", 40)
    monkeypatch.setattr(segment_building, "FRESH", 30)
    desk("device", "add", "--name", "Phone", "--json")
    with closing(sqlite3.connect(desk.directory / FILE, isolation_level=None)) as db:
        texts = [message(None, "Quetzalcoatl" if n == 20 else f"text {n}") for n in range(100)]
        for value in texts:
            take(db, new_message(value, keys=Keys()))
        assert build_all(db) == 2
        pieces = [grams.bucket(piece) for piece in grams.pieces("quetzalcoatl")]
        asked = (
            f"SELECT count(*) FROM search_postings WHERE bucket IN ({','.join('?' * len(pieces))})"
        )
        assert db.execute(asked, pieces).fetchone()[0] >= len(pieces)
        answer = desk("message", "delete", texts[20].id, "--yes", "--json").json
        assert answer["deleted"] == 1
        assert answer["proven"]
        assert db.execute(asked, pieces).fetchone() == (0,)
        states = db.execute("SELECT state, number FROM search_segments ORDER BY to_id").fetchall()
        assert [state for state, _ in states] == ["dropped", "built"]
        assert states[0][1] is None
