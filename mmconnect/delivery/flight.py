"""What follows from the answer to an attempt: pure, for service and CLI alike."""

from __future__ import annotations

from mmconnect.delivery.sender import Answer
from mmconnect.domain.models import Attempt, DeliveryState, Endpoint, Flight, Trigger
from mmconnect.domain.values import value_type
from mmconnect.webhook import outcome, schedule
from mmconnect.webhook.outcome import OutcomeClass


@value_type(frozen=True, slots=True, kw_only=True)
class Landing:
    """What to record of an attempt."""

    attempt: Attempt
    result: OutcomeClass
    state: DeliveryState
    due_at: int | None
    """When the next attempt is due (UTC ms); None when there is none."""
    spent: int
    """Attempts of the schedule that are used up."""
    told: str | None = None
    """What went wrong, fit for a log; None when delivered."""
    local: bool = False
    """It was not reached because this machine has no network."""
    retry_after: int | None = None
    """Seconds that the receiver asked to be left alone."""


def landing(
    endpoint: Endpoint,
    flight: Flight,
    answer: Answer,
    *,
    started_at: int,
    now: int,
    jitter: float,
    note: str | None = None,
    request: str | None = None,
) -> Landing:
    """Judge an answer by the contract's outcome rules and the endpoint's schedule.

    `note` is what else the attempt's record says, whatever came of it; `request` what it keeps of
    what was sent.
    """
    if answer.trouble is not None:
        judged = outcome.judge_trouble(answer.trouble, answer.detail)
    else:
        judged = outcome.judge_status(answer.status or 0, answer.location)
    attempt = Attempt(
        delivery_id=flight.delivery_id,
        number=flight.number,
        started_at=started_at,
        duration_ms=answer.duration_ms,
        outcome=judged.result,
        status=answer.status,
        error=judged.error,
        address=answer.address,
        response_headers=answer.headers,
        response_body=answer.body,
        probe=flight.probe,
        note=note,
        request=request,
    )
    if judged.result is OutcomeClass.DELIVERED:
        return Landing(
            attempt=attempt,
            result=judged.result,
            state=DeliveryState.DELIVERED,
            due_at=None,
            spent=flight.spent,
        )
    local = answer.trouble in outcome.LOCAL
    retry_after = schedule.parse_retry_after(answer.retry_after, now)
    in_line = started_at if flight.was_due is None else flight.was_due
    state, due_at, spent = _what_follows(
        endpoint, flight, judged.result, local, in_line, now, jitter, retry_after
    )
    return Landing(
        attempt=attempt,
        result=judged.result,
        state=state,
        due_at=due_at,
        spent=spent,
        told=judged.sentence,
        local=local,
        retry_after=retry_after,
    )


def _what_follows(
    endpoint: Endpoint,
    flight: Flight,
    result: OutcomeClass,
    local: bool,
    in_line: int,
    now: int,
    jitter: float,
    retry_after: int | None,
) -> tuple[DeliveryState, int | None, int]:
    """State, next due time, and attempts used up, of a delivery that did not arrive.

    `in_line` is the due time that keeps its place among those that wait.
    """
    if flight.trigger is Trigger.TEST:
        return DeliveryState.FAILED, None, flight.spent
    waits = endpoint.schedule or schedule.DEFAULT
    if result is OutcomeClass.BLOCKED:
        return DeliveryState.PENDING, in_line, flight.spent - 1
    if result is OutcomeClass.NOT_REACHED and (flight.free or local):
        return DeliveryState.PENDING, in_line, flight.spent - 1
    if result is OutcomeClass.GONE:
        return DeliveryState.PENDING, in_line, min(flight.spent, len(waits) - 1)
    spent = flight.spent
    if flight.probe and result in (OutcomeClass.REFUSED, OutcomeClass.NOT_REACHED):
        # the receiver wants none of it, or has not got it: a probe never ends a text by that
        spent = min(spent, len(waits) - 1)
    due_at = schedule.next_attempt(waits, spent, now, jitter, retry_after)
    return DeliveryState.FAILED if due_at is None else DeliveryState.PENDING, due_at, spent
