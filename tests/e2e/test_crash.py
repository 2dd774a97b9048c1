"""`kill -9` in the middle of work, again and again: nothing is lost, nothing becomes two texts.

Each round a burst is pushed from eight connections, the process is killed at a moment that the seed
chooses, and what it left on the disk is read from a copy before it starts again. `make crash` runs
200 rounds; CRASH_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.burst import SECRET, Burst, Receiver, Text, receiving
from tests.support.service import Service, until

ROUNDS = 8
BURST = 160
SENDERS = 40
"""Fewer than texts of a burst, so that some wait for their sender's turn."""


@dataclass(slots=True)
class Phones:
    """What the phones have, what they were told, and what the kills left in flight."""

    texts: list[Text] = field(default_factory=list)
    unanswered: list[Text] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    """The message id that each acknowledged text was given, by event id."""
    interrupted: Counter[str] = field(default_factory=Counter)
    """How many kills found a message in flight."""
    kept_unanswered: int = 0
    """Texts that were committed while their answer was not: pushed again, they were duplicates."""

    def more(self, round_number: int, rng: random.Random) -> list[Text]:
        """What is pushed in a round: what has no answer yet, and new texts."""
        new = [
            Text(
                event_id=f"event-{round_number}-{n}",
                sender=f"+1555{rng.randrange(SENDERS):07d}",
                text=f"Round {round_number}, text {n}",
                sent_at=1767225600000 + round_number * 1000 + n,
            )
            for n in range(BURST)
        ]
        self.texts += new
        burst = self.unanswered + new
        rng.shuffle(burst)
        return burst

    def account(self, burst: list[Text], stored: dict[str, str]) -> None:
        """Compare what the phones were told with what is stored (event id to message id)."""
        for text in burst:
            if not text.acked:
                assert text.status is None, f"answered {text.status}: {text.answer}"
                continue
            assert stored.get(text.event_id) == text.answer["id"], f"lost: {text}"
            assert self.ids.setdefault(text.event_id, text.answer["id"]) == text.answer["id"]
        self.unanswered = [text for text in burst if not text.acked]


def test_nothing_is_lost_and_nothing_is_doubled_by_kill_9(tmp_path: Path) -> None:
    _rounds(tmp_path, min(ROUNDS, int(os.environ.get("CRASH_ROUNDS", ROUNDS))))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_200_times_kill_9(tmp_path: Path) -> None:
    _rounds(tmp_path, int(os.environ.get("CRASH_ROUNDS", "200")))


def _rounds(tmp_path: Path, rounds: int) -> None:
    seed = int(os.environ.get("CRASH_SEED", random.randrange(10**6)))
    print(f"CRASH_SEED={seed}")  # shown when the test fails
    rng = random.Random(seed)
    service = Service(tmp_path / "data")
    with receiving() as receiver:
        service.start()
        try:
            service.cli("endpoint", "add", receiver.url, "--secret", SECRET)
            token = service.cli("device", "add", "--name", "Phone", "--app", "generic")["token"]
            phones = Phones()
            for number in range(rounds):
                _round(service, receiver, token, phones, number, rng, tmp_path / "autopsy")
            _finish(service, receiver, token, phones)
        finally:
            service.kill()
    again = sum(phones.interrupted.values())
    doubled = sum(n - 1 for n in receiver.times.values())
    print(
        f"{rounds} rounds: {len(phones.texts)} texts, {len(receiver.arrivals)} POSTs,"
        f" {again} in flight at a kill, {doubled} delivered twice,"
        f" {phones.kept_unanswered} kept without an answer"
    )


def _round(
    service: Service,
    receiver: Receiver,
    token: str,
    phones: Phones,
    number: int,
    rng: random.Random,
    autopsy: Path,
) -> None:
    """Push, kill, look, start again."""
    receiver.delay = rng.choice((0.0, 0.0, 0.002, 0.02))
    known_before = set(phones.ids)
    burst_texts = phones.more(number, rng)
    in_store = _stored_before(service, burst_texts)
    burst = Burst(service.phone, token, burst_texts)
    burst.wait_acked(rng.randrange(len(burst_texts)))
    time.sleep(rng.uniform(0, 0.004))
    service.kill()
    burst.join()
    if rng.random() < 0.25:  # a second kill, while the first one is being recovered from
        _note_flights(service, phones, autopsy)
        service.spawn()
        time.sleep(rng.uniform(0.1, 0.8))
        service.kill()
    stored = _note_flights(service, phones, autopsy)
    for text in burst_texts:
        if text.acked:
            duplicate = text.event_id in in_store
            assert text.answer["duplicate"] is duplicate, text
            phones.kept_unanswered += duplicate and text.event_id not in known_before
    phones.account(burst_texts, stored)
    service.start()


def _stored_before(service: Service, texts: list[Text]) -> set[str]:
    """Which of these texts the service has already, though the phone does not know."""
    with service.looking() as db:
        rows = db.execute("SELECT event_id FROM messages").fetchall()
    return {row[0] for row in rows} & {text.event_id for text in texts}


def _note_flights(service: Service, phones: Phones, autopsy: Path) -> dict[str, str]:
    """Look at what a kill left: sound, and with which messages (event id to id) and flights."""
    with service.autopsy(autopsy) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = db.execute("SELECT event_id, id FROM messages").fetchall()
        flying = db.execute(
            "SELECT message_id FROM deliveries WHERE state = 'in_flight'"
        ).fetchall()
    stored = dict(rows)
    assert len(stored) == len(rows), "a text was stored twice"
    phones.interrupted.update(row[0] for row in flying)
    return stored


def _finish(service: Service, receiver: Receiver, token: str, phones: Phones) -> None:
    """The phones get rid of the rest; then everything has arrived, and nothing else."""
    receiver.delay = 0.0
    rest = phones.unanswered
    in_store = _stored_before(service, rest)
    burst = Burst(service.phone, token, rest)
    burst.join()
    for text in rest:
        assert text.acked, text
        assert text.answer["duplicate"] is (text.event_id in in_store), text
        phones.kept_unanswered += text.answer["duplicate"]
        phones.ids[text.event_id] = text.answer["id"]
    assert len(phones.ids) == len(phones.texts)

    expected = set(phones.ids.values())
    assert len(expected) == len(phones.texts), "two texts share a message id"
    until(
        lambda: expected <= set(receiver.times),
        lambda: f"{len(expected - set(receiver.times))} acknowledged texts have not been delivered",
    )
    until(
        lambda: not service.count("SELECT count(*) FROM deliveries WHERE state <> 'delivered'"),
        "every result is recorded",
    )
    assert service.stop() == 0

    times = receiver.times
    assert set(times) == expected, "something arrived that no phone was told of"
    for message_id, count in times.items():
        assert count <= 1 + phones.interrupted[message_id], f"{message_id} came {count} times"
    by_id = {phones.ids[text.event_id]: text for text in phones.texts}
    for arrival in receiver.arrivals:
        text = by_id[arrival.id]
        assert (arrival.body["from"], arrival.body["text"]) == (text.sender, text.text)
    with service.looking() as db:
        told = db.execute("SELECT count(*), count(DISTINCT event_id) FROM messages").fetchone()
    assert told == (len(phones.texts), len(phones.texts))
