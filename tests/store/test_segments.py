"""The index of what texts hold: what changes in a range makes its segment worthless at once."""

from __future__ import annotations

import random
import sqlite3
from array import array

import pytest

from mmconnect.domain.ids import MESSAGE, first_at
from mmconnect.domain.models import Kind
from mmconnect.store import erasure, grams, mms, rereads, retention, segments
from mmconnect.store import segment_building as building
from mmconnect.store.connection import transaction
from mmconnect.store.message_list import find
from mmconnect.store.message_query import MessageQuery
from mmconnect.store.messages import Keys, take
from tests.store.conftest import House
from tests.store.indexing import build_all
from tests.store.making import DAY, NOW, message, new_message
from tests.store.test_message_list import filled, naive, shown

SECRET = "Quetzalcoatl"
BUCKETS = {grams.bucket(piece) for piece in grams.pieces(grams.fold(SECRET))}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "SIZE", 40)
    monkeypatch.setattr(building, "FRESH", 30)


@pytest.fixture
def secret(house: House) -> str:
    """Of 200 messages that are indexed the id of one with a word that no other has."""
    made = filled(house, 5, 200)
    (one,) = house.db.execute(
        "SELECT id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE"
        " d.message_id = m.id AND state IN ('pending', 'in_flight')) AND kind = 'sms'"
        " AND id > ? ORDER BY id LIMIT 1",
        (made[90],),
    ).fetchone()
    with transaction(house.db):
        house.db.execute("UPDATE messages SET text = ? WHERE id = ?", (SECRET, one))
    assert build_all(house.db) == 5
    assert here(house.db) == 1
    return str(one)


def here(db: sqlite3.Connection) -> int:
    """In how many segments all pieces of the secret are, whether a search would use them or not."""
    rows = db.execute("SELECT segment, bucket FROM search_postings").fetchall()
    return sum(
        {b for s, b in rows if s == number} >= BUCKETS for number in {row[0] for row in rows}
    )


def states(db: sqlite3.Connection) -> list[str]:
    return [r[0] for r in db.execute("SELECT state FROM search_segments ORDER BY to_id")]


def same(house: House) -> None:
    """Searches find what a look at everything finds."""
    for query in (MessageQuery(search=SECRET), MessageQuery(search="code"), MessageQuery()):
        assert shown(find(house.db, query, limit=1000)) == naive(house.db, query)


@pytest.mark.parametrize("how", ["wipe", "delete", "prune"])
def test_what_is_erased_is_in_no_posting_any_more(house: House, secret: str, how: str):
    with transaction(house.db):
        if how == "wipe":
            assert erasure.wipe(house.db, [secret], NOW) == 1
        elif how == "delete":
            assert erasure.delete(house.db, [secret]).deleted == 1
        else:
            assert retention.prune_messages(house.db, [secret], NOW + DAY) == 1
    assert states(house.db).count("dropped") == 1
    same(house)
    assert build_all(house.db) == 1
    assert here(house.db) == 0
    assert states(house.db) == ["built"] * 5
    same(house)


def test_what_is_erased_while_it_is_indexed_is_not_indexed(house: House):
    made = filled(house, 6, 100)
    wanted = building.next_range(house.db)
    assert wanted is not None
    with transaction(house.db):
        house.db.execute("UPDATE messages SET text = ? WHERE id = ?", (SECRET, made[60]))
        draft = building.begin(house.db, wanted)
    assert draft is not None
    assert not building.read(house.db, draft, 100)
    first, *rest = list(draft.postings())
    with transaction(house.db):
        assert building.write(house.db, draft, [first])
        erasure.delete(house.db, [made[60]])
        assert not building.write(house.db, draft, rest)
        assert not building.finish(house.db, draft)
    same(house)
    assert build_all(house.db) == 2
    assert here(house.db) == 0
    same(house)


def test_what_was_being_indexed_when_the_power_went_is_indexed_anew(house: House):
    filled(house, 7, 100)
    wanted = building.next_range(house.db)
    assert wanted is not None
    with transaction(house.db):
        draft = building.begin(house.db, wanted)
    assert draft is not None
    building.read(house.db, draft, 100)
    with transaction(house.db):
        building.write(house.db, draft, list(draft.postings())[:50])
    same(house)
    with transaction(house.db):  # the next start
        building.take_up(house.db)
    assert build_all(house.db) == 2
    assert states(house.db) == ["built", "built"]
    postings = house.db.execute("SELECT segment, count(*) FROM search_postings GROUP BY 1")
    numbers = house.db.execute("SELECT number FROM search_segments ORDER BY number").fetchall()
    assert [number for number, _ in postings] == [number for (number,) in numbers]
    same(house)


