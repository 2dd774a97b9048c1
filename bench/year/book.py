"""The year's book: what happened to each text, a line for each day, and what must not have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How everything stood at noon. Megabytes are of 2^20 bytes."""

    day: int
    texts: int
    rss: float
    files: int
    tasks: int
    threads: int
    database: float
    log: float
    messages: int
    attempts: int
    backups: int
    backup_size: float
    """Of the newest."""


@dataclass(kw_only=True)
class Book:
    """Numbers of texts are their places in the order in which phones got them."""

    now: Callable[[], int]
    names: tuple[str, ...]
    """Of the phones."""
    phones: bytearray = field(default_factory=bytearray)
    """Which phone got each text, by its place in `names`: the memory of a year is the service's."""
    pushed: bytearray = field(default_factory=bytearray)
    """How often mmconnect took each text."""
    faults: Counter[str] = field(default_factory=Counter)
    certificates: dict[str, int] = field(default_factory=dict)
    """Serial numbers, and when each was first seen (UTC ms)."""
    events: list[tuple[int, str, str]] = field(default_factory=list)
    """What the alerts said: when (UTC ms), which event, of what."""
    rows: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    """On some days, how many rows each table had."""
    days: list[Day] = field(default_factory=list)
    backups: dict[str, int] = field(default_factory=dict)
    """Names of all that were ever there, and on which day they were first seen."""

    def new(self, phone: str) -> int:
        """A text is about to reach that phone: its number."""
        self.phones.append(self.names.index(phone))
        self.pushed.append(0)
        return len(self.phones) - 1

    def phone_of(self, number: int) -> str:
        return self.names[self.phones[number]]

    def taken(self, number: int) -> None:
        """mmconnect said that it has it."""
        self.pushed[number] += 1

    def fault(self, sentence: str) -> None:
        """Something that must not be; the first ones have their time."""
        self.faults[sentence] += 1
        if self.faults[sentence] == 1:
            print(f"FAULT {datetime.fromtimestamp(self.now() / 1000, UTC):%m-%d %H:%M} {sentence}")

    def told(self, receiver: str, event: dict[str, Any]) -> None:
        """An alert."""
        about = event.get("endpoint") or event.get("device") or event.get("warning") or {}
        name = about.get("name", about.get("code", ""))
        self.events.append((self.now(), str(event["event"]), str(name)))

    @staticmethod
    def ms(text: str) -> int:
        return round(datetime.fromisoformat(text).timestamp() * 1000)

    def expect(self, met: bool, sentence: str) -> None:
        if not met:
            self.fault(sentence)


def growth(days: Sequence[Day], name: str, before: range, after: range) -> tuple[float, float]:
    """The largest of one column in two stretches of days."""
    first, last = (
        max((getattr(one, name) for one in days if one.day in part), default=0.0)
        for part in (before, after)
    )
    return first, last


def months(days: Sequence[Day]) -> str:
    """A table for people: the middle of each stretch of 30 days."""
    rows = [
        "| days | texts | memory | files | tasks | database | log | messages | attempts | backups"
        " |",
        f"|{'---|' * 10}",
    ]
    for start in range(0, len(days), 30):
        part = [asdict(one) for one in days[start : start + 30]]

        def mid(name: str, part: list[dict[str, Any]] = part) -> float:
            return median(one[name] for one in part)

        rows.append(
            f"| {start + 1}–{start + len(part)} | {part[-1]['texts']:,} | {mid('rss'):.0f} MB"
            f" | {mid('files'):.0f} | {mid('tasks'):.0f} | {mid('database'):.1f} MB"
            f" | {mid('log'):.1f} MB | {mid('messages'):,.0f} | {mid('attempts'):,.0f}"
            f" | {mid('backups'):.0f} of {mid('backup_size'):.1f} MB |"
        )
    return "\n".join(rows)
