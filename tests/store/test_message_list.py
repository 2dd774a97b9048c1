"""find() beside a naive look through everything: the same messages, once each, in order."""

from __future__ import annotations

import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmconnect.domain.errors import Invalid
from mmconnect.domain.ids import MESSAGE, Ids
from mmconnect.domain.models import DeliveryState, Kind
from mmconnect.store import message_list, message_sources, segment_building, segments
from mmconnect.store.connection import transaction
from mmconnect.store.message_list import find
from mmconnect.store.message_query import MessageQuery, MessageState, Place
from mmconnect.store.messages import Keys, take
from mmconnect.store.search_terms import searched
from tests.store.conftest import House
from tests.store.indexing import build_all
from tests.store.making import DAY, NOW, FixedClock, delivery, message, new_message

WORDS = (
    "parcel Straße café STRASSE code 4711 你好世界 안녕 🙂 ÄRGER call call-back b\u00f6se x é"
    " שלום 12 +65 hello"
).split()
SENDERS = ("+6581230000", "+4915112345678", "MyBank", "12345", None, "Bücher", "+1555010")
STATES = (*[s.value for s in DeliveryState], None, None, "kept")
COUNT = 600


def filled(house: House, seed: int, count: int = COUNT) -> list[str]:
    """A history of everything that there is; the ids in the order of their coming."""
    chance, made, clock = random.Random(seed), [], FixedClock()
    ids = Ids(clock, random.Random(seed).getrandbits)
    with transaction(house.db):
        for n in range(count):
            clock.ms = NOW + n * 60_000
            kind = chance.choice([Kind.SMS, Kind.SMS, Kind.SMS, Kind.MMS, Kind.UNRECOGNISED])
            value = message(
                chance.choice([house.device.id, None]),
                " ".join(chance.choices(WORDS, k=chance.randrange(6))),
                kind=kind,
                sender=chance.choice(SENDERS),
                sender_raw=chance.choice([None, None, "8123 0000"]),
                subject=chance.choice([None, None, "Ärger am Café"]),
                received_at=clock.ms,
                test=chance.random() < 0.05,
            )
            object.__setattr__(value, "id", ids.new(MESSAGE))
            state = chance.choice(STATES)
            outs = []
            if state not in (None, "kept") and kind is not Kind.UNRECOGNISED:
                outs = [delivery(value, house.endpoint.id) for _ in range(chance.randrange(1, 3))]
            take(house.db, new_message(value, outs, keys=Keys()))
            for out in outs:
                now = state if chance.random() < 0.8 else "delivered"
                due = clock.ms if now == "pending" else None
                house.db.execute(
                    "UPDATE deliveries SET state = ?, due_at = ? WHERE id = ?", (now, due, out.id)
                )
            if state == "kept" and value.device_id is not None:
                house.db.execute(
                    "INSERT INTO kept_back VALUES (?, ?, 'history')", (value.id, house.device.id)
                )
            made.append(value.id)
    return made


def naive(db: sqlite3.Connection, query: MessageQuery) -> list[str]:
    """Every message that matches, newest first, by looking at all of them."""
    found = []
    rows = db.execute(
        "SELECT id, kind, device_id, received_at, test, text, subject, sender, sender_raw"
        " FROM messages WHERE kind <> 'event' ORDER BY id DESC"
    ).fetchall()
    for id_, kind, device_id, at, test, *parts in rows:
        states = [
            r[0] for r in db.execute("SELECT state FROM deliveries WHERE message_id = ?", (id_,))
        ]
        if any(s in ("pending", "in_flight") for s in states):
            state = "waiting"
        elif any(s != "delivered" for s in states):
            state = "failed"
        elif states:
            state = "delivered"
        elif kind == "unrecognised":
            state = "unrecognised"
        else:
            kept = db.execute("SELECT 1 FROM kept_back WHERE message_id = ?", (id_,)).fetchone()
            state = "kept_back" if kept else "unwanted"
        if (
            (query.kind is None or query.kind == kind)
            and (query.device_id is None or query.device_id == device_id)
            and (query.since is None or at >= query.since)
            and (query.until is None or at < query.until)
            and (query.state is None or query.state == state or (query.state == "test" and test))
            and all(term.matches(searched(*parts)) for term in query.terms)
        ):
            found.append(id_)
    return found


def all_pages(db: sqlite3.Connection, query: MessageQuery, limit: int) -> list[str]:
    """What following `older` shows, and that every page knows its way back."""
    found: list[str] = []
    cursor = None
    while True:
        page = find(db, query, cursor=cursor, limit=limit)
        found += [one.stored.message.id for one in page.items]
        assert len(page.items) <= limit
        if page.older is None:
            return found
        assert page.items or page.searched_to is not None
        cursor = page.older


