"""What happened to a message: everything that is known of it, and one sentence that says it.

Bounded: a message has a delivery for each endpoint, and of each only the newest attempts are read.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmconnect.desk.wording import duration, ended, many
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import Attempt, Delivery, DeliveryState, Endpoint, EndpointState, Kind
from mmconnect.store import deliveries, endpoints, message_states, messages
from mmconnect.store.message_query import MessageState
from mmconnect.store.messages import StoredMessage

ATTEMPTS = 30
"""Attempts of one delivery that are shown, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One delivery of a message, and what came of it."""

    delivery: Delivery
    name: str
    """What people call the endpoint."""
    endpoint: Endpoint | None
    """None when it was removed."""
    attempts: Sequence[Attempt]
    payload: bytes | None = field(repr=False)
    """The body that this endpoint gets, where that is its own."""

    @property
    def trouble(self) -> str | None:
        """Why it did not arrive (yet), as the newest attempt or the delivery itself tells."""
        last = self.attempts[-1].error if self.attempts else None
        return self.delivery.note or last


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A message with all that became of it."""

    stored: StoredMessage
    state: MessageState
    counts: Counter[DeliveryState]
    ways: Sequence[Way]
    lacking: Sequence[Endpoint]
    """Endpoints that it was never meant for, to which it can be sent."""


def story(db: sqlite3.Connection, message_id: str) -> Story:
    """All of a message. Raises NotFound."""
    stored = messages.get(db, message_id)
    if stored is None:
        raise NotFound(f"There is no message {message_id}")
    message = stored.message
    ways = [_way(db, one) for one in deliveries.of_message(db, message_id)]
    counts = message_states.counts(db, message_id)
    has = {way.delivery.endpoint_id for way in ways}
    fit = stored.wiped_at is None and not message.test
    fit = fit and message.kind not in (Kind.UNRECOGNISED, Kind.EVENT)
    return Story(
        stored=stored,
        state=message_states.state(db, message_id, message.kind, counts),
        counts=counts,
        ways=ways,
        lacking=[
            one
            for one in endpoints.known(db)
            if fit and one.id not in has and not one.alert and one.removed_at is None
        ],
    )


def _way(db: sqlite3.Connection, delivery: Delivery) -> Way:
    return Way(
        delivery=delivery,
        name=endpoints.name_of(db, delivery.endpoint_id),
        endpoint=endpoints.get(db, delivery.endpoint_id),
        attempts=deliveries.attempts(db, delivery.id)[-ATTEMPTS:],
        payload=deliveries.payload(db, delivery.id),
    )


def sentence(of: Story) -> str:
    """What happened to it, for whoever asks nothing else."""
    total = len(of.ways)
    match of.state:
        case MessageState.UNRECOGNISED:
            why = of.stored.note or "its text was wiped since"
            return f"This push was not understood, so it went nowhere: {why}."
        case MessageState.KEPT_BACK:
            return (
                "It is kept back, as it came in with a phone's history: nothing is sent until you"
                " decide on the phone's page."
            )
        case MessageState.UNWANTED:
            return "No endpoint wanted it: there was none, or none whose routing takes it."
        case MessageState.DELIVERED:
            took = max((way.delivery.finished_at or 0) for way in of.ways)
            after = _after(took - of.stored.message.received_at)
            who = of.ways[0].name if total == 1 else f"all {total} endpoints"
            return f"Delivered to {who}{after}."
        case MessageState.WAITING:
            waiting = [w for w in of.ways if w.delivery.state in _OPEN]
            return f"{_have(of)}{_waits(waiting[0])}{_others(waiting)}"
        case _:
            failed = [w for w in of.ways if w.delivery.state is not DeliveryState.DELIVERED]
            return f"{_have(of)}{_failed(failed[0])}{_others(failed)}"


_OPEN = (DeliveryState.PENDING, DeliveryState.IN_FLIGHT)


def _have(of: Story) -> str:
    """How many have it, where some do."""
    have = of.counts[DeliveryState.DELIVERED]
    return f"{have} of {many(len(of.ways), 'endpoint', 'endpoints')} have it. " if have else ""


def _others(ways: Sequence[Way]) -> str:
    rest = len(ways) - 1
    return f" So it is with {many(rest, 'other', 'others')}." if rest else ""


def _waits(way: Way) -> str:
    endpoint = way.endpoint
    if endpoint is not None and endpoint.state is EndpointState.HELD:
        return f"It waits for {way.name}, which is held. {ended(endpoint.held_reason or '')}"
    if endpoint is not None and endpoint.state is EndpointState.PAUSED:
        return f"It waits for {way.name}, which is paused: resume it, and it goes out."
    if way.delivery.state is DeliveryState.IN_FLIGHT:
        return f"It is being sent to {way.name} at this moment."
    if way.attempts:
        return f"{way.name} did not take it yet: {ended(way.trouble or 'it is tried again')}"
    return f"It is on its way to {way.name}."


def _failed(way: Way) -> str:
    why = ended(way.trouble or "")
    match way.delivery.state:
        case DeliveryState.EXPIRED:
            return f"It expired before {way.name} took it. {why}".rstrip()
        case DeliveryState.CANCELLED:
            return f"Its delivery to {way.name} was cancelled. {why}".rstrip()
        case _:
            return f"{way.name} did not get it: {why}" if why else f"{way.name} did not get it."


def _after(ms: int) -> str:
    """How long after it came; nothing where a clock was set between."""
    if ms < 0:
        return ""
    if ms < 1000:
        return f" {ms} ms after it came"
    if ms < 10_000:
        return f" {ms / 1000:.1f} s after it came"
    return f" {duration(ms / 1000)} after it came"
