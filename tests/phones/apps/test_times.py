"""Times as phones write them, and those that must not be taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.phones.apps.times import EARLIEST, LATEST, read_time

NEW_YEAR = 1767225600000  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01T00:00:00.000Z", NEW_YEAR),
        ("2026-01-01t00:00:00z", NEW_YEAR),
        ("2026-01-01 00:00:00 UTC", NEW_YEAR),
        ("2026-01-01T05:30:00.000+05:30", NEW_YEAR),
        ("2026-01-01T08:00:00+0800", NEW_YEAR),
        ("2026-01-01T08:00:00+08", NEW_YEAR),
        ("2026-01-01T05:30:00.000+5:30", NEW_YEAR),
        ("2025-12-31T19:00:00.000-05:00", NEW_YEAR),
        ("2025-12-31T19:00:00.000\u221205:00", NEW_YEAR),
        # Android 6 and older
        ("2026-01-01T00:00:00.000+0000", NEW_YEAR),
        ("2025-12-31T19:00:00.000+-5:00", NEW_YEAR),
        ("2025-12-31T20:30:00.000+-3:-30", NEW_YEAR),
        ("2025-12-31T23:30:00.000+0:-30", NEW_YEAR),
        ("2026-01-01T08:00:00 GMT+08:00", NEW_YEAR),
        ("2026-1-1 0:00:00Z", NEW_YEAR),
        ("2026-01-01T00:00Z", NEW_YEAR),
        # a phone set to Arabic writes its own digits
        ("٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z", NEW_YEAR),
        ("2026-01-01T00:00:00.123000000Z", NEW_YEAR + 123),
        ("2026-01-01T00:00:00.123999999Z", NEW_YEAR + 123),
        ("2026-01-01T00:00:00.5Z", NEW_YEAR + 500),
        ("2026-01-01 00:00:00,5Z", NEW_YEAR + 500),
        ("  2026-01-01T00:00:00Z\n", NEW_YEAR),
        (1767225600, NEW_YEAR),
        (1767225600000, NEW_YEAR),
        (1767225600.123, NEW_YEAR + 123),
        (1767225600123.0, NEW_YEAR + 123),
        ("1767225600", NEW_YEAR),
        ("1767225600000", NEW_YEAR),
        ("1767225600.123", NEW_YEAR + 123),
        ("١٧٦٧٢٢٥٦٠٠", NEW_YEAR),
        (946684800, EARLIEST),
        ("2000-01-01T00:00:00Z", EARLIEST),
        ("1999-12-31T23:00:00-01:00", EARLIEST),
        ("2200-12-31T23:59:59.999Z", LATEST - 1),
    ],
)
def test_it_is_placed(told: object, at: int) -> None:
    assert read_time(told) == (at, str(told).strip())


@pytest.mark.parametrize(
    "told",
    [
        "2026-01-01 00:00:00",
        "2026-01-01T00:00:00.000",
        "2026-01-01 00:00",
        "2026-01-01 00:00:00 CET",
        "2026-01-01 02:31:05 PM",
        "2026-01-01T00:00:00+99:00",
        "26-01-01 00:00:00",
        "20260101000000",
        "1 January 2026 at 14:31:05",
        "01/06/2026, 14:31",
    ],
)
def test_without_its_zone_it_is_only_a_mark(told: str) -> None:
    assert read_time(told) == (None, told)


@pytest.mark.parametrize(
    "told",
    [
        None,
        True,
        False,
        [],
        {},
        "",
        "  ",
        0,
        -1,
        "0",
        "-1",
        float("nan"),
        float("inf"),
        10**400,
        "9" * 20,
        "9223372036854775807",
        99999999999999,
        "1" * 5000,
        946684799,
        "946684799",
        "1999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01 00:00:00",
        "0000-00-00 00:00:00",
        "2026-13-01 00:00:00",
        "2026-02-30T00:00:00Z",
        "2201-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31 23:59:59",
        # the same for every text of a day, of an hour, or for ever
        "2026-01-01",
        "2026-W01-1",
        "14.31",
        "12 June 26 at 9:05 and " + "more words " * 20 + "2026",
        "%TIMES",
        "{{time}}",
        "[receive_time]",
        "yesterday",
    ],
)
def test_it_says_nothing(told: object) -> None:
    assert read_time(told) == (None, None)


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="0123456789-:+.TZ ٣", max_size=40),
        st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]{1,2}\d{1,2}:?-?\d\d|Z)?"),
        st.integers(),
        st.floats(),
    )
)
def test_it_never_raises(told: object) -> None:
    at, mark = read_time(told)
    assert at is None or (mark is not None and EARLIEST <= at < LATEST)