QUERIES = st.builds(
    MessageQuery,
    search=st.one_of(st.none(), st.sampled_from([*WORDS, "strasse", "81230000", "+65 8123 0000",
        "cafe argeR", '"call call"', "mybank", "015112345678", "世界", "bos", "4", "nowhere"])),
    number=st.one_of(st.none(), st.none(), st.sampled_from(["8123", "Bank", "+65", "12345"])),
    text=st.one_of(st.none(), st.none(), st.sampled_from(["parcel", "code 4711", "cafe", "é"])),
    device_id=st.none(),
    since=st.one_of(st.none(), st.integers(NOW - DAY, NOW + COUNT * 60_000)),
    until=st.one_of(st.none(), st.integers(NOW, NOW + COUNT * 60_000 + DAY)),
    state=st.one_of(st.none(), st.sampled_from(MessageState)),
    kind=st.one_of(st.none(), st.none(), st.sampled_from([Kind.SMS, Kind.MMS, Kind.UNRECOGNISED])),
)  # fmt: skip


@pytest.fixture(params=["index", "index and budget", "budget", "plain"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small segments, so that a few hundred messages have many; small budgets, so that they end."""
    monkeypatch.setattr(segment_building, "SIZE", 40)
    monkeypatch.setattr(segment_building, "FRESH", 30)
    monkeypatch.setattr(message_sources, "GROUP", 3)
    monkeypatch.setattr(message_sources, "FEW", 5)
    monkeypatch.setattr(message_sources, "FIRST", 7)
    if "budget" in request.param:
        monkeypatch.setattr(message_list, "BUDGET", 60)
    return str(request.param)


@pytest.mark.parametrize("seed", [1])
def test_every_query_finds_what_a_look_at_everything_finds(house: House, small: str, seed: int):
    filled(house, seed)
    if "index" in small:
        assert build_all(house.db) == 15
        with transaction(house.db):  # some of it is not indexed any more
            some = [r[0] for r in house.db.execute("SELECT id FROM messages LIMIT 9 OFFSET 200")]
            segments.changed(house.db, some)

    @settings(max_examples=50, deadline=None)
    @given(QUERIES, st.booleans(), st.integers(1, 60))
    def check(query: MessageQuery, phone: bool, limit: int) -> None:
        if phone:
            fields = {n: getattr(query, n) for n in MessageQuery.__slots__}
            query = MessageQuery(**fields | {"device_id": house.device.id})
        assert all_pages(house.db, query, limit) == naive(house.db, query)

    check()


def test_nothing_is_left_out_wherever_a_budget_ends(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(segment_building, "SIZE", 10)
    monkeypatch.setattr(segment_building, "FRESH", 5)
    monkeypatch.setattr(message_sources, "GROUP", 2)
    filled(house, 2, 120)
    assert build_all(house.db) == 12
    for query in (MessageQuery(search="code"), MessageQuery(device_id=house.device.id)):
        wanted = naive(house.db, query)
        for budget in range(1, 60, 2):
            monkeypatch.setattr(message_list, "BUDGET", budget)
            assert all_pages(house.db, query, 7) == wanted


def shown(page: message_list.Page) -> list[str]:
    return [one.stored.message.id for one in page.items]


def test_a_page_leads_back_and_on_while_texts_come_and_go(house: House, small: str):
    filled(house, 3, 200)
    if "index" in small:
        build_all(house.db)
    query = MessageQuery()
    wanted = naive(house.db, query)
    first = find(house.db, query, limit=30)
    second = find(house.db, query, cursor=first.older, limit=30)
    assert shown(first) + shown(second) == wanted[:60]
    with transaction(house.db):  # a text comes, and the one that the cursor names goes
        late = take(house.db, new_message(message(None, received_at=NOW + DAY), keys=Keys()))
        house.db.execute("UPDATE messages SET id = 'msg_7' || substr(id, 6) WHERE id = ?",
            (late.message_id,))  # fmt: skip
        house.db.execute("DELETE FROM messages WHERE id = ?", (wanted[29],))
    assert shown(find(house.db, query, cursor=first.older, limit=30)) == wanted[30:60]
    back = find(house.db, query, cursor=second.newer, limit=29)
    assert shown(back) == wanted[:29]
    assert back.newer is not None
    come = find(house.db, query, cursor=first.newer, limit=30)
    assert len(come.items) == 1
    assert come.newer is None


def test_going_back_shows_the_pages_that_were_shown(house: House, small: str):
    filled(house, 4, 200)
    if "index" in small:
        build_all(house.db)
    for query in (
        MessageQuery(),
        MessageQuery(search="code"),
        MessageQuery(state=MessageState.FAILED),
    ):
        wanted, found = naive(house.db, query), list[str]()
        cursor: str | None = Place(older=False, message_id="msg_" + "0" * 26).cursor()
        while cursor is not None:
            page = find(house.db, query, cursor=cursor, limit=17)
            found = shown(page) + found
            cursor = page.newer
        assert found == wanted


@pytest.mark.parametrize("cursor", ["", "x", "b25v", "é", "A" * 5000, "bwo", "bm1zZ18"])
def test_a_cursor_that_is_none_is_refused(house: House, cursor: str):
    with pytest.raises(Invalid, match="none of ours"):
        find(house.db, MessageQuery(), cursor=cursor)
