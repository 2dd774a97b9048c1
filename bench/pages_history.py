"""A million messages as people search them: many words, few of them often, and all states."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.scale import build
from mmconnect.store import segment_building as building
from mmconnect.store.connection import connect, transaction

RARE = "zanzibarquitte"
"""Stands in one text of the oldest thousand."""
SELDOM = "kolibri"
"""In one text of 20,000."""
COMMON = "appointment"
"""In one of twenty."""

_SYLLABLES = (
    "ba be bi bo bu da de di do du fa fe fi fo ga ge gi go ha he hi ho ka ke ki ko la le li lo ma "
    "me mi mo na ne ni no pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo wa we"
).split()


def vocabulary(count: int = 20_000) -> list[str]:
    """Words that nobody has to know, of two to five syllables."""
    rng = random.Random(7)
    found = {"".join(rng.choices(_SYLLABLES, k=rng.randrange(2, 6))) for _ in range(2 * count)}
    return sorted(found)[:count]


@dataclass(slots=True)
class Writer:
    """Writes texts whose words are as unevenly frequent as in a language."""

    words: list[str]
    weights: list[float]

    @classmethod
    def make(cls) -> Writer:
        words = vocabulary()
        random.Random(8).shuffle(words)
        total, weights = 0.0, []
        for n in range(len(words)):
            total += 1 / (n + 3)
            weights.append(total)
        return cls(words, weights)

    def __call__(self, rng: random.Random, number: int) -> str:
        chosen = rng.choices(self.words, cum_weights=self.weights, k=rng.randrange(6, 24))
        if number % 20 == 0:
            chosen.insert(3, COMMON)
        if number % 20_000 == 77:
            chosen.append(SELDOM)
        if number == 500:
            chosen.append(RARE)
        return " ".join(chosen) + f" {rng.randrange(10**6):06d}"


def fill(path: Path, endpoint_id: str, paused_id: str, device_ids: list[str], count: int) -> float:
    """Messages of some phones, most of them delivered; seconds it took.

    Some wait for `paused_id`.
    """
    took = build(path, endpoint_id, device_ids[0], count, Writer.make())
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    # two in three came by the first phone, few by the last; one in 200 failed, long ago some waited
    db.execute("UPDATE messages SET device_id = ? WHERE rowid % 3 = 0", (device_ids[1],))
    db.execute("UPDATE messages SET device_id = ? WHERE rowid % 10007 = 0", (device_ids[2],))
    nth = "message_id IN (SELECT id FROM messages WHERE rowid % {} = {})"
    db.execute(f"UPDATE deliveries SET state = 'failed' WHERE {nth.format(211, 0)}")
    db.execute(f"DELETE FROM deliveries WHERE {nth.format(307, 1)}")
    db.execute(
        "UPDATE deliveries SET state = 'pending', parked = 1, due_at = created_at,"
        f" endpoint_id = ? WHERE {nth.format(997, 2)}",
        (paused_id,),
    )
    db.execute(
        "UPDATE messages SET kind = 'unrecognised' WHERE rowid % 4001 = 0 AND NOT EXISTS"
        " (SELECT 1 FROM deliveries d WHERE d.message_id = messages.id)"
    )
    db.execute("COMMIT")
    db.close()
    return took


def index(path: Path) -> int:
    """What the service's indexer does in an hour, at once; how many segments."""
    db, made = connect(path), 0
    db.execute("PRAGMA synchronous = OFF")
    while (wanted := building.next_range(db)) is not None:
        with transaction(db):
            draft = building.begin(db, wanted)
        assert draft is not None
        while building.read(db, draft, 500):
            pass
        postings = draft.postings()
        with transaction(db):
            while some := list(islice(postings, 5000)):
                building.write(db, draft, some)
            building.finish(db, draft)
        made += 1
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return made
