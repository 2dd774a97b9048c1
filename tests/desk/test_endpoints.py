"""What an owner does with endpoints, whoever asks: the rules, and what is written."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mmconnect.desk import endpoint_routing, endpoints
from mmconnect.desk import endpoint_values as values
from mmconnect.desk.actor import Actor
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.domain.errors import Invalid, NotFound, Refused
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Condition, Endpoint, EndpointState, Match, Numbers, Routing
from mmconnect.store import audit, deliveries, devices, messages, migrate, outbox, secrets
from mmconnect.store import endpoints as stored
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.webhook import schedule, signing
from tests.store.making import NOW, FixedClock, delivery, device, message, new_message

T = TypeVar("T")

CLOCK = FixedClock()
IDS = Ids(CLOCK)
BY = Actor(name="admin", address="192.168.1.7")
URL = "http://192.168.1.9/hook"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(connect(tmp_path / FILE)) as opened:
        migrate.migrate(opened, tmp_path / FILE)
        yield opened


def add(db: sqlite3.Connection, *, secret: str | None = None, **change: Any) -> Endpoint:
    change = {"url": URL} | change
    with transaction(db):
        return endpoints.add(db, EndpointChange(**change), secret=secret, ids=IDS, now=NOW, by=BY)


def update(db: sqlite3.Connection, endpoint: Endpoint, **change: Any) -> Endpoint:
    with transaction(db):
        return endpoints.update(db, endpoint.id, EndpointChange(**change), ids=IDS, now=NOW, by=BY)[
            1
        ]


class Writes:
    """Transactions, counted."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db, self.count = db, 0
        self.before: dict[int, Callable[[], object]] = {}
        """What happens just before a write, by its number."""

    async def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> T:
        self.count += 1
        self.before.get(self.count, int)()
        with transaction(self.db):
            return function(self.db)


def waits(db: sqlite3.Connection, endpoint: Endpoint, *created_at: int) -> list[str]:
    """A waiting delivery made at each of these times."""
    found = []
    with transaction(db):
        for at in created_at:
            text = message(None)
            messages.take(db, new_message(text))
            one = replace(delivery(text, endpoint.id), created_at=at)
            outbox.add(db, one)
            found.append(one.id)
    return found


def actions(db: sqlite3.Connection) -> list[str]:
    return [entry.action for entry in reversed(audit.newest(db, limit=100))]


# -- adding and changing ---


def test_what_is_left_out_is_the_default(db: sqlite3.Connection) -> None:
    made = add(db)
    assert stored.get(db, made.id) == made
    assert (made.name, made.url, made.state) == ("192.168.1.9", URL, EndpointState.ACTIVE)
    assert (made.events, made.numbers) == (frozenset({"message.received"}), Numbers.E164)
    assert (made.max_age, made.schedule, made.concurrency) == (schedule.DEFAULT_MAX_AGE, None, 64)
    assert signing.standard_key(made.secrets[0].value)
    (entry,) = audit.newest(db, limit=10)
    assert (entry.actor, entry.address, entry.action) == ("admin", "192.168.1.7", "endpoint.added")
    assert (entry.subject, entry.detail) == (made.id, "192.168.1.9")


def test_a_secret_may_be_brought_along(db: sqlite3.Connection) -> None:
    assert add(db, secret="k" * 16).secrets[0].value == "k" * 16
    with pytest.raises(Invalid) as refused:
        add(db, secret="short")
    assert [issue.path for issue in refused.value.issues] == ["secret"]
    assert len(stored.known(db)) == 1


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_done(db: sqlite3.Connection) -> None:
    made = add(db)
    change: dict[str, Any] = {
        "url": "ftp://x",
        "name": " ",
        "events": ["message.recieved"],
        "max_age": 0,
        "schedule": (5,),
        "concurrency": 0,
        "headers": (("Host", "x"),),
        "ca": "nothing",
        "routing": Routing(devices=frozenset({"dev_none"})),
    }
    paths = [*[*change][:-1], "routing.devices"]
    paths[paths.index("max_age")] = "maxAge"
    for act in (lambda: update(db, made, **change), lambda: add(db, **change)):
        with pytest.raises(Invalid) as refused:
            act()
        assert [issue.path for issue in refused.value.issues] == paths
        assert not [i.message for i in refused.value.issues if re.search("--[a-z]", i.message)]
    assert stored.known(db) == [made]
    assert actions(db) == ["endpoint.added"]


def test_without_a_url_there_is_no_endpoint(db: sqlite3.Connection) -> None:
    with pytest.raises(Invalid) as refused, transaction(db):
        endpoints.add(db, EndpointChange(name=""), ids=IDS, now=NOW, by=BY)
    assert [issue.path for issue in refused.value.issues] == ["name", "url"]


