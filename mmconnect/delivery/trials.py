"""Test texts: one POST each, made at once, recorded like any delivery, never repeated.

For the command line and, later, the pages: both hand in how to write to the store, so that this
works beside a running service as well as inside it. A held or paused endpoint is tested all the
same, and a trial starts, queues and drains nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from mmconnect.delivery.flight import Landing, landing
from mmconnect.delivery.sender import Sender
from mmconnect.delivery.signed import Sent, send_signed
from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import DELIVERY, MESSAGE, Ids
from mmconnect.domain.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    Flight,
    Kind,
    Message,
    Trigger,
)
from mmconnect.store import (
    backlog,
    configuration,
    deliveries,
    endpoints,
    events,
    messages,
    outbox,
    settings,
)
from mmconnect.store.database import Write
from mmconnect.webhook.events import endpoint_recovered
from mmconnect.webhook.payload import message_received

T = TypeVar("T")

TEXT = "This is a test from mmconnect."
SENDER = "+15550100"
"""From the range that no one is ever given."""
BOOT = "trial"
"""In place of a boot id: what a killed command left in flight ends when the service next starts."""


class Writer(Protocol):
    """Runs a function in a transaction of its own, and commits it."""

    async def __call__(self, function: Write[T], /) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test text, as it was recorded."""

    flight: Flight
    delivery: Delivery
    attempt: Attempt
    sent: Sent

    @property
    def delivered(self) -> bool:
        """Whether the answer was 2xx."""
        return self.attempt.outcome == "delivered"


class Trials:
    """Sends test texts."""

    def __init__(self, write: Writer, sender: Sender, clock: Clock, ids: Ids) -> None:
        self._write, self._sender, self._clock, self._ids = write, sender, clock, ids

    async def send(
        self,
        endpoint: Endpoint,
        *,
        text: str = TEXT,
        again: Trial | None = None,
        note: str | None = None,
    ) -> Trial:
        """Send a test text, or that of an earlier trial `again`: same id, same body.

        It is signed with the secrets that `endpoint` has, whatever the store says; `note` is what
        the record says of it. Raises StoreUnavailable when it cannot be recorded.
        """

        def prepare(db: sqlite3.Connection) -> Flight:
            if again is None:
                return self._new(db, endpoint, text)
            return self._repeated(db, again.flight)

        flight = await self._write(prepare)
        started_at = self._clock.now()
        sent = await send_signed(self._sender, endpoint, flight, started_at)
        now, told = self._clock.now(), sent.remark or note
        landed = landing(
            endpoint,
            flight,
            sent.answer,
            started_at=started_at,
            now=now,
            jitter=0.0,
            note=told,
            request=sent.request,
        )
        recorded = await self._write(lambda db: self._record(db, endpoint, landed, now))
        return Trial(flight=flight, delivery=recorded, attempt=landed.attempt, sent=sent)

    def _new(self, db: sqlite3.Connection, endpoint: Endpoint, text: str) -> Flight:
        """Store a test text and its delivery, in flight from the start."""
        now = self._clock.now()
        message = Message(
            id=self._ids.new(MESSAGE),
            kind=Kind.SMS,
            sender=SENDER,
            sender_raw=None,
            recipient=None,
            text=text,
            sent_at=now,
            received_at=now,
            device_id=None,
            device_name=None,
            test=True,
        )
        body = message_received(message, settings.tenant(db), endpoint.numbers)
        messages.take(
            db,
            messages.NewMessage(
                message=message, payload=body, keys=messages.Keys(), raw=None, raw_headers=None
            ),
        )
        flight = Flight(
            delivery_id="",
            message_id=message.id,
            endpoint_id=endpoint.id,
            sender=SENDER,
            number=1,
            spent=1,
            trigger=Trigger.TEST,
            body=body,
        )
        return self._repeated(db, flight)

    def _record(
        self, db: sqlite3.Connection, endpoint: Endpoint, landed: Landing, now: int
    ) -> Delivery:
        attempt, delivered = landed.attempt, landed.state is DeliveryState.DELIVERED
        outbox.settle(db, attempt, landed.state, spent=landed.spent, due_at=None, now=now)
        if delivered and endpoints.release(db, endpoint.id, now):  # any success ends a hold
            event = endpoint_recovered(endpoint, backlog.waiting(db, endpoint.id))
            events.tell(db, configuration.load(db), self._ids, now, event)
        recorded = deliveries.get(db, attempt.delivery_id)
        assert recorded is not None  # noqa: S101 (it was written above)
        return recorded

    def _repeated(self, db: sqlite3.Connection, flight: Flight) -> Flight:
        """The same text in a delivery of its own."""
        flight = replace(flight, delivery_id=self._ids.new(DELIVERY))
        outbox.add(
            db,
            outbox.NewDelivery(
                id=flight.delivery_id,
                message_id=flight.message_id,
                endpoint_id=flight.endpoint_id,
                sender=flight.sender,
                trigger=Trigger.TEST,
                created_at=self._clock.now(),
                boot_id=BOOT,
            ),
        )
        return flight
