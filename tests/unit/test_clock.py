"""Steps of the wall clock are noticed, drifts and delays are not; ids keep their order."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.domain.clock import (
    Step,
    StepWatch,
    SystemClock,
    parse_duration,
    short_duration,
)
from mmconnect.domain.ids import DELIVERY, MESSAGE, Ids
from tests.support.clocks import DAY, NOW, SetClock


@pytest.mark.parametrize("seconds", [3, -3, DAY, -DAY, 20 * 365 * DAY, -20 * 365 * DAY])
def test_a_step_is_noticed_once_with_its_length(seconds: int) -> None:
    clock = SetClock()
    watch = StepWatch(clock)
    clock.advance(3600)
    assert watch.look() is None
    clock.set_by(seconds)
    old = NOW + 3_600_000
    told = watch.look()
    assert told == Step(old=old, new=old + seconds * 1000)
    assert told.delta == seconds * 1000
    clock.advance(60)
    assert watch.look() is None


@pytest.mark.parametrize("seconds", [3, -3, DAY, -DAY])
def test_the_time_goes_on_as_it_was_until_a_look(seconds: int) -> None:
    clock = SetClock()
    watch = StepWatch(clock)
    assert watch.now() == (NOW, False)
    clock.set_by(seconds)
    clock.advance(5)
    assert watch.now() == (NOW + 5000, True)
    assert watch.look() is not None
    assert watch.now() == (NOW + 5000 + seconds * 1000, False)


def test_small_steps_count_when_they_add_up() -> None:
    clock = SetClock()
    watch = StepWatch(clock)
    clock.set_by(1.5)
    assert watch.look() is None
    assert watch.now() == (NOW + 1500, False)
    clock.set_by(1.5)
    step = watch.look()
    assert step is not None
    assert step.delta == 3000


def test_being_held_up_between_two_readings_is_no_step() -> None:
    class Busy(SetClock):
        pauses = 0

        def now(self) -> int:
            told = super().now()
            if self.pauses:
                self.pauses -= 1
                self.advance(7)  # the machine does something else for a while
            return told

    clock = Busy()
    watch = StepWatch(clock)
    for pauses in (1, 3, 5, 9):
        clock.pauses = pauses
        assert watch.look() is None, pauses
    clock.pauses = 1
    assert watch.now() == (clock._now, True)  # worth a look, which finds nothing
    assert watch.look() is None


def test_the_machines_own_clocks_do_not_differ() -> None:
    clock = SystemClock()
    watch = StepWatch(clock)
    time.sleep(0.05)
    assert watch.look() is None
    before = clock.monotonic()
    assert clock.lived() >= before - 1


@pytest.mark.parametrize("text", ["5s", "90s", "15m", "24h", "14d", "36h", "1d", "1h", "1m"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    seconds = parse_duration(text)
    assert parse_duration(short_duration(seconds)) == seconds
    assert short_duration(900) == "15m"
    assert short_duration(14 * DAY) == "14d"
    assert short_duration(90) == "90s"


def test_a_little_is_not_nothing() -> None:
    assert [parse_duration(text) for text in ("0", "0s", "0.2s", "1.1h")] == [0, 0, 1, 3960]


@given(st.lists(st.integers(-DAY * 7300, DAY * 7300), max_size=20))
def test_ids_keep_their_order_while_the_clock_goes_back_and_forth(steps: list[int]) -> None:
    clock = SetClock()
    ids = Ids(clock)
    made = [ids.new(MESSAGE)]
    for step in steps:
        clock._now += step * 1000
        made += [ids.new(MESSAGE), ids.new(MESSAGE)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_follow_the_newest_of_an_earlier_run_when_it_is_near() -> None:
    clock = SetClock()
    last = Ids(clock).new(MESSAGE)
    clock.set_by(-3600)
    ids = Ids(clock)
    ids.follow(last)
    assert ids.new(MESSAGE) > last
    clock.set_by(7200)
    again = ids.new(MESSAGE)
    assert again > last
    ids.follow(last)  # older than what was made since: changes nothing
    assert ids.new(MESSAGE) > again
    ids.follow(None)
    ids.follow("no id of ours")


def test_ids_follow_the_newest_of_several_of_the_same_millisecond() -> None:
    """A message and its deliveries: else the next delivery gets an id that there is."""
    clock = SetClock()
    before = Ids(clock)
    newest = before.new(MESSAGE), before.new(DELIVERY), before.new(DELIVERY)
    clock.set_by(-60)
    for order in (newest, newest[::-1]):
        ids = Ids(clock)
        for one in order:
            ids.follow(one)
        assert ids.new(DELIVERY) > newest[-1]


def test_ids_do_not_follow_a_clock_that_was_wrong_by_years() -> None:
    clock = SetClock()
    clock.set_by(20 * 365 * DAY)
    wrong = Ids(clock).new(MESSAGE)
    clock.set_by(-20 * 365 * DAY)
    ids, right = Ids(clock), Ids(clock)
    ids.follow(wrong)
    assert ids.new(MESSAGE)[:14] == right.new(MESSAGE)[:14]
