"""What one attempt sends, and what follows from its answer: pure, for service and CLI alike."""

from __future__ import annotations

from dataclasses import dataclass

from mmconnect.delivery.sender import Answer
from mmconnect.domain.models import Attempt, DeliveryState, Endpoint, Flight, Trigger
from mmconnect.webhook import outcome, schedule, signing
from mmconnect.webhook.outcome import OutcomeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What to record of an attempt."""

    attempt: Attempt
    state: DeliveryState
    due_at: int | None
    """When the next attempt is due (UTC ms); None when there is none."""
    told: str | None = None
    """What went wrong, fit for a log; None when delivered."""
    hold: OutcomeClass | None = None
    """Why the endpoint is to be held, where the answer asks for it."""


def sign(endpoint: Endpoint, flight: Flight, now: int) -> dict[str, str]:
    """The headers of one attempt at `now` (UTC ms), signatures included."""
    headers = signing.signature_headers(
        signing.signing_secrets(endpoint.secrets, now),
        flight.message_id,
        now // 1000,
        flight.body,
        plain=endpoint.plain_headers,
    )
    headers[signing.ATTEMPT] = str(flight.number)
    headers[signing.DELIVERY] = flight.delivery_id
    return headers


def landing(flight: Flight, answer: Answer, *, started_at: int, now: int, jitter: float) -> Landing:
    """Judge an answer by the contract's outcome rules and the schedule."""
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
    )
    if judged.result is OutcomeClass.DELIVERED:
        return Landing(attempt=attempt, state=DeliveryState.DELIVERED, due_at=None)
    if flight.trigger is Trigger.TEST:
        return Landing(
            attempt=attempt, state=DeliveryState.FAILED, due_at=None, told=judged.sentence
        )
    if judged.result in (OutcomeClass.GONE, OutcomeClass.BLOCKED):
        return Landing(
            attempt=attempt,
            state=DeliveryState.PENDING,
            due_at=now,
            told=judged.sentence,
            hold=judged.result,
        )
    due_at = schedule.next_attempt(
        schedule.DEFAULT,
        flight.spent,
        now,
        jitter,
        schedule.parse_retry_after(answer.retry_after, now),
    )
    state = DeliveryState.FAILED if due_at is None else DeliveryState.PENDING
    return Landing(attempt=attempt, state=state, due_at=due_at, told=judged.sentence)