def test_a_text_that_comes_in_among_indexed_ones_is_found(house: House, secret: str):
    """A clock that was set back: nothing else makes such an id."""
    with transaction(house.db):
        late = message(None, "Nahuatl", received_at=NOW)
        object.__setattr__(late, "id", first_at(MESSAGE, NOW + 50 * 60_000 + 1))
        take(house.db, new_message(late, keys=Keys()))
    found, last = building.strays(house.db, 0)
    assert found == [late.id]
    with transaction(house.db):
        segments.changed(house.db, found)
    assert shown(find(house.db, MessageQuery(search="nahuatl"))) == [late.id]
    assert building.strays(house.db, last) == ([], last)
    build_all(house.db)
    same(house)


def test_more_than_fit_become_segments_of_their_own(house: House, secret: str):
    with transaction(house.db):
        for n in range(100):
            late = message(None, f"late {n}", received_at=NOW)
            object.__setattr__(late, "id", first_at(MESSAGE, NOW + 100 * 60_000 + 1 + n))
            take(house.db, new_message(late, keys=Keys()))
        segments.changed(house.db, building.strays(house.db, 0)[0])
    assert build_all(house.db) >= 3
    assert building.next_range(house.db) is None
    ranges = house.db.execute("SELECT from_id, to_id FROM search_segments ORDER BY to_id")
    chain = [edge for pair in ranges for edge in pair]
    assert chain[0] == MESSAGE
    assert chain[1:-1:2] == chain[2:-1:2], "no gaps"
    same(house)
    assert len(find(house.db, MessageQuery(text="late"), limit=1000).items) == 100


def test_a_range_without_messages_leaves_no_gap(house: House, secret: str):
    first, second, *_ = house.db.execute(
        "SELECT to_id FROM search_segments ORDER BY to_id"
    ).fetchall()
    with transaction(house.db):
        ids = [
            r[0]
            for r in house.db.execute(
                "SELECT id FROM messages WHERE id > ? AND id <= ?", (*first, *second)
            )
        ]
        house.db.execute("UPDATE deliveries SET state = 'delivered'")
        assert erasure.delete(house.db, ids).deleted == len(ids)
        assert ids
    assert build_all(house.db) == 0
    assert states(house.db) == ["built"] * 4
    assert building.next_range(house.db) is None
    same(house)


def test_an_mms_that_comes_late_and_a_text_that_is_read_again_are_found(house: House):
    announced = message(house.device.id, "", kind=Kind.MMS, subject=SECRET, attachments=())
    with transaction(house.db):
        mms.announce(house.db, new_message(announced, keys=Keys()))
    made = filled(house, 8, 150)
    build_all(house.db)
    with transaction(house.db):
        assert mms.stand_alone(house.db, new_message(announced, keys=Keys())) is not None
    same(house)
    (odd,) = house.db.execute(
        "SELECT id FROM messages WHERE kind = 'unrecognised' AND id > ? ORDER BY id LIMIT 1",
        (made[60],),
    ).fetchone()
    with transaction(house.db):
        rereads.make_room(house.db, odd)
        value = message(house.device.id, f"now {SECRET}")
        object.__setattr__(value, "id", odd)
        take(house.db, new_message(value, keys=Keys()))
    assert odd in shown(find(house.db, MessageQuery(search=SECRET)))
    same(house)


def test_rowids_stay_in_a_backup(house: House, secret: str, tmp_path: object):
    """The index names messages by them."""
    before = house.db.execute("SELECT rowid, id FROM messages ORDER BY rowid").fetchall()
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET state = 'delivered'")
        erasure.delete(house.db, [r[1] for r in before[::3] if r[1] != secret])
    house.db.execute("VACUUM INTO ?", (f"{tmp_path}/copy.db",))
    copy = sqlite3.connect(f"{tmp_path}/copy.db")
    rows = "SELECT rowid, id FROM messages ORDER BY rowid"
    assert copy.execute(rows).fetchall() == house.db.execute(rows).fetchall()
    copy.close()


def test_postings_and_rows_come_back_as_they_were():
    chance = random.Random(1)
    for count in (1, 5, 127, 128, 129, 1000, segments.SIZE):
        ordinals = sorted(chance.sample(range(segments.SIZE), count))
        stored = segments.posting(array("H", ordinals))
        assert len(stored) <= segments.BITMAP
        assert segments.ordinals_of(segments.bitmap(stored)) == ordinals
        rows = [n + (10**9 if n > 500 else 3) for n in ordinals]
        chance.shuffle(rows)
        packed = segments.packed_rows(rows)
        assert segments.rowids(packed, range(count)) == rows
