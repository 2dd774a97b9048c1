"""Days and hours of the machine's own time, where zones are odd and where the clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from mmconnect.domain import days
from mmconnect.domain.days import HOUR
from mmconnect.domain.histogram import BOUNDS, bucket, percentile

BERLIN, KOLKATA, KATHMANDU = map(ZoneInfo, ("Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu"))


def at(text: str, zone: ZoneInfo) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA, KATHMANDU])
def test_an_hour_begins_where_the_local_clock_strikes(zone: ZoneInfo):
    moment = at("2026-06-12T14:32:07.345", zone)
    begun = days.hour_of(moment, days.phase(moment, zone))
    assert begun == at("2026-06-12T14:00", zone)
    assert days.hour_of(begun, days.phase(moment, zone)) == begun


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA, KATHMANDU])
def test_days_begin_at_local_midnight(zone: ZoneInfo):
    bounds = days.days(at("2026-06-12T00:00:00", zone), 3, zone)
    dates = ("2026-06-10", "2026-06-11", "2026-06-12", "2026-06-13")
    assert bounds == [at(f"{day}T00:00", zone) for day in dates]
    last_moment = at("2026-06-12T23:59:59.999", zone)
    assert days.days(last_moment, 3, zone) == bounds


@pytest.mark.parametrize(
    ("noon", "hours"),
    [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-06-12T12:00", 24)],
)
def test_a_day_is_as_long_as_it_is(noon: str, hours: int):
    start, end = days.days(at(noon, BERLIN), 1, BERLIN)
    assert (end - start) / HOUR == hours


def test_the_same_time_of_day_is_what_the_clock_on_the_wall_shows():
    now = at("2026-04-02T09:30", BERLIN)  # a Thursday; the clocks changed on the Sunday before
    midnight, then = days.same_time(now, 1, BERLIN)
    assert midnight == at("2026-03-26T00:00", BERLIN)
    assert then == at("2026-03-26T09:30", BERLIN)
    assert now - then == 7 * 24 * HOUR - HOUR


def test_percentiles_of_nothing_and_of_one():
    assert percentile({}, 0.95) is None
    assert percentile({bucket(100): 1}, 0.95) == pytest.approx(100, rel=0.2)


def test_a_percentile_is_near_what_was_counted():
    times = [n * n / 10 for n in range(1, 401)]
    counts: dict[int, int] = {}
    for ms in times:
        counts[bucket(ms)] = counts.get(bucket(ms), 0) + 1
    for share in (0.5, 0.95, 0.99):
        true = times[round(share * len(times)) - 1]
        assert percentile(counts, share) == pytest.approx(true, rel=0.1)


def test_what_took_longest_has_a_bucket_too():
    assert BOUNDS[-1] > 20_000
    assert percentile({bucket(10**9): 3}, 0.95) == BOUNDS[-1]
