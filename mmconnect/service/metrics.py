"""Metrics for Prometheus: tallies that the ways in and out keep, and gauges asked for when scraped.

A tally is a plain number that the event loop's thread adds to, so that counting costs a text
nothing; the client library makes the text of them. Series of an endpoint end with the endpoint.
Knows nothing of HTTP; who may ask is the admin site's business.
"""

from __future__ import annotations

import asyncio
import shutil
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mmconnect import __version__
from mmconnect.delivery.flight import Landing
from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import made_at
from mmconnect.domain.models import Attempt, Endpoint, EndpointState, Flight, Trigger
from mmconnect.phones.counts import Counts
from mmconnect.store.backlog import Backlog, backlog, open_replays
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.outcome import OutcomeClass

Observe = Callable[[Endpoint, Flight, Landing], None]
"""Told of each attempt once its result is known, in the event loop's thread."""

_POST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Seconds: from a receiver on the same machine to the 15 s that one is waited for."""
_JOURNEY = (*_POST, 60.0, 600.0, 3600.0, 21600.0, 86400.0)
"""Seconds: the longer ones are those of texts that had to wait."""


class Tally:
    """A histogram: how many values fell into each bucket."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """As the client library knows it: buckets that include the smaller ones."""
        total, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=self._sum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom the gauges are asked of, besides the database."""

    last_turn: Callable[[], float]
    """When the delivery loop last came round (monotonic seconds)."""
    in_flight: Callable[[], int]
    unwritten: Callable[[], int]
    stalled: Callable[[], float]
    synchronised: Callable[[], bool | None] = lambda: None
    """Whether the clock is known to be right; None when nobody can tell."""
    phones: Callable[[], Iterable[Metric]] = tuple
    """The families that are about phones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    waits: dict[str, Backlog]
    replays: int


class Metrics(Collector):
    """Keeps the tallies, and tells them with the gauges."""

    def __init__(
        self,
        database: Database,
        look: Look,
        clock: Clock,
        directory: Path,
        counts: Counts,
        sources: Sources,
    ) -> None:
        self._database, self._look, self._clock = database, look, clock
        self._directory, self._counts, self._sources = directory, counts, sources
        self._attempts: dict[str, dict[str, int]] = {}
        self._duration, self._journey = Tally(_POST), Tally(_JOURNEY)
        self._snapshot = _Snapshot(waits={}, replays=0)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._scraping = asyncio.Lock()

    def observed(self, endpoint: Endpoint, flight: Flight, landed: Landing) -> None:
        """An attempt was made (an Observe)."""
        attempt, journey = landed.attempt, None
        if attempt.outcome == OutcomeClass.DELIVERED and flight.trigger is Trigger.PUSH:
            ended = attempt.started_at + (attempt.duration_ms or 0)
            journey = max(0.0, (ended - made_at(flight.message_id)) / 1000)
        self.attempt(endpoint.id, attempt, journey)

    def attempt(self, endpoint_id: str, attempt: Attempt, end_to_end: float | None) -> None:
        """Count an attempt; `end_to_end`: seconds since its text came in, when it is delivered."""
        outcomes = self._attempts.get(endpoint_id)
        if outcomes is None:
            outcomes = self._attempts[endpoint_id] = {}
        outcomes[attempt.outcome] = outcomes.get(attempt.outcome, 0) + 1
        if attempt.duration_ms is not None:
            self._duration.add(attempt.duration_ms / 1000)
        if end_to_end is not None:
            self._journey.add(end_to_end)

    async def scrape(self) -> bytes:
        """Everything, in Prometheus' text format. Raises StoreUnavailable."""
        async with self._scraping:  # two at once would cost twice and tell the same
            ids = list(self._look().endpoints)
            self._snapshot = await self._database.read(
                lambda db: _Snapshot(waits=backlog(db, ids), replays=open_replays(db))
            )
            return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every family, for the library's registry."""
        yield from self._in()
        yield from self._out()
        yield from self._endpoints()
        yield from self._sources.phones()
        yield from self._machine()

    def _in(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "mmconnect_sms_received_total",
            "Texts that phones pushed and that were committed.",
            value=self._counts.received,
        )
        yield CounterMetricFamily(
            "mmconnect_sms_duplicate_total",
            "Texts that were pushed again, and merged.",
            value=self._counts.duplicates,
        )
        yield CounterMetricFamily(
            "mmconnect_pushes_unrecognised_total",
            "Pushes that could not be understood, and were kept.",
            value=self._counts.unrecognised,
        )
        rejected = CounterMetricFamily(
            "mmconnect_pushes_rejected_total", "Pushes that were refused.", labels=["reason"]
        )
        for reason, count in self._counts.rejected.items():
            rejected.add_metric([reason], count)
        yield rejected

    def _out(self) -> Iterator[Metric]:
        present = self._look().endpoints
        for gone in self._attempts.keys() - present.keys():
            del self._attempts[gone]
        attempts = CounterMetricFamily(
            "mmconnect_delivery_attempts_total",
            "POSTs to endpoints, by what came of them.",
            labels=["endpoint", "outcome"],
        )
        for endpoint_id, outcomes in self._attempts.items():
            for outcome, count in outcomes.items():
                attempts.add_metric([endpoint_id, str(outcome)], count)
        yield attempts
        yield self._duration.family(
            "mmconnect_delivery_duration_seconds", "How long a POST took, answer included."
        )
        yield self._journey.family(
            "mmconnect_end_to_end_seconds",
            "From a text's arrival to the 2xx for it; replays and tests are not in it.",
        )
        yield _gauge("mmconnect_in_flight", "POSTs that are under way.", self._sources.in_flight())
        yield _gauge(
            "mmconnect_unwritten_results",
            "Results of attempts that wait for the database.",
            self._sources.unwritten(),
        )
        yield _gauge("mmconnect_replays_open", "Replays in bulk under way.", self._snapshot.replays)

    def _endpoints(self) -> Iterator[Metric]:
        now, by_endpoint = self._clock.now(), ["endpoint"]
        pending = GaugeMetricFamily(
            "mmconnect_pending", "Deliveries that wait, counted up to 50000.", labels=by_endpoint
        )
        oldest = GaugeMetricFamily(
            "mmconnect_oldest_due_seconds",
            "For how long the first waiting delivery has been due; 0 when none is.",
            labels=by_endpoint,
        )
        held = GaugeMetricFamily(
            "mmconnect_endpoint_held", "1 while the endpoint is held.", labels=by_endpoint
        )
        info = InfoMetricFamily("mmconnect_endpoint", "An endpoint's name.", labels=by_endpoint)
        for endpoint in self._look().endpoints.values():
            labels = [endpoint.id]
            waits = self._snapshot.waits.get(endpoint.id, Backlog(waiting=0, oldest_due=None))
            due = now if waits.oldest_due is None else waits.oldest_due
            pending.add_metric(labels, waits.waiting)
            oldest.add_metric(labels, max(0.0, (now - due) / 1000))
            held.add_metric(labels, endpoint.state is EndpointState.HELD)
            info.add_metric(labels, {"name": endpoint.name})
        yield from (pending, oldest, held, info)

    def _machine(self) -> Iterator[Metric]:
        path = self._database.path
        yield _gauge("mmconnect_db_bytes", "Size of the database file.", _size(path))
        yield _gauge(
            "mmconnect_wal_bytes",
            "Size of its write-ahead log.",
            _size(path.with_name(f"{path.name}-wal")),
        )
        yield _gauge(
            "mmconnect_disk_free_bytes",
            "Free space on the disk of the database.",
            shutil.disk_usage(self._directory).free,
        )
        yield _gauge(
            "mmconnect_scheduler_last_turn_seconds",
            "How long ago the delivery loop last came round; it rests 60 s at most.",
            max(0.0, self._clock.monotonic() - self._sources.last_turn()),
        )
        yield _gauge(
            "mmconnect_loop_stalled_seconds",
            "The longest that the event loop has stood still in the last minute.",
            self._sources.stalled(),
        )
        yield _gauge(
            "mmconnect_asyncio_tasks",
            "What is under way in the event loop; a handful at rest.",
            len(asyncio.all_tasks()),
        )
        if (synchronised := self._sources.synchronised()) is not None:
            yield _gauge(
                "mmconnect_clock_synchronised",
                "1 while the machine's clock is known to be right.",
                synchronised,
            )
        yield InfoMetricFamily(
            "mmconnect_build", "Which mmconnect this is.", value={"version": __version__}
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
