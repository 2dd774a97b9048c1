"""`delivery retry` and `delivery replays` without a service: counted, ordered, listed, refused."""

from __future__ import annotations

import io
import sqlite3
import time
from pathlib import Path

import pytest

from mmconnect.desk import deliveries as deliveries_desk
from mmconnect.store import deliveries, messages
from mmconnect.store.connection import FILE, connect, transaction
from tests.cli.conftest import Desk
from tests.store import making


def stocked(desk: Desk, count: int = 3, state: str = "failed") -> tuple[str, list[str]]:
    """An endpoint with so many deliveries in that state."""
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    db = connect(desk.directory / FILE)
    made = []
    with transaction(db):
        for n in range(count):
            text = making.message(None, f"text {n}", device_name=None)
            its = making.delivery(text, endpoint)
            messages.take(db, making.new_message(text, [its]))
            made.append(its.id)
        db.execute(
            "UPDATE deliveries SET state = ?, due_at = iif(? = 'pending', 0, NULL)", (state, state)
        )
    db.close()
    return endpoint, made


def states(desk: Desk) -> set[str]:
    return {d["state"] for d in desk("delivery", "list", "--json").json}


def test_the_list_says_why_one_waits(desk: Desk):
    endpoint, _ = stocked(desk, 1, "pending")
    never = time.strftime("%Y-%m-%d", time.localtime(0))  # west of Greenwich still 1969
    assert never in desk("delivery", "list").out
    desk("endpoint", "pause", endpoint)
    told = desk("delivery", "list").out
    assert "endpoint paused" in told
    assert never not in told


def test_one_that_is_named_twice_is_one(desk: Desk):
    _, (one,) = stocked(desk, 1)
    told = desk("delivery", "retry", one, one, "--json").json
    assert (told["retried"], told["matching"]) == (1, 1)


def test_many_are_counted_and_wait_for_the_service(desk: Desk):
    endpoint, _ = stocked(desk)
    told = desk("delivery", "retry", "--state", "failed", "--endpoint", endpoint)
    assert told.code == 0
    assert "3 deliveries are sent again, as soon as the service runs, which it does not" in told.out
    assert states(desk) == {"failed"}
    (replay,) = desk("delivery", "replays", "--json").json
    assert (replay["state"], replay["total"], replay["done"]) == ("running", 3, 0)
    assert replay["filter"]["endpointId"] == endpoint
    listed = desk("delivery", "replays").out
    assert replay["id"] in listed
    assert "The service does not run" in listed


def test_a_dry_run_counts_and_changes_nothing(desk: Desk):
    stocked(desk)
    words = ("delivery", "retry", "--state", "failed", "--dry-run")
    assert "3 deliveries match; nothing was changed" in desk(*words).out
    assert desk(*words, "--json").json == {"retried": 0, "matching": 3, "wiped": 0, "replay": None}
    assert desk("delivery", "replays", "--json").json == []
    assert "Nothing was sent again in bulk" in desk("delivery", "replays").out


def test_when_nothing_matches_nothing_is_ordered(desk: Desk):
    stocked(desk)
    told = desk("delivery", "retry", "--state", "expired", "--json").json
    assert told == {"retried": 0, "matching": 0, "wiped": 0, "replay": None}
    assert desk("delivery", "replays", "--json").json == []


@pytest.mark.parametrize(
    ("more", "count"), [(["--since", "2026-05-28"], 3), (["--until", "2026-05-28"], 0)]
)
def test_only_those_of_a_time(desk: Desk, more: list[str], count: int):
    stocked(desk)  # made at making.NOW, 2026-05-28T20:26:40Z
    words = ("delivery", "retry", "--state", "failed", *more, "--json")
    assert desk(*words).json["matching"] == count


