"""A bound on failures per address, which itself is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmconnect.web.throttle import Throttle


def test_so_many_are_free_and_then_one_waits_for_the_window_to_end():
    throttle = Throttle(most=3, window=60.0)
    assert [throttle.fail("a", 100.0 + n) for n in range(3)] == [0.0, 0.0, 0.0]
    assert throttle.fail("a", 103.0) == 57.0
    assert throttle.fail("a", 159.5) == 1.0, "never told to come back at once"
    assert throttle.fail("a", 160.0) == 0.0


def test_addresses_are_counted_apart():
    throttle = Throttle(most=1, window=60.0)
    assert throttle.fail("a", 0.0) == 0.0
    assert throttle.fail("a", 0.0) > 0
    assert throttle.fail("b", 0.0) == 0.0


def test_a_flood_of_addresses_costs_a_bounded_amount_and_not_the_one_that_keeps_failing():
    throttle = Throttle(most=1, window=60.0)
    throttle.fail("constant", 0.0)
    for n in range(5000):
        throttle.fail(f"2001:db8:0:{n:x}::1", 0.0)
        if n % 500 == 0:
            assert throttle.fail("constant", 0.0) > 0
    assert len(throttle._failures) <= 1024


@given(st.lists(st.floats(0, 0.9), max_size=60), st.integers(1, 20))
def test_never_more_than_so_many_within_a_window(steps: list[float], most: int):
    throttle = Throttle(most=most, window=60.0)
    now, free = 0.0, 0
    for step in steps:
        now += step
        free += throttle.fail("a", now) == 0.0
    assert free == min(len(steps), most)


def test_whoever_has_one_ipv6_address_has_many():
    throttle = Throttle(most=3, window=60.0)
    assert [throttle.fail(f"2001:db8:1:2::{n:x}", 0.0) for n in range(3)] == [0.0, 0.0, 0.0]
    assert throttle.wait("2001:db8:1:2:ffff::1", 0.0) > 0
    assert throttle.fail("2001:db8:1:2:aaaa:bbbb:cccc:dddd", 0.0) > 0
    assert throttle.wait("2001:db8:1:3::1", 0.0) == 0.0, "another network"


def test_an_address_is_the_same_however_it_is_written():
    throttle = Throttle(most=2, window=60.0)
    throttle.fail("192.168.1.9", 0.0)
    throttle.fail("::ffff:192.168.1.9", 0.0)
    assert throttle.wait("192.168.1.9", 0.0) > 0
    assert throttle.wait("::ffff:192.168.1.10", 0.0) == 0.0
    throttle.fail("fe80::1%eth0", 0.0)
    assert throttle.fail("fe80::2%eth0", 0.0) == 0.0
    assert throttle.wait("fe80::3", 0.0) > 0
