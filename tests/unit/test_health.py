"""When an endpoint is held, probed and released: the contract's "hold and drain", step by step."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from mmconnect.delivery.health import WELL, Evidence, Health, asked, began, launched, learnt
from mmconnect.webhook.outcome import OutcomeClass

DELIVERED, NOT_REACHED = OutcomeClass.DELIVERED, OutcomeClass.NOT_REACHED
FAILING, REFUSED = OutcomeClass.FAILING, OutcomeClass.REFUSED
GONE, BLOCKED = OutcomeClass.GONE, OutcomeClass.BLOCKED


def told(*results: OutcomeClass, same: bool = False, health: Health = WELL, at: float = 100.0):
    """What is known after these, each of a delivery of its own unless they are the `same`."""
    for n, result in enumerate(results):
        delivery = "dlv" if same else f"dlv_{n}"
        health = learnt(health, Evidence(result=result, delivery_id=delivery, sender="Ann", at=at))
    return health


@pytest.mark.parametrize(
    ("results", "held"),
    [
        ([NOT_REACHED], None),
        ([NOT_REACHED] * 2, NOT_REACHED),
        ([NOT_REACHED, FAILING, NOT_REACHED], None),
        ([NOT_REACHED, DELIVERED, NOT_REACHED], None),
        ([FAILING] * 2, None),
        ([FAILING] * 3, FAILING),
        ([FAILING, FAILING, DELIVERED, FAILING, FAILING], None),
        ([REFUSED] * 4, None),
        ([REFUSED] * 5, REFUSED),
        ([REFUSED] * 4 + [DELIVERED] + [REFUSED] * 4, None),
        ([GONE], GONE),
        ([BLOCKED], BLOCKED),
        ([FAILING, FAILING, NOT_REACHED, FAILING], FAILING),
        ([FAILING] * 3 + [DELIVERED], None),
    ],
)
def test_what_holds_an_endpoint(results: list[OutcomeClass], held: OutcomeClass | None):
    assert told(*results).held is held


@pytest.mark.parametrize("result", [FAILING, REFUSED])
def test_one_text_that_fails_again_and_again_holds_nobody(result: OutcomeClass):
    assert told(*[result] * 10, same=True).held is None


def test_one_text_that_reaches_nobody_twice_holds():
    assert told(NOT_REACHED, NOT_REACHED, same=True).held is NOT_REACHED


def probes(health: Health, result: OutcomeClass, until: float) -> list[float]:
    """Seconds after the hold began at which the timer asks for a probe, each with that outcome."""
    begun, asked_for = health.since, []
    while health.probe_due is not None and health.probe_due - begun <= until:
        at = health.probe_due
        assert not health.wants_probe(at - 0.01)
        assert health.wants_probe(at)
        asked_for.append(at - begun)
        health = learnt(
            launched(health, at),
            Evidence(result=result, delivery_id=f"dlv_{at}", sender="Ann", at=at, probe=True),
        )
    return asked_for


def test_who_is_not_reached_is_probed_often_at_first():
    asked_for = probes(told(NOT_REACHED, NOT_REACHED), NOT_REACHED, 3 * 86400)
    assert asked_for[:4] == [5, 15, 25, 35]
    steps = [(b - a, a) for a, b in itertools.pairwise(asked_for)]
    assert {step for step, at in steps if at < 3600} == {10}
    assert {step for step, at in steps if 3600 < at < 86_400 - 60} == {60}
    assert {step for step, at in steps if at > 86_400} == {300}


@pytest.mark.parametrize("result", [FAILING, REFUSED])
def test_who_answers_is_probed_ever_less(result: OutcomeClass):
    assert probes(told(*[result] * 5), result, 3 * 3600) == [
        *(60, 360, 1260, 3060, 4860, 6660, 8460, 10260)
    ]


def test_who_is_gone_is_not_probed_until_somebody_asks():
    gone = told(GONE)
    assert gone.probe_due is None
    assert not gone.takes_arrival(1e9)
    wanted = asked(gone, 500.0)
    assert wanted.wants_probe(500.0)
    again = told(GONE, health=wanted, at=501.0)
    assert again.probe_due is None


def probe(health: Health, result: OutcomeClass, at: float, **more) -> Health:
    evidence = Evidence(
        result=result, delivery_id=f"dlv_{at}", sender="Ann", at=at, probe=True, **more
    )
    return learnt(launched(health, at), evidence)


def test_an_answered_probe_changes_the_class_and_starts_the_timer_anew():
    unreached = told(NOT_REACHED, NOT_REACHED)
    failing = probe(unreached, FAILING, 5000.0)
    assert (failing.held, failing.probe_due) == (FAILING, 5060.0)
    refusing = probe(failing, REFUSED, 5060.0)
    assert (refusing.held, refusing.probe_due) == (REFUSED, 5120.0)


def test_two_not_reached_in_a_row_turn_any_hold_into_the_first_kind():
    failing = told(*[FAILING] * 3)
    once = probe(failing, NOT_REACHED, 160.0)
    assert once.held is FAILING
    assert once.probe_due == 165.0, "soon, as it costs nothing"
    twice = probe(once, NOT_REACHED, 165.0)
    assert (twice.held, twice.probe_due) == (NOT_REACHED, 170.0)


def test_any_success_ends_it():
    for results in ([NOT_REACHED] * 2, [FAILING] * 3, [REFUSED] * 5, [GONE], [BLOCKED]):
        assert probe(told(*results), DELIVERED, 200.0) is WELL


def test_a_new_text_is_a_probe_when_none_was_made_in_five_seconds():
    held = launched(told(*[FAILING] * 3), 100.0)
    assert not held.takes_arrival(104.9)
    assert held.takes_arrival(105.0)
    after = probe(held, FAILING, 105.0)
    assert after.probe_due == held.probe_due, "the timer's steps are as they were"
    assert after.probes == held.probes


def test_the_receiver_can_ask_to_be_left_alone():
    held = told(NOT_REACHED, NOT_REACHED)
    asked_for = probe(held, NOT_REACHED, 105.0, unavailable=True, retry_after=600.0)
    assert not asked_for.wants_probe(700.0)
    assert not asked_for.takes_arrival(700.0)
    assert asked_for.wants_probe(705.0)
    assert asked(asked_for, 300.0).wants_probe(300.0), "but a person knows better"


def test_the_receiver_can_ask_a_new_text_to_leave_it_alone():
    held = told(*[FAILING] * 3)
    asked_for = probe(held, FAILING, 130.0, retry_after=600.0)
    assert asked_for.probe_due == held.probe_due
    assert not asked_for.wants_probe(729.0)
    assert not asked_for.takes_arrival(729.0)
    assert asked_for.wants_probe(730.0)


def test_after_503_the_next_probe_takes_another_sender():
    held = told(NOT_REACHED, NOT_REACHED)
    assert probe(held, NOT_REACHED, 105.0, unavailable=True).avoid == "Ann"
    assert probe(held, NOT_REACHED, 105.0).avoid is None


def test_no_network_is_known_as_such_until_anything_else_is_learnt():
    local = Evidence(result=NOT_REACHED, delivery_id="dlv", sender="Ann", at=1.0, local=True)
    held = learnt(learnt(WELL, local), local)
    assert (held.held, held.local) == (NOT_REACHED, True)
    assert probe(held, NOT_REACHED, 6.0).local is False
    assert probe(held, FAILING, 6.0).local is False


def test_found_held_it_is_probed_at_once():
    assert began(FAILING, 7.0).wants_probe(7.0)
    assert began(GONE, 7.0).probe_due is None


def test_what_is_counted_is_bounded():
    known = told(*[FAILING] * 3)
    for n in range(1000):
        known = replace(probe(known, FAILING, 1000.0 + n), held=known.held)
    assert len(known.failing) <= 5
    assert not math.isinf(known.since)
