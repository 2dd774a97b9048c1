"""What happened to a delivery, and to each of its attempts: facts, a sentence, and what to do.

The words say what the outcome rules of the contract mean for the text at hand. Bounded: of a
delivery's attempts the newest are read. Knows nothing of how it is shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmconnect.desk.deliveries import found, why_not
from mmconnect.desk.wording import ended, many
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Trigger,
)
from mmconnect.store import deliveries, delivery_rows, endpoints
from mmconnect.store.delivery_rows import Beside
from mmconnect.webhook import as_sent, schedule
from mmconnect.webhook.outcome import OutcomeClass

ATTEMPTS = 100
"""Attempts that are shown, the newest."""

CLASSES = {
    OutcomeClass.DELIVERED: ("delivered", "A 2xx answer means that the receiver has the text."),
    OutcomeClass.NOT_REACHED: (
        "not reached",
        "The receiver has not acted on the text, so trying again is free of doubt. Two in a row"
        " hold the endpoint: then one text is a probe, which costs nothing of its schedule, and"
        " all others wait.",
    ),
    OutcomeClass.FAILING: (
        "reached, but failing",
        "The receiver may have acted on the text, so it is sent no more often than its schedule"
        " has attempts. Three different texts in a row hold the endpoint.",
    ),
    OutcomeClass.REFUSED: (
        "refused",
        "The receiver does not want this request. It is tried again on its schedule; five"
        " different texts in a row hold the endpoint.",
    ),
    OutcomeClass.GONE: (
        "gone",
        "410 means gone for good: the endpoint is held, and nothing is sent until a person resumes"
        " it.",
    ),
    OutcomeClass.BLOCKED: (
        "blocked",
        "mmconnect sends nothing there, and no attempt of the schedule was spent.",
    ),
    OutcomeClass.INTERRUPTED: (
        "interrupted",
        "mmconnect stopped in the middle: the receiver may have the text. It was due again at once"
        " after the start.",
    ),
}
"""Each outcome class in words, and the rule that follows from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A delivery with everything around it."""

    delivery: Delivery
    beside: Beside
    endpoint: Endpoint | None
    """None when it was removed."""
    attempts: Sequence[Attempt]
    """The newest ATTEMPTS, first to last."""
    why_not: str | None
    """Why it cannot be sent again; None when it can."""

    @property
    def can_retry(self) -> bool:
        """Whether sending it again means anything just now."""
        return self.why_not is None and self.delivery.state is not DeliveryState.IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStory:
    """One attempt, with its request as it was sent."""

    story: Story
    attempt: Attempt
    sent: as_sent.Sent | None
    why_unknown: str = ""
    """Why the request is not known; empty when it is."""
    body: bytes | None = field(repr=False)

    @property
    def connected(self) -> bool:
        """Whether anything of the request can have reached the receiver."""
        return self.attempt.address is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What the attempts of one delivery have sent."""

    body: bytes | None = field(repr=False)
    """The same at every attempt; None when the text was wiped."""
    sent: Sequence[tuple[int, as_sent.Sent | None]]
    """By number of the attempt, first to last; None where it is not known."""


def requests(db: sqlite3.Connection, delivery_id: str) -> Requests:
    """What was sent, of the newest ATTEMPTS. Raises NotFound."""
    delivery = found(db, delivery_id)
    body = deliveries.body(db, delivery_id)
    return Requests(
        body=body,
        sent=[
            (
                one.number,
                None
                if body is None or one.request is None
                else as_sent.rebuild(one.request, delivery.message_id, delivery_id, body),
            )
            for one in deliveries.attempts(db, delivery_id)[-ATTEMPTS:]
        ],
    )


def story(db: sqlite3.Connection, delivery_id: str) -> Story:
    """All of a delivery. Raises NotFound."""
    delivery = found(db, delivery_id)
    beside = delivery_rows.beside(db, [delivery]).get(delivery_id)
    if beside is None:
        raise NotFound(f"There is no delivery {delivery_id}")
    return Story(
        delivery=delivery,
        beside=beside,
        endpoint=endpoints.get(db, delivery.endpoint_id),
        attempts=deliveries.attempts(db, delivery_id)[-ATTEMPTS:],
        why_not=why_not(db, delivery),
    )


