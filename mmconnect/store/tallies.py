"""Texts and attempts by hour: written a minute's worth at once, read for bars, rates and medians.

What is read is bounded by time, never by how many texts there are. Knows nothing of who counts;
what is counted but not written yet is passed in by whoever has it.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmconnect.domain.days import DAY
from mmconnect.domain.histogram import Histogram, bucket
from mmconnect.store.retention import PLAUSIBLE

ALL = ""
"""Stands for all phones together."""
KEPT = 400 * DAY
"""Milliseconds for which figures are kept: this month a year ago, with some to spare."""

TextHours = dict[tuple[str, int], int]
"""(device, hour) to new texts."""
Row = tuple[str, str, int]
"""A row of figures: table, owner, hour."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """Attempts to one endpoint, of an hour or of several."""

    delivered: int = 0
    failed: int = 0
    """Attempts; probes that only asked whether a held endpoint is back are none."""
    given_up: int = 0
    """Deliveries that failed or expired for good."""
    latencies: Histogram = field(default_factory=dict)
    """How long answers took, whatever they said."""

    def attempt(self, *, delivered: bool, probe: bool, answered_in: int | None) -> None:
        """Count one attempt; `answered_in`: milliseconds to its answer, None without one."""
        if delivered:
            self.delivered += 1
        elif not probe:
            self.failed += 1
        if answered_in is not None:
            number = bucket(answered_in)
            self.latencies[number] = self.latencies.get(number, 0) + 1

    def add(self, other: Tally) -> None:
        """Count those of another, too."""
        self.delivered += other.delivered
        self.failed += other.failed
        self.given_up += other.given_up
        for number, count in other.latencies.items():
            self.latencies[number] = self.latencies.get(number, 0) + count


AttemptHours = dict[tuple[str, int], Tally]
"""(endpoint, hour) to what came of attempts."""


def add(db: sqlite3.Connection, texts: TextHours, attempts: AttemptHours) -> None:
    """Add what was counted to what is there."""
    together: dict[int, int] = {}
    for (_, hour), count in texts.items():
        together[hour] = together.get(hour, 0) + count
    rows = [(device_id, hour, count) for (device_id, hour), count in texts.items()]
    db.executemany(
        "INSERT INTO text_hours VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET texts = texts + excluded.texts",
        [*rows, *((ALL, hour, count) for hour, count in together.items())],
    )
    for (endpoint_id, hour), new in attempts.items():
        tally = Tally()
        for row in db.execute(f"{_TALLIES} AND hour = ?2", (endpoint_id, hour)):
            tally.add(_tally(row))
        tally.add(new)
        db.execute(
            "INSERT OR REPLACE INTO endpoint_hours (endpoint_id, hour, delivered, failed, given_up,"
            " latencies) VALUES (?, ?, ?, ?, ?, ?)",
            (
                endpoint_id,
                hour,
                tally.delivered,
                tally.failed,
                tally.given_up,
                json.dumps(tally.latencies, separators=(",", ":")),
            ),
        )


def texts_between(
    db: sqlite3.Connection, device_id: str, bounds: Sequence[int], new: TextHours
) -> list[int]:
    """Texts of a phone (or of ALL) from each of `bounds` (UTC ms) to the next.

    `new` is what is not written yet. An hour counts where it begins.
    """
    rows = db.execute(
        "SELECT hour, texts FROM text_hours WHERE device_id = ? AND hour >= ? AND hour < ?",
        (device_id, bounds[0], bounds[-1]),
    ).fetchall()
    rows += [(hour, count) for (owner, hour), count in new.items() if device_id in (ALL, owner)]
    found = [0] * (len(bounds) - 1)
    for hour, count in rows:
        if bounds[0] <= hour < bounds[-1]:
            found[bisect_right(bounds, hour) - 1] += count
    return found


def first_hour(db: sqlite3.Connection, device_id: str) -> int | None:
    """The first hour (UTC ms) in which a phone (or any of ALL) sent a text."""
    (hour,) = db.execute(
        "SELECT min(hour) FROM text_hours WHERE device_id = ? AND hour >= ?", (device_id, PLAUSIBLE)
    ).fetchone()
    return None if hour is None else int(hour)


def seeding(db: sqlite3.Connection) -> bool:
    """Whether old texts are still being counted (tally_seeds.py)."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM tally_seeds WHERE what = 'texts')"
    ).fetchone()
    return bool(found)


def attempts_between(
    db: sqlite3.Connection,
    endpoint_id: str,
    bounds: Sequence[int],
    new: AttemptHours,
    *,
    latencies: bool = True,
) -> list[Tally]:
    """What came of the attempts to an endpoint from each of `bounds` (UTC ms) to the next.

    To read the latencies is most of the work: without them none are told of what is written.
    """
    found = [Tally() for _ in bounds[1:]]
    columns = _TALLIES if latencies else _TALLIES.replace("latencies", "'{}'")
    for row in db.execute(
        f"{columns} AND hour >= ?2 AND hour < ?3", (endpoint_id, bounds[0], bounds[-1])
    ):
        found[bisect_right(bounds, row[0]) - 1].add(_tally(row))
    for (owner, hour), tally in new.items():
        if owner == endpoint_id and bounds[0] <= hour < bounds[-1]:
            found[bisect_right(bounds, hour) - 1].add(tally)
    return found


_TALLIES = (
    "SELECT hour, delivered, failed, given_up, latencies FROM endpoint_hours WHERE endpoint_id = ?1"
)


def _tally(row: tuple[int, int, int, int, str]) -> Tally:
    _, delivered, failed, given_up, latencies = row
    return Tally(
        delivered=delivered,
        failed=failed,
        given_up=given_up,
        latencies={int(number): count for number, count in json.loads(latencies).items()},
    )


def old(db: sqlite3.Connection, before: int, limit: int) -> list[Row]:
    """Figures of hours `before` (UTC ms), and those of removed endpoints; at most `limit`.

    A few seeks for each phone and endpoint.
    """
    rows = db.execute(
        "SELECT 'text_hours', device_id, hour FROM text_hours WHERE hour < ?1"
        " AND device_id IN (SELECT id FROM devices UNION ALL SELECT '')"
        " UNION ALL SELECT 'endpoint_hours', endpoint_id, hour FROM endpoint_hours WHERE hour < ?1"
        " AND endpoint_id IN (SELECT id FROM endpoints)"
        " UNION ALL SELECT 'endpoint_hours', endpoint_id, hour FROM endpoint_hours WHERE hour >= ?1"
        " AND endpoint_id IN (SELECT id FROM endpoints WHERE removed_at IS NOT NULL) LIMIT ?2",
        (before, limit),
    )
    return rows.fetchall()


def prune(db: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Remove these figures; how many."""
    owners = {"text_hours": "device_id", "endpoint_hours": "endpoint_id"}
    return sum(
        db.execute(
            f"DELETE FROM {table} WHERE {owners[table]} = ? AND hour = ?", (owner, hour)
        ).rowcount
        for table, owner, hour in rows
    )
