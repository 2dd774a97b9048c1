"""What is taken for knowledge of the time, and what is not."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from mmconnect.service import clock_sync
from mmconnect.service.clock_sync import (
    EARLIEST,
    ClockState,
    Dates,
    Evidence,
    apart,
    judge,
    kernel_synchronised,
    own_addresses,
)
from tests.support.clocks import DAY, NOW

OWN = frozenset({"192.168.1.2", "fd00::2"})


def date(ms: int) -> str:
    return formatdate(ms / 1000, usegmt=True)


def dates(*seen: tuple[str, float], every: float = 61.0, took: int = 10) -> int | bool | None:
    """The verdict after answers of (address, seconds that its clock is ahead) in turn."""
    made, lived = Dates(lambda: OWN), 1000.0
    for address, ahead in seen:
        now = NOW + round(lived * 1000)
        made.saw(address, date(now + round(ahead * 1000)), now, took, lived)
        lived += every
    return made.verdict(lived)


def test_two_looks_that_agree_are_enough() -> None:
    assert dates(("10.0.0.1:80", 0)) is None
    assert dates(("10.0.0.1:80", 0), ("10.0.0.1:80", 1)) is True
    assert dates(("10.0.0.1:80", 59), ("[2001:db8::1]:443", -58)) is True


def test_one_look_a_minute_and_receiver() -> None:
    assert dates(("10.0.0.1:80", 0), ("10.0.0.1:80", 0), every=10) is None
    assert dates(("10.0.0.1:80", 0), ("10.0.0.2:80", 0), every=10) is True


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "192.168.1.2:80", "[fd00::2]:80", "?:1"],
)
def test_our_own_clock_says_nothing_of_itself(address: str) -> None:
    assert dates(*[(address, 0)] * 5) is None
    assert dates(*[(address, 9999)] * 5) is None


def test_who_differs_alone_has_to_differ_again() -> None:
    assert dates(*[("10.0.0.1:80", 3600)] * 2) is None
    assert dates(*[("10.0.0.1:80", 3600)] * 3) == pytest.approx(3_600_000, abs=1100)
    assert dates(*[("10.0.0.1:80", -DAY)] * 3) == pytest.approx(-DAY * 1000, abs=1100)
    assert dates(("10.0.0.1:80", 3600), ("10.0.0.2:80", 3600)) == pytest.approx(3.6e6, abs=1100)


def test_receivers_that_contradict_one_another_say_nothing() -> None:
    assert dates(*[("10.0.0.1:80", 3600), ("10.0.0.2:80", 0)] * 4) is None
    assert dates(*[("10.0.0.1:80", 3600), ("10.0.0.2:80", -3600)] * 4) is None


def test_between_a_minute_and_two_is_neither() -> None:
    assert dates(*[("10.0.0.1:80", 90)] * 5) is None


def test_slow_answers_and_nonsense_do_not_count() -> None:
    assert dates(*[("10.0.0.1:80", 0)] * 5, took=5001) is None
    made = Dates(lambda: OWN)
    for n, text in enumerate([None, "", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT", "0" * 500]):
        made.saw("10.0.0.1:80", text, NOW, 1, n * 100.0)
    assert made.verdict(1000.0) is None


def test_what_was_seen_is_forgotten_after_a_day_and_when_the_clock_is_set() -> None:
    made = Dates(lambda: OWN)
    for lived in (100.0, 200.0):
        made.saw("10.0.0.1:80", date(NOW), NOW, 1, lived)
    assert made.verdict(300.0) is True
    assert made.verdict(200.0 + DAY) is None
    made.forget()
    assert made.verdict(300.0) is None


def test_memory_is_bounded() -> None:
    made = Dates(lambda: OWN)
    for n in range(1000):
        made.saw(f"10.0.{n // 250}.{n % 250}:80", date(NOW), NOW, 1, float(n))
    assert len(made._receivers) == clock_sync._REMEMBERED


def evidence(**more: object) -> Evidence:
    fields: dict[str, object] = {
        "now": NOW,
        "behind": False,
        "kernel": False,
        "dates": None,
        "trusted": False,
        "jumped": None,
    }
    return Evidence(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "state", "says"),
    [
        (evidence(), "unknown", "not known whether"),
        (evidence(kernel=True), "synchronised", None),
        (evidence(dates=True), "agrees", None),
        (evidence(trusted=True), "trusted", None),
        (evidence(now=86_400_000), "wrong", "before 2025"),
        (evidence(now=EARLIEST - 1, kernel=True, trusted=True, dates=True), "wrong", "before 2025"),
        (evidence(behind=True), "wrong", "behind the time at which mmconnect last ran"),
        (evidence(behind=True, trusted=True), "wrong", "restart mmconnect"),
        (evidence(behind=True, kernel=True), "synchronised", None),
        (evidence(behind=True, dates=True), "agrees", None),
        (evidence(dates=3_600_000), "wrong", "60 minutes behind those of the receivers"),
        (evidence(dates=-3 * 86_400_000, kernel=True), "wrong", "3 days ahead of those"),
        (evidence(jumped=20 * 365 * 86_400_000), "unknown", "set forward by 7300 days"),
        (evidence(jumped=-2 * 86_400_000, trusted=True), "unknown", "set back by 2 days"),
        (evidence(jumped=2 * 86_400_000, kernel=True), "synchronised", None),
        (evidence(jumped=2 * 86_400_000, dates=True), "agrees", None),
    ],
)
def test_judgement(seen: Evidence, state: str, says: str | None) -> None:
    standing = judge(seen)
    assert standing.state == ClockState(state)
    assert standing.known == (state in ("synchronised", "agrees", "trusted"))
    if says is None:
        assert standing.sentence is None
    else:
        assert says in (standing.sentence or "")
        assert "timedatectl" in (standing.sentence or "")


def test_the_kernel_is_asked_without_harm() -> None:
    assert kernel_synchronised() in (True, False)


@pytest.mark.parametrize(
    ("result", "status", "known"), [(0, 0x2001, True), (5, 0x40, False), (0, 0x40, False)]
)
def test_what_the_kernel_answers(
    monkeypatch: pytest.MonkeyPatch, result: int, status: int, known: bool
) -> None:
    def adjtimex(to: object) -> int:
        to._obj.status = status  # type: ignore[attr-defined]
        return result

    monkeypatch.setattr(clock_sync, "_ask_kernel", adjtimex)
    assert kernel_synchronised() is known
    monkeypatch.setattr(clock_sync, "_ask_kernel", lambda _: -1)
    assert kernel_synchronised() is False


def test_this_machine_knows_its_addresses() -> None:
    assert "127.0.0.1" in own_addresses()


@pytest.mark.parametrize(
    ("ms", "says"), [(3000, "3 seconds"), (-7_200_000, "2 hours"), (3 * 86_400_000, "3 days")]
)
def test_differences_for_a_person(ms: int, says: str) -> None:
    assert apart(ms) == says
