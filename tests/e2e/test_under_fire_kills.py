"""`kill -9` at known points: what it costs is one more POST of what was in flight, never a text.

The points: after the commit that the phone was told of and before the POST; while the receiver has
the POST; after its answer and before that is recorded; and at every commit of the next start.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import receiver as acts
from tests.support.fire import (
    IN_FLIGHT,
    Fire,
    killed_at,
    needs_strace,
    start_that_is_killed,
    under_fire,
)
from tests.support.receiver import Exchange, receiving
from tests.support.service import until

INTERRUPTED = "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'"
DELIVERED = "SELECT count(*) FROM deliveries WHERE state = 'delivered'"
LOG = "mmconnect.db-wal"


@pytest.fixture
def fire(tmp_path: Path, furnished: tuple[Path, str, str, str]) -> Iterator[Fire]:
    """A service with a phone and no endpoint, not started yet."""
    source, token, endpoint_id, _ = furnished
    with under_fire(tmp_path, source, token) as made:
        made.service.cli("endpoint", "remove", endpoint_id, "--yes")
        yield made


def left_behind(fire: Fire, tmp_path: Path) -> tuple[int, int]:
    """(messages, deliveries in flight) that a kill left."""
    with fire.service.autopsy(tmp_path / "autopsy") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (messages,) = db.execute("SELECT count(*) FROM messages").fetchone()
        (flying,) = db.execute(IN_FLIGHT).fetchone()
    return int(messages), int(flying)


def started_again(fire: Fire, interrupted: int, delivered: int = 1) -> None:
    """After the next start everything is delivered, and the interruption can be seen."""
    fire.service.start()
    fire.settled()
    assert fire.service.count(DELIVERED) == delivered
    assert fire.service.count(INTERRUPTED) == interrupted


@needs_strace
def test_between_the_commit_and_the_post(fire: Fire, tmp_path: Path) -> None:
    with receiving() as receiver:
        fire.endpoint("one", receiver.url)
        fire.service.start()
        # the kill may come before the answer to the phone
        with killed_at(fire.service, "connect", 1, ""), contextlib.suppress(OSError):
            fire.text("text")
        assert left_behind(fire, tmp_path) == (1, 1)
        assert receiver.arrivals == []
        started_again(fire, interrupted=1)
        assert receiver.texts == ["text"]


def test_between_the_post_and_its_answer(fire: Fire, tmp_path: Path) -> None:
    async def kill(exchange: Exchange) -> None:
        assert fire.service.process is not None
        os.kill(fire.service.process.pid, signal.SIGKILL)

    with receiving(kill) as receiver:
        fire.endpoint("one", receiver.url)
        fire.service.start()
        fire.text("text")
        assert fire.service.process is not None
        fire.service.process.wait(60)
        assert left_behind(fire, tmp_path) == (1, 1)
        started_again(fire, interrupted=1)
        assert receiver.texts == ["text", "text"]
        assert receiver.arrivals[0].id == receiver.arrivals[1].id
        assert receiver.arrivals[0].body == receiver.arrivals[1].body


@needs_strace
def test_between_the_answer_and_its_record(fire: Fire, tmp_path: Path) -> None:
    """Once the receiver has the text, the next sync of the log is the one of its result."""
    gate = acts.Gate()
    with receiving(acts.answer(), gate) as receiver:
        fire.endpoint("one", receiver.url)
        fire.service.start()
        fire.text("before")  # beginning the log anew takes a sync of its own
        fire.settled()
        fire.text("text")
        until(lambda: len(receiver.arrivals) == 2, "the POST is under way")
        with killed_at(fire.service, "fdatasync", 1, LOG):
            gate.open()
        messages, flying = left_behind(fire, tmp_path)
        assert (messages, receiver.texts) == (2, ["before", "text"])
        # what was written but not synced may have survived, as the machine did not fail
        started_again(fire, interrupted=flying, delivered=2)
        assert receiver.texts == ["before", "text"] + ["text"] * flying


@needs_strace
def test_at_every_commit_of_the_next_start(fire: Fire, tmp_path: Path) -> None:
    with receiving(default=acts.hang) as receiver:
        fire.endpoint("one", receiver.url)
        fire.service.start()
        fire.text("text")
        until(lambda: receiver.arrivals, "the POST is under way")
        fire.service.kill()
        kills = 0
        posts = len(receiver.arrivals)
        while start_that_is_killed(
            fire.service,
            kills + 1,
            lambda: len(receiver.arrivals) > posts,  # what it starts with
        ):
            kills += 1
            assert left_behind(fire, tmp_path)[0] == 1
            assert len(receiver.arrivals) == posts, "its POST comes after its commits"
        assert kills, "no start was killed"
        receiver.default = acts.answer()
        before = len(receiver.arrivals)
        fire.service.start()
        fire.settled()
        assert fire.service.count(DELIVERED) == 1
        assert len({arrival.id for arrival in receiver.arrivals}) == 1
        assert len(receiver.arrivals) == before + 1
        # each stop is one interruption at the most: the first, those of the starts, the last one's
        assert 1 <= fire.service.count(INTERRUPTED) <= 1 + kills + 1
