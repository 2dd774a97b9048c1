"""What figures say: bars of days, today against usual, how an endpoint has answered.

Made in a read on the reader's thread, of the database and of what is not written there yet
(figures.py). All of it is bounded: so many days, so many weeks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mmconnect.desk.figures import Unwritten
from mmconnect.domain import days
from mmconnect.domain.days import HOUR
from mmconnect.domain.histogram import percentile
from mmconnect.store import tallies
from mmconnect.store.tallies import ALL, Tally

SHOWN = 30
"""Days of bars."""
WEEKS, ENOUGH = 8, 4
"""Weeks that are compared with, and how many there have to be before anything is 'usual'."""
FEW = 8
"""With fewer texts than this by a time of day, none at all is nothing unusual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A local day."""

    day: date
    texts: int = 0
    delivered: int = 0
    """Attempts, as `failed`."""
    failed: int = 0

    @property
    def most(self) -> int:
        """How high it stands: one of the two kinds is always 0."""
        return self.texts + self.delivered + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTrend:
    """Texts of one phone, or of all."""

    bars: Sequence[Bar]
    """The last 30 days, today the last."""
    today: int
    usual: int | None
    """Median of what had come by this time of day on this weekday; None without weeks enough."""
    quiet: bool
    """Today is unusually quiet."""
    partial: bool = False
    """Old texts are still being counted: what is here may grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTrend:
    """Attempts to one endpoint."""

    bars: Sequence[Bar]
    delivered: int
    """Attempts in the last 24 hours, as `failed`."""
    failed: int
    given_up: int
    """Deliveries that failed or expired for good in the last 24 hours."""
    p95: int | None
    """Milliseconds within which 95 % of the answers of the last 24 hours came; None of none."""

    @property
    def tried(self) -> int:
        """Attempts in the last 24 hours."""
        return self.delivered + self.failed

    @property
    def success(self) -> float | None:
        """Share (0 to 1) of the attempts in the last 24 hours that delivered; None of none."""
        return self.delivered / self.tried if self.tried else None


def texts(db: sqlite3.Connection, new: Unwritten, device_id: str = ALL) -> TextTrend:
    """The texts of a phone, or of all."""
    bounds = days.days(new.now, SHOWN, new.zone)
    counts = tallies.texts_between(db, device_id, bounds, new.texts)
    past = _past(db, new, device_id)
    usual = _median(past) if len(past) >= ENOUGH else None
    return TextTrend(
        bars=[Bar(day=_day(at, new), texts=n) for at, n in zip(bounds, counts, strict=False)],
        today=counts[-1],
        usual=usual,
        quiet=usual is not None and usual >= FEW and counts[-1] < min(usual / 2, *past),
        partial=tallies.seeding(db),
    )


def _past(db: sqlite3.Connection, new: Unwritten, device_id: str) -> list[float]:
    """What had come by this time of day, on this weekday in the weeks before.

    Of the hour that it falls into, as much as has passed of it. Days before the first text are
    none.
    """
    first = tallies.first_hour(db, device_id)
    found: list[float] = []
    for back in range(1, WEEKS + 1):
        midnight, then = days.same_time(new.now, back, new.zone)
        if first is None or midnight < first:
            break
        hour = max(midnight, days.hour_of(then, days.phase(then, new.zone)))
        whole, rest = tallies.texts_between(db, device_id, (midnight, hour, hour + HOUR), new.texts)
        found.append(whole + rest * (then - hour) / HOUR)
    return found


def endpoint(
    db: sqlite3.Connection, new: Unwritten, endpoint_id: str, *, bars: bool = True
) -> EndpointTrend:
    """The attempts to an endpoint; without `bars`, those of the last 24 hours alone."""
    by_day: list[Tally] = []
    bounds = days.days(new.now, SHOWN, new.zone)
    if bars:
        by_day = tallies.attempts_between(db, endpoint_id, bounds, new.attempts, latencies=False)
    lately = lately_of(db, new, endpoint_id)
    p95 = percentile(lately.latencies, 0.95)
    return EndpointTrend(
        bars=[
            Bar(day=_day(at, new), delivered=tally.delivered, failed=tally.failed)
            for at, tally in zip(bounds, by_day, strict=False)
        ],
        delivered=lately.delivered,
        failed=lately.failed,
        given_up=lately.given_up,
        p95=None if p95 is None else max(1, round(p95)),
    )


def lately_of(db: sqlite3.Connection, new: Unwritten, endpoint_id: str) -> Tally:
    """What came of the attempts in the last 24 hours: of the present hour and the 23 before."""
    this = days.hour_of(new.now, days.phase(new.now, new.zone))
    (tally,) = tallies.attempts_between(
        db, endpoint_id, (this - 23 * HOUR, this + HOUR), new.attempts
    )
    return tally


def _day(at: int, new: Unwritten) -> date:
    return days.day_of(at, new.zone)


def _median(of: Sequence[float]) -> int:
    """As statistics.median(), rounded; without the megabyte of decimals that come with it."""
    ordered, middle = sorted(of), len(of) // 2
    return round((ordered[middle] + ordered[-1 - middle]) / 2)