def test_plain_http_wants_consent(db: sqlite3.Connection) -> None:
    made = add(db)
    with pytest.raises(Invalid) as refused:
        update(db, made, url="http://8.8.8.8/")
    (issue,) = refused.value.issues
    assert (issue.path, "consent to plain http" in issue.message) == ("plainHttp", True)
    assert update(db, made, url="http://8.8.8.8/", plain_http=True).plain_http
    with pytest.raises(Invalid):
        update(db, made, plain_http=False)


def test_something_has_to_sign(db: sqlite3.Connection) -> None:
    made = add(db, secret="not of the standard")
    with pytest.raises(Invalid) as refused:
        update(db, made, plain_headers=False)
    assert [issue.path for issue in refused.value.issues] == ["plainHeaders"]
    with pytest.raises(Invalid) as refused:
        add(db, secret="not of the standard", plain_headers=False)
    assert "secret" in [issue.path for issue in refused.value.issues]


def test_the_note_of_a_change_names_what_and_never_shows_it(db: sqlite3.Connection) -> None:
    made = add(db)
    update(db, made, name="CRM", max_age=60, headers=(("Authorization", "s3cret"),))
    update(db, made, name="CRM")
    assert actions(db) == ["endpoint.added", "endpoint.changed"], "the second changed nothing"
    assert audit.newest(db, limit=1)[0].detail == "CRM: name, max_age, headers"


def test_the_alert_url_is_the_settings(db: sqlite3.Connection) -> None:
    made = add(db)
    db.execute("UPDATE endpoints SET alert = 1")
    with pytest.raises(Refused, match="in the settings"):
        update(db, made, name="x")


async def test_the_alert_url_is_not_removed(db: sqlite3.Connection) -> None:
    made = add(db)
    db.execute("UPDATE endpoints SET alert = 1")
    with pytest.raises(Refused, match="switched off"):
        await endpoints.remove(Writes(db), made.id, clock=CLOCK, by=BY)


# -- routing ---


def test_a_routing_gets_an_id_and_keeps_it(db: sqlite3.Connection) -> None:
    phone = device()
    with transaction(db):
        devices.add(db, phone, "token")
    made = add(db, routing=Routing(devices=frozenset({phone.id})))
    assert (made.routing.id or "").startswith("rule_")
    two = update(db, made, routing=Routing(sims=frozenset({2})))
    assert two.routing == Routing(id=made.routing.id, sims=frozenset({2}))
    assert update(db, made, routing=Routing()).routing.id is None


def test_a_phone_that_is_gone_stays_in_a_routing_that_had_it(db: sqlite3.Connection) -> None:
    phone = device()
    with transaction(db):
        devices.add(db, phone, "token")
    made = add(db, routing=Routing(devices=frozenset({phone.id})))
    with transaction(db):
        devices.remove(db, phone.id, NOW)
    both = replace(made.routing, sims=frozenset({1}))
    assert update(db, made, routing=both).routing == both


@pytest.mark.parametrize(
    ("written", "match", "value"),
    [
        ("+6581230000", Match.EXACT, "+6581230000"),
        ("8123 0000", Match.EXACT, "+6581230000"),
        ("+65*", Match.PREFIX, "+65"),
        ("exact:a*", Match.EXACT, "a*"),
        ("prefix:exact:", Match.PREFIX, "exact:"),
        (r"pattern:^\d{5}$", Match.PATTERN, r"^\d{5}$"),
    ],
)
def test_a_sender_is_read_as_people_write_it(written: str, match: Match, value: str) -> None:
    assert endpoint_routing.sender(written, "SG") == Condition(match=match, value=value)


@pytest.mark.parametrize(
    ("written", "match", "value"),
    [
        ("code", Match.CONTAINS, "code"),
        ("exact:STOP", Match.EXACT, "STOP"),
        ("a:b", Match.CONTAINS, "a:b"),
        ("contains:x", Match.CONTAINS, "x"),
    ],
)
def test_so_is_a_text(written: str, match: Match, value: str) -> None:
    assert endpoint_routing.text(written) == Condition(match=match, value=value)


def test_a_preview_says_which_texts(db: sqlite3.Connection) -> None:
    with transaction(db):
        for text in ("code 1", "hello", "Code 2"):
            messages.take(db, new_message(message(None, text)))
    wanted = Routing(texts=(Condition(match=Match.CONTAINS, value="CODE"),))
    found = endpoint_routing.preview(db, wanted)
    assert [m.text for m in found.wanted] == ["Code 2", "code 1"]
    assert [m.text for m in found.others] == ["hello"]
    assert found.words() == "It would have matched 2 of the last 3 texts."


def test_durations_and_schedules_are_read_back() -> None:
    assert values.schedule_of(values.schedule_words((0, 5, 300))) == (0, 5, 300)
    assert values.max_age(values.words(14 * 86400)) == 14 * 86400


# -- whether texts go out ---


