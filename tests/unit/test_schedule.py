"""When a delivery is tried again: the schedule, its jitter, and what Retry-After may add."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.webhook import schedule

NOW = 1_781_274_720_000
DAY = 86_400

unit = st.floats(min_value=-1, max_value=1)
waits = st.lists(st.integers(min_value=0, max_value=30 * DAY), min_size=1, max_size=20)


def test_the_default_schedule_is_the_contracts():
    minute, hour = 60, 3600
    assert (
        0,
        5,
        5 * minute,
        30 * minute,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ) == schedule.DEFAULT
    assert schedule.DEFAULT_MAX_AGE == 14 * DAY


def test_without_jitter_it_is_the_schedule_itself():
    for spent, wait in enumerate(schedule.DEFAULT):
        assert schedule.next_attempt(schedule.DEFAULT, spent, NOW, 0.0) == NOW + wait * 1000


def test_after_the_last_attempt_there_is_none():
    assert schedule.next_attempt(schedule.DEFAULT, 10, NOW, 0.0) is None
    assert schedule.next_attempt(schedule.DEFAULT, 11, NOW, 0.0, 5) is None
    assert schedule.next_attempt((), 0, NOW, 0.0) is None


def test_jitter_is_a_tenth_either_way():
    assert schedule.next_attempt((0, 1000), 1, NOW, -1.0) == NOW + 900_000
    assert schedule.next_attempt((0, 1000), 1, NOW, 1.0) == NOW + 1_100_000


@given(waits, st.data(), unit)
def test_jitter_stays_within_its_bounds(table: list[int], data: st.DataObject, jitter: float):
    spent = data.draw(st.integers(0, len(table) - 1))
    when = schedule.next_attempt(table, spent, NOW, jitter)
    assert when is not None
    assert 0.9 * table[spent] * 1000 - 1 <= when - NOW <= 1.1 * table[spent] * 1000 + 1


@given(waits, st.data(), unit, st.integers(min_value=0, max_value=10**9))
def test_retry_after_only_lengthens_and_jitter_never_shortens_it(
    table: list[int], data: st.DataObject, jitter: float, asked: int
):
    spent = data.draw(st.integers(0, len(table) - 1))
    plain = schedule.next_attempt(table, spent, NOW, jitter)
    when = schedule.next_attempt(table, spent, NOW, jitter, asked)
    assert plain is not None
    assert when is not None
    assert when >= plain
    assert when - NOW >= min(asked, DAY) * 1000
    assert when == max(plain, NOW + min(asked, DAY) * 1000)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120\t", 120),
        ("00120", 120),
        ("86401", DAY),
        ("9" * 5000, DAY),
        (None, None),
        ("", None),
        ("   ", None),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("²", None),
        ("soon", None),
        ("120, 240", None),
        ("Fri, 99 Foo 2026 25:61:61 GMT", None),
        ("Fri, 12 Jun 99999 14:32:00 GMT", None),
        ("Fri, 12 Jun 2026 14:32:00 +9999999", None),
        ("\x00", None),
    ],
)
def test_retry_after_in_seconds_or_as_rubbish(value: str | None, seconds: int | None):
    assert schedule.parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Fri, 12 Jun 2026 14:34:00 GMT", 120),
        ("Fri, 12 Jun 2026 16:34:00 +0200", 120),
        ("Fri, 12 Jun 2026 14:34:00 -0000", 120),
        ("Friday, 12-Jun-26 14:34:00 GMT", 120),
        ("Fri Jun 12 14:34:00 2026", 120),
        ("Fri, 12 Jun 2026 14:32:00 GMT", None),
        ("Fri, 12 Jun 2026 14:31:59 GMT", None),
        ("Mon, 01 Jan 1900 00:00:00 GMT", None),
        ("Fri, 12 Jun 2099 14:34:00 GMT", DAY),
    ],
)
def test_retry_after_as_a_date(date: str, seconds: int | None):
    assert schedule.parse_retry_after(date, NOW) == seconds


@pytest.mark.parametrize("ms", [1, 499, 500, 999])
def test_a_date_is_never_met_too_early(ms: int):
    assert schedule.parse_retry_after("Fri, 12 Jun 2026 14:34:00 GMT", NOW + ms) == 120


def test_a_date_without_a_zone_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Singapore")
        time.tzset()
        assert schedule.parse_retry_after("Fri Jun 12 14:34:00 2026", NOW) == 120
    time.tzset()


@given(st.integers(min_value=1, max_value=3 * DAY))
def test_any_date_ahead_is_read(ahead: int):
    date = formatdate(NOW / 1000 + ahead, usegmt=True)
    assert schedule.parse_retry_after(date, NOW) == min(ahead, DAY)


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, [\d:+\- A-Za-z]{0,40}"))
def test_no_header_makes_it_fail(value: str):
    found = schedule.parse_retry_after(value, NOW)
    assert found is None or 0 <= found <= DAY