@pytest.mark.parametrize(("answer", "ordered"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_at_a_terminal_a_person_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, ordered: int
):
    stocked(desk)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("tests.cli.conftest.io.StringIO", Terminal)
    told = desk("delivery", "retry", "--state", "failed", given=answer)
    assert told.code == (0 if ordered else 1)
    assert "3 deliveries match. Send 3 again? [y/N]" in told.err
    monkeypatch.undo()
    assert len(desk("delivery", "replays", "--json").json) == ordered


def test_a_replay_is_cancelled(desk: Desk):
    stocked(desk)
    replay = desk("delivery", "retry", "--state", "failed", "--json").json["replay"]
    assert "offers no more; 0 of 3" in desk("delivery", "replays", "cancel", replay).out
    (shown,) = desk("delivery", "replays", "--json").json
    assert shown["state"] == "cancelled"
    assert desk("delivery", "replays", "cancel", replay, "--json").json == [shown]
    told = desk("delivery", "replays", "cancel", "rpl_none")
    assert (told.code, told.out) == (1, "")
    assert "There is no replay rpl_none" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ("retry", "dlv_x", "--since", "2h"),
        ("retry", "dlv_x", "--dry-run"),
        ("retry", "--state", "in_flight"),
        ("retry", "--state", "failed", "--until", "tomorrow"),
        ("replays", "cancel"),
        ("replays", "stop"),
    ],
)
def test_usage(desk: Desk, words: tuple[str, ...]):
    stocked(desk)
    told = desk("delivery", *words)
    assert (told.code, told.out) == (2, "")
    assert states(desk) == {"failed"}


def test_a_wiped_text_is_refused_with_the_reason(desk: Desk):
    _, (one, two) = stocked(desk, 2)
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute(
            "UPDATE messages SET wiped_at = 1781274720000"
            " WHERE id = (SELECT message_id FROM deliveries WHERE id = ?)",
            (two,),
        )
    told = desk("delivery", "retry", one, two)
    assert (told.code, told.out) == (1, "")
    assert f"The text of {two} was wiped at 2026-06-12T14:32:00.000Z" in told.err
    assert states(desk) == {"failed"}, "none of them, when one cannot be"
    assert desk("delivery", "retry", one, "--json").json["retried"] == 1


def test_what_is_in_flight_is_left_alone_and_said_so(desk: Desk):
    _, (one, two) = stocked(desk, 2)
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("UPDATE deliveries SET state = 'in_flight' WHERE id = ?", (two,))
    told = desk("delivery", "retry", one, two)
    assert told.code == 0
    assert "1 delivery is sent again; 1 is in flight just now" in told.out


def test_cancelling_says_what_may_yet_arrive(desk: Desk):
    _, (one, two) = stocked(desk, 2, "pending")
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("UPDATE deliveries SET state = 'in_flight' WHERE id = ?", (two,))
    told = desk("delivery", "cancel", one, two)
    assert told.code == 0
    assert "1 waiting delivery was cancelled" in told.out
    assert "1 is in flight just now, and may yet arrive" in told.out
    assert desk("delivery", "show", one, "--json").json["note"] == deliveries.BY_HAND


def test_cancelling_many_takes_several_short_writes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    endpoint, _ = stocked(desk, 25, "pending")
    sizes: list[int] = []
    real = deliveries.cancel

    def counting(db, delivery_ids, now):
        sizes.append(len(delivery_ids))
        return real(db, delivery_ids, now)

    monkeypatch.setattr(deliveries_desk, "CHUNK", 4)
    monkeypatch.setattr(deliveries_desk, "FOUND_AT_ONCE", 10)
    monkeypatch.setattr(deliveries, "cancel", counting)
    told = desk("delivery", "cancel", "--endpoint", endpoint, "--json").json
    assert told == {"cancelled": 25}
    assert max(sizes) == 4
    assert states(desk) == {"cancelled"}


def test_what_was_wiped_is_counted_apart(desk: Desk):
    stocked(desk)
    with sqlite3.connect(desk.directory / FILE) as db:
        db.execute("UPDATE messages SET wiped_at = 1 WHERE id = (SELECT max(id) FROM messages)")
    told = desk("delivery", "retry", "--state", "failed", "--json").json
    assert (told["retried"], told["matching"], told["wiped"]) == (2, 3, 1)
    with sqlite3.connect(desk.directory / FILE) as db:
        db.execute("UPDATE messages SET wiped_at = 1")
    told = desk("delivery", "retry", "--state", "failed")
    assert told.code == 1
    assert "3 cannot be sent, as their texts were wiped: there is nothing to send" in told.err


def test_a_list_of_an_endpoint_that_never_was_says_so(desk: Desk):
    assert desk("delivery", "list", "--endpoint", "ep_none").code == 1


def test_the_list_of_endpoints_says_why_one_is_held(desk: Desk):
    endpoint, _ = stocked(desk, 1)
    with sqlite3.connect(desk.directory / FILE) as db:
        db.execute(
            "UPDATE endpoints SET state = 'held', held_class = 'refused', held_at = 1,"
            " held_reason = 'It refuses every text. Is the flow active?' WHERE id = ?",
            (endpoint,),
        )
    told = desk("endpoint", "list").out
    assert "127.0.0.1 is held: It refuses every text. Is the flow active?" in told
