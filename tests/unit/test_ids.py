"""Ids sort by the time of their making, also within a millisecond, and are ULIDs."""

from __future__ import annotations

import re

import pytest

from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import MESSAGE, Ids


class At:
    """A clock that stands still."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("ms", "tail", "ulid"),
    [
        (0, 0, "00000000000000000000000000"),
        (1, 1, "00000000010000000000000001"),
        (1_469_918_176_385, 0, "01ARYZ6S410000000000000000"),  # the time of the ULID's own README
        (1_469_918_176_385, 2**79 - 1, "01ARYZ6S41FZZZZZZZZZZZZZZZ"),
        (2**48 - 1, 32**8, "7ZZZZZZZZZ0000000100000000"),
    ],
)
def test_a_ulid_is_48_bits_of_time_and_80_random_ones(ms: int, tail: int, ulid: str):
    assert Ids(At(ms), lambda _: tail).new(MESSAGE) == "msg_" + ulid


def test_within_a_millisecond_they_count_upwards_beyond_79_bits_too():
    ids = Ids(At(5), lambda bits: 2**bits - 1)
    assert [ids.new("")[10:] for _ in range(2)] == ["FZZZZZZZZZZZZZZZ", "G000000000000000"]


def test_their_order_is_the_order_of_making():
    ids = Ids(SystemClock())
    made = [ids.new(MESSAGE) for _ in range(20_000)]
    assert made == sorted(set(made))
    assert all(re.fullmatch("msg_[0-9A-HJKMNP-TV-Z]{26}", one) for one in made)
