"""The outcome table of the contract, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.webhook.outcome import OutcomeClass, Trouble, judge_status, judge_trouble

DELIVERED, NOT_REACHED, FAILING, REFUSED, GONE, BLOCKED = (
    OutcomeClass.DELIVERED,
    OutcomeClass.NOT_REACHED,
    OutcomeClass.FAILING,
    OutcomeClass.REFUSED,
    OutcomeClass.GONE,
    OutcomeClass.BLOCKED,
)

BY_STATUS = [
    *((status, DELIVERED) for status in (200, 201, 202, 204, 206, 226, 299)),
    (503, NOT_REACHED),
    *((status, FAILING) for status in (408, 425, 429, 500, 501, 502, 504, 505, 507, 520, 599)),
    *((s, REFUSED) for s in (400, 401, 402, 403, 404, 405, 406, 409, 411, 413, 415, 418, 422, 499)),
    *((status, REFUSED) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
    (410, GONE),
    *((status, FAILING) for status in (100, 199, 600, 999)),
]

BY_TROUBLE = {
    Trouble.NO_NETWORK: NOT_REACHED,
    Trouble.NO_DNS: NOT_REACHED,
    Trouble.DNS: NOT_REACHED,
    Trouble.REFUSED: NOT_REACHED,
    Trouble.UNREACHABLE: NOT_REACHED,
    Trouble.CONNECT_TIMEOUT: NOT_REACHED,
    Trouble.CONNECT_RESET: NOT_REACHED,
    Trouble.TLS: NOT_REACHED,
    Trouble.TIMEOUT: FAILING,
    Trouble.RESET: FAILING,
    Trouble.PROTOCOL: FAILING,
    Trouble.INTERNAL: FAILING,
    Trouble.BAD_URL: BLOCKED,
    Trouble.BAD_HEADER: BLOCKED,
    Trouble.BLOCKED: BLOCKED,
}


@pytest.mark.parametrize(("status", "result"), BY_STATUS)
def test_each_answer_has_its_class(status: int, result: OutcomeClass):
    outcome = judge_status(status)
    assert outcome.result is result
    assert (outcome.error is None) == (result is DELIVERED)
    assert outcome.error is None or str(status) in outcome.error


@given(st.integers(min_value=0, max_value=1000))
def test_only_2xx_is_delivered(status: int):
    assert (judge_status(status).result is DELIVERED) == (200 <= status < 300)


def test_every_trouble_is_judged():
    assert set(BY_TROUBLE) == set(Trouble)


@pytest.mark.parametrize(("trouble", "result"), BY_TROUBLE.items())
@pytest.mark.parametrize("detail", ["", "Errno 113"])
def test_each_trouble_has_its_class(trouble: Trouble, result: OutcomeClass, detail: str):
    outcome = judge_trouble(trouble, detail)
    assert outcome.result is result
    assert outcome.error is not None
    assert detail in outcome.error
    assert "()" not in outcome.error


def test_what_a_person_is_told():
    assert "signature" in str(judge_status(401).error)
    assert "is the flow active?" in str(judge_status(404).error)
    moved = judge_status(308, "https://new.example/hook").error
    assert moved is not None
    assert "https://new.example/hook" in moved
    assert "not followed" in moved
    assert " to " not in str(judge_status(301).error).split("(301)")[0]
    assert "resume" in str(judge_status(410).error)
