"""The log of the way out: a line for each failure, none for a success, and never a flood."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from mmconnect.delivery.journal import MOST, SECOND, Journal
from mmconnect.domain.facts import FACTS
from mmconnect.domain.models import Attempt, Endpoint, EndpointState, Numbers
from mmconnect.webhook.outcome import OutcomeClass

AT = 1_781_274_720_000


def endpoint(name: str = "crm") -> Endpoint:
    return Endpoint(
        id=f"ep_{name}",
        name=name,
        url="http://127.0.0.1:9/",
        state=EndpointState.ACTIVE,
        held_class=None,
        held_reason=None,
        numbers=Numbers.E164,
        events=frozenset(),
        max_age=1,
        plain_headers=True,
        concurrency=1,
        created_at=AT,
        secrets=(),
    )


def attempt(number: int = 1, **more: Any) -> Attempt:
    fields: dict[str, Any] = {
        "delivery_id": "dlv_1",
        "number": number,
        "started_at": AT,
        "duration_ms": 7,
        "outcome": OutcomeClass.FAILING,
        "status": 500,
        "error": "secret detail",
        "address": None,
    }
    return Attempt(**(fields | more))


class Later:
    """What is to be called after a second."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def __call__(self, seconds: float, call: Callable[[], object]) -> None:
        assert seconds == SECOND
        self.calls.append(call)

    def second(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@pytest.fixture
def later() -> Later:
    return Later()


def test_a_failure_is_one_line_with_its_facts(later: Later, caplog: pytest.LogCaptureFixture):
    Journal(later).landed(endpoint(), attempt(), "It failed (500)", AT + 5000)
    later.second()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "Delivery dlv_1 to crm: attempt 1 failed: It failed (500)"
    assert getattr(record, FACTS) == {
        "delivery": "dlv_1",
        "endpoint": "ep_crm",
        "attempt": 1,
        "outcome": "failing",
        "status": 500,
        "ms": 7,
        "nextAttemptAt": "2026-06-12T14:32:05.000Z",
    }


def test_what_is_not_known_is_left_out(later: Later, caplog: pytest.LogCaptureFixture):
    Journal(later).landed(endpoint(), attempt(status=None, duration_ms=None), "No route", None)
    assert set(getattr(caplog.records[0], FACTS)) == {"delivery", "endpoint", "attempt", "outcome"}


@pytest.mark.parametrize(("level", "lines"), [(logging.INFO, 0), (logging.DEBUG, 1)])
def test_a_success_is_told_to_the_curious_only(
    later: Later, caplog: pytest.LogCaptureFixture, level: int, lines: int
):
    caplog.set_level(level)
    Journal(later).landed(endpoint(), attempt(outcome=OutcomeClass.DELIVERED), None, None)
    assert len(caplog.records) == lines
    assert not later.calls


def test_ten_thousand_failures_in_a_second_are_a_page(
    later: Later, caplog: pytest.LogCaptureFixture
):
    journal = Journal(later)
    for number in range(10_000):
        journal.landed(endpoint(), attempt(number), "It failed (500)", None)
    journal.landed(endpoint("other"), attempt(), "It failed (500)", None)
    assert len(caplog.records) == MOST + 1
    later.second()
    assert len(caplog.records) == MOST + 2
    last = caplog.records[-1]
    assert last.getMessage() == f"… and {10_000 - MOST} more attempts to crm failed within a second"
    assert getattr(last, FACTS) == {"endpoint": "ep_crm", "more": 10_000 - MOST}
    for number in range(MOST):
        journal.landed(endpoint(), attempt(number), "It failed (500)", None)
    later.second()
    assert len(caplog.records) == 2 * MOST + 2, "a new second, and nothing was held back"
    assert not later.calls


def test_health_is_a_line_each(later: Later, caplog: pytest.LogCaptureFixture):
    journal = Journal(later)
    journal.held(endpoint(), OutcomeClass.GONE, "It is gone (410)")
    journal.recovered(endpoint(), 3)
    held, well = caplog.records
    assert held.getMessage() == "Endpoint crm is held: It is gone (410)"
    assert getattr(held, FACTS) == {"endpoint": "ep_crm", "state": "held", "outcome": "gone"}
    assert well.getMessage() == "Endpoint crm takes deliveries again"
    assert getattr(well, FACTS) == {"endpoint": "ep_crm", "state": "active", "waiting": 3}
