"""`/metrics`: read by the client library's own parser, true to what has happened, cheap, and told
to this machine alone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from mmconnect import __version__
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.models import EndpointState
from mmconnect.phones.urls import Bases
from mmconnect.service.clock_belief import Belief
from mmconnect.service.clock_sync import Dates
from mmconnect.service.oversight import Oversight, oversee
from mmconnect.store import backlog as waits
from mmconnect.store import endpoints
from mmconnect.store.connection import FILE
from mmconnect.web.forwarded import asked_from_here
from tests.phones.test_mms import announced as announced_mms
from tests.phones.test_mms import downloaded as downloaded_mms
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.phones import generic_json
from tests.support.receiver import answer, free_port, receiver
from tests.support.wire import Told, ask, request

PAGE = Path(__file__).parents[2] / "docs" / "watching.md"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Scraped:
    box: Appliance
    port: int
    oversight: Oversight

    async def get(self, headers: Mapping[str, str] | None = None) -> Told:
        return await ask(self.port, request("/metrics", headers or {}, method="GET"))

    async def samples(self) -> Samples:
        """Every sample by name and labels."""
        told = await self.get()
        assert told.status == 200
        assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return {
            (s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(told.body.decode())
            for s in family.samples
        }


@asynccontextmanager
async def scraped(box: Appliance) -> AsyncIterator[Scraped]:
    oversight = oversee(
        box.database,
        box.watch.look,
        box.ids,
        box.clock,
        box.directory,
        box.dispatcher,
        box.intake.counts,
        Belief(SystemClock(), box.watch.look, lambda: False, Dates(frozenset)),
        box.presences,
        lambda: Bases(http=()),
    )
    async with admin_of(
        desk_of(box, status=oversight.status), None, oversight.metrics.scrape
    ) as port:
        yield Scraped(box, port, oversight)


def of(samples: Samples, name: str, /, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


async def test_what_came_in_and_went_out(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, scraped(box) as it:
        good = await box.endpoint(there.url, name='CRM "one"\n')
        bad = await box.endpoint(f"http://127.0.0.1:{free_port()}/")
        for n in range(3):
            await box.text(f"text {n}", f"+658123000{n}")
        push = generic_json({"from": "+6581230000", "text": "again", "id": "one"})
        for _ in range(3):
            await box.push(*push)
        await box.push({"Content-Type": "application/json"}, b"{}")
        await box.push(*push, token="wrong")
        await there.until(4)
        delivered = "SELECT count(*) FROM deliveries WHERE state = 'delivered'"
        await eventually(lambda: box.one(delivered) == 4)
        await eventually(
            lambda: len(box.rows("SELECT 1 FROM attempts")) >= 6
        )  # and then it is held
        told = await it.samples()

    assert of(told, "mmconnect_sms_received_total") == 4
    assert of(told, "mmconnect_sms_duplicate_total") == 2
    assert of(told, "mmconnect_pushes_unrecognised_total") == 1
    assert of(told, "mmconnect_pushes_rejected_total", reason="unknown_token") == 1
    attempts = "mmconnect_delivery_attempts_total"
    assert of(told, attempts, endpoint=good, outcome="delivered") == 4
    refused = of(told, attempts, endpoint=bad, outcome="not_reached")
    assert refused is not None
    assert refused >= 2
    assert of(told, "mmconnect_delivery_duration_seconds_count") == 4 + refused
    assert of(told, "mmconnect_delivery_duration_seconds_bucket", le="+Inf") == 4 + refused
    assert of(told, "mmconnect_end_to_end_seconds_count") == 4
    journey = of(told, "mmconnect_end_to_end_seconds_sum")
    assert journey is not None
    assert 0 <= journey < 60
    assert of(told, "mmconnect_pending", endpoint=good) == 0
    assert of(told, "mmconnect_pending", endpoint=bad) in (3, 4)
    assert of(told, "mmconnect_endpoint_info", endpoint=good, name='CRM "one"\n') == 1
    assert of(told, "mmconnect_endpoint_held", endpoint=good) == 0
    assert of(told, "mmconnect_in_flight") in (0, 1), "a probe may be under way"
    assert of(told, "mmconnect_unwritten_results") == 0
    assert of(told, "mmconnect_build_info", version=__version__) == 1
    for name in ("db", "wal", "disk_free"):
        assert (of(told, f"mmconnect_{name}_bytes") or 0) > 0
    assert of(told, "mmconnect_clock_synchronised") is None, "nobody can tell"


async def test_an_mms_in_two_pushes_is_one_text(tmp_path: Path):
    async with appliance(tmp_path) as box, scraped(box) as it:
        announced, downloaded = announced_mms(), downloaded_mms()
        assert (await box.push(*announced)).status == 200
        assert of(await it.samples(), "mmconnect_sms_received_total") == 0
        assert (await box.push(*downloaded)).status == 200
        assert of(await it.samples(), "mmconnect_sms_received_total") == 1


async def test_what_waits_and_for_how_long(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(410)) as there,
        scraped(box) as it,
    ):
        held = await box.endpoint(there.url)
        await box.text()
        await eventually(lambda: box.endpoint_row(held).state is EndpointState.HELD)
        await box.watch.refresh()
        clock.advance(90)
        turned = clock.monotonic() - 7
        it.oversight.metrics._sources = replace(
            it.oversight.metrics._sources, last_turn=lambda: turned
        )
        told = await it.samples()
        assert of(told, "mmconnect_endpoint_held", endpoint=held) == 1
        assert of(told, "mmconnect_oldest_due_seconds", endpoint=held) == 90
        assert of(told, "mmconnect_scheduler_last_turn_seconds") == 7

        box.change(lambda db: endpoints.remove(db, held, clock.now()))
        await box.watch.refresh()
        assert not [key for key in await it.samples() if ("endpoint", held) in key[1]]


async def test_replays_and_tests_are_no_journeys(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, scraped(box) as it:
        await box.endpoint(there.url)
        delivery = await box.settled(await box.text())
        box.change(
            lambda db: db.execute(
                "UPDATE deliveries SET state = 'pending', trigger = 'replay', due_at = 0"
                " WHERE id = ?",
                (delivery.id,),
            )
        )
        box.dispatcher.wake()
        await there.until(2)
        await eventually(lambda: len(box.attempts(delivery.id)) == 2)
        told = await it.samples()
        assert of(told, "mmconnect_delivery_duration_seconds_count") == 2
        assert of(told, "mmconnect_end_to_end_seconds_count") == 1


async def test_buckets_hold_what_is_in_them(tmp_path: Path):
    async with appliance(tmp_path) as box, scraped(box) as it:
        for seconds in (0.005, 0.0051, 3, 15, 16):
            it.oversight.metrics._duration.add(seconds)
        told = await it.samples()
        bucket = "mmconnect_delivery_duration_seconds_bucket"
        for le, count in (("0.005", 1), ("0.01", 2), ("2.5", 2), ("5.0", 3), ("15.0", 4)):
            assert of(told, bucket, le=le) == count
        assert of(told, bucket, le="+Inf") == of(told, bucket.replace("bucket", "count")) == 5


async def test_a_million_old_rows_are_not_read(tmp_path: Path):
    """Not by the clock, but by SQLite's own account of how it answers."""
    async with appliance(tmp_path):
        db = sqlite3.connect(tmp_path / FILE)
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        waits.backlog(db, ["ep_1"])
        waits.open_replays(db)
        db.set_trace_callback(None)
        assert len(asked) == 3
        for sql in asked:
            for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"):
                if re.match("(SCAN|SEARCH) (deliveries|replays)", row[3]):
                    assert re.search(
                        r"INDEX (deliveries_due \(endpoint_id=\?\)|deliveries_parked|replays_open)",
                        row[3],
                    )
        db.close()


