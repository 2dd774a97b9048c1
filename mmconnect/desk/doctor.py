"""What an examination of the appliance finds: each thing with a mark, and what to do about it.

Values alone, for the command line, the help page and the API; who examines is service/doctor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mmconnect.desk.wording import many
from mmconnect.domain.clock import Clock, iso


class Mark(StrEnum):
    """How a thing is."""

    OK = "ok"
    NOTE = "note"
    """Texts are not in danger; somebody should know."""
    PROBLEM = "problem"
    """Texts do not get through, or are about to stop, or to be lost: do something."""
    SKIPPED = "skipped"
    """It was not looked at, or cannot be from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """The same word in every version: `clock`, `fsync`."""
    title: str
    mark: Mark
    found: str
    """What is so, in sentences."""
    remedy: str | None = None
    """What to do."""

    def as_json(self) -> dict[str, Any]:
        """As `--json` and the API have it."""
        return {
            "check": self.check,
            "title": self.title,
            "mark": self.mark.value,
            "found": self.found,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at; makes the findings about it."""

    name: str
    title: str

    def ok(self, found: str) -> Finding:
        """It is as it should be."""
        return self._made(Mark.OK, found)

    def note(self, found: str, remedy: str | None = None) -> Finding:
        """Somebody should know."""
        return self._made(Mark.NOTE, found, remedy)

    def problem(self, found: str, remedy: str) -> Finding:
        """Something has to be done."""
        return self._made(Mark.PROBLEM, found, remedy)

    def skipped(self, found: str, remedy: str | None = None) -> Finding:
        """It was not looked at; `remedy` is how it can be."""
        return self._made(Mark.SKIPPED, found, remedy)

    def _made(self, mark: Mark, found: str, remedy: str | None = None) -> Finding:
        return Finding(check=self.name, title=self.title, mark=mark, found=found, remedy=remedy)


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found."""

    at: int
    """When (UTC ms)."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.count(Mark.PROBLEM)

    def count(self, mark: Mark) -> int:
        """How many findings have that mark."""
        return sum(one.mark is mark for one in self.findings)

    @property
    def verdict(self) -> str:
        """All of it in one sentence."""
        problems, notes = self.count(Mark.PROBLEM), self.count(Mark.NOTE)
        and_notes = f", and {many(notes, 'thing', 'things')} to know" if notes else ""
        if problems:
            return f"{many(problems, 'problem', 'problems')}{and_notes}."
        return f"No problem{and_notes}."

    def as_json(self) -> dict[str, Any]:
        """As `--json` and the API have it."""
        return {
            "ok": self.ok,
            "checkedAt": iso(self.at),
            "checks": [one.as_json() for one in self.findings],
        }


FRESH = 10.0
"""Seconds for which a report is as good as a new one: whoever asks in a loop wears out no disk."""


class Once:
    """Lets those who ask together share one examination, and keeps what came of the last."""

    def __init__(self) -> None:
        self.last: Report | None = None
        self._ended = -FRESH
        self._running: asyncio.Task[Report] | None = None

    async def report(self, make: Callable[[], Awaitable[Report]], clock: Clock) -> Report:
        """The report that is being made, one that was made just now, or a new one."""
        if self._running is None:
            if self.last is not None and clock.monotonic() - self._ended < FRESH:
                return self.last
            self._running = asyncio.ensure_future(self._make(make, clock))
        return await asyncio.shield(self._running)  # others may wait for it, too

    async def _make(self, make: Callable[[], Awaitable[Report]], clock: Clock) -> Report:
        try:
            self.last = await make()
            self._ended = clock.monotonic()
            return self.last
        finally:
            self._running = None


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Problems before notes before the rest; what is alike stays in its order."""
    order = [Mark.PROBLEM, Mark.NOTE, Mark.OK, Mark.SKIPPED]
    return sorted(findings, key=lambda one: order.index(one.mark))