def test_pausing_is_noted_once(db: sqlite3.Connection) -> None:
    made = add(db)
    for _ in range(2):
        with transaction(db):
            paused = endpoints.pause(db, made.id, now=NOW, by=BY)
    assert paused.state is EndpointState.PAUSED
    assert actions(db) == ["endpoint.added", "endpoint.paused"]
    with pytest.raises(NotFound):
        endpoints.pause(db, "ep_none", now=NOW, by=BY)


async def test_resuming_sends_all_those_that_are_newer_or_none(db: sqlite3.Connection) -> None:
    made, writes = add(db), Writes(db)
    old, new = waits(db, made, NOW - 1000, NOW)
    with transaction(db):
        endpoints.pause(db, made.id, now=NOW, by=BY)
    done = await endpoints.resume(writes, made.id, newer_than=NOW, clock=CLOCK, by=BY)
    assert (done.waiting, done.cancelled, done.probed) == (1, 1, False)
    assert done.endpoint.state is EndpointState.ACTIVE
    states = [one.state for id in (old, new) if (one := deliveries.get(db, id))]
    assert states == ["cancelled", "pending"]
    done = await endpoints.resume(writes, made.id, none=True, clock=CLOCK, by=BY)
    assert (done.waiting, done.cancelled) == (0, 1)
    assert audit.newest(db, limit=1)[0].detail == "192.168.1.9: 1 cancelled"


async def test_one_that_is_held_is_probed(db: sqlite3.Connection) -> None:
    made = add(db)
    with transaction(db):
        stored.hold(db, made.id, "gone", "it said 410", NOW, URL)
    done = await endpoints.resume(Writes(db), made.id, clock=CLOCK, by=BY)
    assert (done.probed, done.endpoint.state) == (True, EndpointState.HELD)
    assert done.endpoint.probe_asked_at == NOW


async def test_removing_takes_many_short_writes(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "CHUNK", 3)
    made, other, writes = add(db), add(db, name="other"), Writes(db)
    waits(db, made, *[NOW] * 8)
    (stays,) = waits(db, other, NOW)

    pauses = []

    async def between() -> None:
        pauses.append(writes.count)

    writes.before[5] = lambda: waits(db, made, NOW)  # a text comes at the last moment
    gone = await endpoints.remove(writes, made.id, clock=CLOCK, by=BY, between=between)
    assert (gone, writes.count, pauses) == (9, 5, [2, 3])
    assert db.execute(
        "SELECT state, count(*) FROM deliveries GROUP BY 1 ORDER BY 1"
    ).fetchall() == [("cancelled", 9), ("pending", 1)]
    assert [one.id for one in stored.known(db)] == [other.id]
    assert (one := deliveries.get(db, stays)) is not None
    assert one.state == "pending"
    assert audit.newest(db, limit=1)[0].detail == "192.168.1.9: 9 cancelled"
    with pytest.raises(NotFound):
        await endpoints.remove(writes, made.id, clock=CLOCK, by=BY)


# -- secrets ---


def test_rotating_and_ending_the_overlap(db: sqlite3.Connection) -> None:
    made = add(db)
    with transaction(db):
        done = endpoints.rotate(db, made.id, now=NOW + 1, by=BY)
    assert done.previous_expires_at == NOW + 1 + 86_400_000
    assert [s.value for s in secrets.ring(db, made.id)] == [done.secret, made.secrets[0].value]
    with transaction(db):
        assert endpoints.end_overlap(db, made.id, now=NOW + 2, by=BY) == 1
        assert endpoints.end_overlap(db, made.id, now=NOW + 2, by=BY) == 0
    assert [s.value for s in secrets.ring(db, made.id)] == [done.secret]
    assert actions(db)[1:] == ["endpoint.secret_rotated", "endpoint.overlap_ended"]
    assert all(done.secret not in entry.detail for entry in audit.newest(db, limit=9))


def test_what_cannot_sign_or_last_is_refused(db: sqlite3.Connection) -> None:
    made = add(db, plain_headers=False)
    with pytest.raises(Invalid) as refused:
        endpoints.rotate(db, made.id, secret="k" * 16, overlap=8 * 86400, now=NOW, by=BY)
    assert [issue.path for issue in refused.value.issues] == ["secret", "overlap"]


# -- order ---


def test_people_give_them_an_order(db: sqlite3.Connection) -> None:
    one, two, three = (add(db, name=name) for name in "123")

    def order() -> str:
        return "".join(e.name for e in stored.known(db))

    assert order() == "123"
    endpoints.move(db, three.id, up=True)
    assert order() == "132"
    endpoints.move(db, three.id, up=True)
    endpoints.move(db, three.id, up=True)
    assert order() == "312"
    endpoints.move(db, one.id, up=False)
    endpoints.move(db, one.id, up=False)
    assert order() == "321"
    add(db, name="4")
    assert order() == "3214", "a new one comes last"
    with pytest.raises(NotFound):
        endpoints.move(db, "ep_none", up=True)
    assert two.id in [e.id for e in stored.known(db)]