async def test_counting_ends_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waits, "MOST", 2)
    async with appliance(tmp_path) as box, scraped(box) as it:
        away = await box.endpoint(f"http://127.0.0.1:{free_port()}/")
        for n in range(3):
            await box.text(sender=f"+658123000{n}")
        await eventually(lambda: len(box.rows("SELECT 1 FROM attempts")) >= 3)
        assert of(await it.samples(), "mmconnect_pending", endpoint=away) == 2


async def test_only_this_machine_may_ask(tmp_path: Path):
    async with appliance(tmp_path) as box, scraped(box) as it:
        for header in (
            *("X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "Forwarded", "Via"),
            "X-Real-IP",
        ):
            told = await it.get({header: "10.0.0.1"})
            assert told.status == 401
            assert "mmconnect_" not in told.body.decode()
            assert told.body.decode().startswith("Metrics are told to this machine itself")
        assert (await it.get()).status == 200


@pytest.mark.parametrize(
    ("remote", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.20", False),
        ("::ffff:192.168.1.20", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("", False),
        (None, False),
        ("/run/some.sock", False),
    ],
)
def test_who_is_this_machine(remote: str | None, here: bool):
    assert asked_from_here(remote, {}) is here


INFOS = ("mmconnect_build", "mmconnect_endpoint", "mmconnect_device")


async def test_the_docs_name_every_metric_and_no_other(tmp_path: Path):
    async with appliance(tmp_path) as box, scraped(box) as it:
        registry = CollectorRegistry()
        metrics = it.oversight.metrics
        metrics._sources = replace(metrics._sources, synchronised=lambda: True)
        registry.register(metrics)
        names = {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in registry.collect()
        }
    names = {f"{n}_info" if n in INFOS else n for n in names}
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(mmconnect_\w+)", page, re.MULTILINE)) == names
    reference = set(
        """mmconnect_sms_received_total mmconnect_sms_duplicate_total
        mmconnect_delivery_attempts_total mmconnect_delivery_duration_seconds
        mmconnect_end_to_end_seconds mmconnect_pending mmconnect_oldest_due_seconds
        mmconnect_endpoint_held mmconnect_db_bytes mmconnect_wal_bytes
        mmconnect_scheduler_last_turn_seconds""".split()
    )
    assert reference <= names