def attempt_story(db: sqlite3.Connection, delivery_id: str, number: int) -> AttemptStory:
    """All of one attempt. Raises NotFound."""
    whole = story(db, delivery_id)
    attempt = deliveries.attempt(db, delivery_id, number)
    if attempt is None:
        raise NotFound(f"{delivery_id} has no attempt {number}, or no longer")
    body = deliveries.body(db, delivery_id)
    sent, why = None, ""
    if whole.beside.wiped_at is not None or body is None:
        why = "The text was wiped, and with it what was sent."
    elif attempt.outcome == OutcomeClass.INTERRUPTED:
        why = "mmconnect stopped before it could write down what it had sent."
    elif attempt.request is None:
        why = (
            "It is not kept any more, or was sent by a version that did not keep it, or nothing"
            " could be sent."
        )
    else:
        message_id = whole.delivery.message_id
        sent = as_sent.rebuild(attempt.request, message_id, delivery_id, body)
        if sent is None:
            why = "A newer version of mmconnect has written it down in a way of its own."
    return AttemptStory(story=whole, attempt=attempt, sent=sent, why_unknown=why, body=body)


def sentence(of: Story) -> str:
    """What happened, for whoever asks nothing else."""
    delivery, name, last = of.delivery, of.beside.endpoint, of.attempts[-1:]
    tries = many(delivery.attempts, "attempt", "attempts")
    match delivery.state:
        case DeliveryState.DELIVERED:
            first = "at once" if delivery.attempts == 1 else f"at attempt {delivery.attempts}"
            answer = f" It answered {last[0].status}." if last and last[0].status else ""
            return f"{name} took it {first}.{answer}"
        case DeliveryState.IN_FLIGHT:
            return f"It is being sent to {name} at this moment."
        case DeliveryState.PENDING:
            return _waits(of)
        case DeliveryState.EXPIRED:
            return f"It grew older than {name} allows before it could be delivered ({tries})."
        case DeliveryState.CANCELLED:
            why = (delivery.note or "").rstrip(".")
            if of.endpoint is None:
                return f"{name} was removed while it waited, so it was cancelled."
            return f"{why or 'It was cancelled'}: it is not sent unless you retry it."
        case _:
            if delivery.trigger is Trigger.TEST:
                return f"This test did not reach {name}, and tests are never repeated."
            return f"{name} did not take it, and its schedule has no more attempts ({tries})."


def remedy(of: Story) -> str | None:
    """What to do about it; None when there is nothing to do."""
    state, endpoint = of.delivery.state, of.endpoint
    if state in (DeliveryState.DELIVERED, DeliveryState.IN_FLIGHT) or endpoint is None:
        return None
    if state is DeliveryState.PENDING and endpoint.state is not EndpointState.ACTIVE:
        return None  # its sentence says it
    if of.beside.error and state is not DeliveryState.CANCELLED:
        return ended(of.beside.error)
    return None


def _waits(of: Story) -> str:
    endpoint, name = of.endpoint, of.beside.endpoint
    if endpoint is not None and endpoint.state is EndpointState.HELD:
        why = ended(endpoint.held_reason or "it did not answer")
        return f"It waits for {name}, which is held: {why}"
    if endpoint is not None and endpoint.state is EndpointState.PAUSED:
        return f"It waits for {name}, which is paused: resume it, and it goes out."
    if not of.delivery.attempts:
        return f"It waits for its turn to go to {name}."
    waits = (endpoint.schedule if endpoint else None) or schedule.DEFAULT
    left = len(waits) - of.delivery.spent
    more = f"; its schedule has {many(left, 'more attempt', 'more attempts')}" if left > 0 else ""
    return f"{name} did not take it yet{more}."


def words(attempt: Attempt) -> tuple[str, str]:
    """An attempt's outcome class in words, and the rule."""
    try:
        return CLASSES[OutcomeClass(attempt.outcome)]
    except ValueError:
        return attempt.outcome.replace("_", " "), ""
