"""An endpoint's health in words: each state has a sentence, and what can be done about it."""

from __future__ import annotations

from typing import Any

import pytest

from mmconnect.delivery.health import _STEPS
from mmconnect.desk.endpoint_health import Health, health
from mmconnect.domain.models import EndpointState
from mmconnect.store.health import StoredHealth
from mmconnect.webhook.outcome import OutcomeClass
from tests.store.making import NOW, endpoint

HELD = [
    OutcomeClass.NOT_REACHED,
    OutcomeClass.FAILING,
    OutcomeClass.REFUSED,
    OutcomeClass.GONE,
    OutcomeClass.BLOCKED,
]


def known(**more: Any) -> StoredHealth:
    fields: dict[str, Any] = {
        "not_reached": 0,
        "failing": (),
        "refused": (),
        "since": NOW,
        "probes": 0,
        "probe_at": NOW + 5000,
    }
    return StoredHealth(**(fields | more))


def of(state: EndpointState, learnt: StoredHealth | None = None, **more: Any) -> Health:
    return health(endpoint(state=state, **more), learnt, tried=True)


@pytest.mark.parametrize("held", HELD)
def test_a_held_one_says_why_what_is_next_and_what_to_do(held: OutcomeClass) -> None:
    found = of(EndpointState.HELD, known(), held_class=held, held_reason="It says why")
    assert (found.word, found.sentence) == ("held", "It says why.")
    assert found.next
    assert found.remedy
    gone = held is OutcomeClass.GONE
    assert found.next_at == (None if gone else NOW + 5000)
    assert found.kind == "bad"


def test_the_words_tell_the_steps_that_are_taken() -> None:
    minutes = [f"{step / 60:.0f}" for step in _STEPS]
    found = of(EndpointState.HELD, known(), held_class="failing")
    assert f"after {', '.join(minutes[:-1])} and {minutes[-1]} min" in (found.next or "")


def test_a_paused_one_waits_for_a_person() -> None:
    found = of(EndpointState.PAUSED, known(failing=("dlv_1",)))
    assert (found.word, found.next, found.next_at) == ("paused", None, None)


@pytest.mark.parametrize(
    ("learnt", "says"),
    [
        ({"not_reached": 1}, "The last attempt did not reach it."),
        ({"failing": ("a",)}, "A text failed, and none has arrived since."),
        ({"refused": ("a",)}, "A text was refused, and none has arrived since."),
        ({"refused": ("a", "b")}, "2 texts were refused, and none has arrived since."),
        ({"failing": ("a", "b")}, "2 texts failed, and none has arrived since."),
    ],
)
def test_trouble_is_told_before_it_is_held(learnt: dict[str, Any], says: str) -> None:
    found = of(EndpointState.ACTIVE, known(**learnt))
    assert (found.word, found.sentence) == ("trouble", says)
    assert found.remedy


def test_one_that_works_and_one_that_was_never_tried() -> None:
    assert of(EndpointState.ACTIVE).word == "works"
    assert of(EndpointState.ACTIVE, known()).word == "works"
    fresh = health(endpoint(), None, tried=False)
    assert (fresh.word, fresh.kind) == ("not tried yet", "none")


def test_one_that_takes_texts_but_fails_too_often_says_so() -> None:
    """As much as some restarts of a receiver make is no trouble."""
    now_and_then = health(endpoint(), None, tried=True, success=0.93)
    often = health(endpoint(), None, tried=True, success=0.84)
    assert (now_and_then.kind, now_and_then.word) == ("good", "works")
    assert (often.kind, often.word) == ("warn", "some fail")
    assert often.remedy
