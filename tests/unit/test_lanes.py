"""How many POSTs at once a receiver is trusted with: its own speed decides."""

from __future__ import annotations

import pytest

from mmconnect.delivery.lanes import Lane
from tests.store.making import endpoint


def window(answers: list[int]) -> int:
    """The lane's window after a release and these answers (ms)."""
    lane = Lane("ep_1")
    lane.released()
    for ms in answers:
        lane.went_well(endpoint(), ms)
    return lane.window


@pytest.mark.parametrize("ms", [1, 900, 2000, 4500])
def test_who_always_needs_that_long_gets_more_at_once(ms: int):
    assert window([ms] * 40) == 41


@pytest.mark.parametrize("alone", [1500, 2400, 4000])
def test_who_answers_one_after_the_other_is_not_asked_for_more(alone: int):
    lane = Lane("ep_1")
    lane.released()
    for _ in range(40):
        lane.went_well(endpoint(), alone * lane.window)
    assert lane.window <= 3


def test_who_needs_a_third_of_the_time_limit_stays_alone():
    assert window([6000] * 10) == 1


def test_a_failure_halves_and_the_endpoints_own_limit_bounds():
    lane = Lane("ep_1")
    for _ in range(100):
        lane.went_well(endpoint(), 10)
    assert lane.slots(endpoint()) == endpoint().concurrency
    lane.went_wrong(endpoint())
    assert lane.window == endpoint().concurrency // 2
