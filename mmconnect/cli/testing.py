"""`endpoint test`: one signed POST of a test text, made here, whether or not the service runs.

Recorded like any other delivery, but never retried, queued or drained.
"""

from __future__ import annotations

from mmconnect.cli.open import Store
from mmconnect.delivery.flight import landing, sign
from mmconnect.delivery.sender import Sender, Way
from mmconnect.domain.ids import DELIVERY, MESSAGE
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
from mmconnect.store import deliveries, endpoints, messages, outbox, settings
from mmconnect.store.connection import transaction
from mmconnect.webhook.payload import message_received

TEXT = "This is a test from mmconnect."
SENDER = "+15550100"
"""From the range that no one is ever given."""


async def send_test(store: Store, endpoint: Endpoint) -> tuple[Delivery, Attempt]:
    """Send it and record it; the delivery and its one attempt."""
    flight = _prepare(store, endpoint)
    sender = Sender(store.clock)
    started_at = store.clock.now()
    try:
        headers = sign(endpoint, flight, started_at)
        way = Way(url=endpoint.url, ca=endpoint.ca, plain_http=endpoint.plain_http)
        answer = await sender.post(way, headers, flight.body)
    finally:
        await sender.close()
    now = store.clock.now()
    landed = landing(endpoint, flight, answer, started_at=started_at, now=now, jitter=0.0)
    with transaction(store.db):
        outbox.settle(
            store.db, landed.attempt, landed.state, spent=landed.spent, due_at=None, now=now
        )
        if landed.state is DeliveryState.DELIVERED:
            endpoints.release(store.db, endpoint.id, now)  # any success ends a hold
    recorded = deliveries.get(store.db, flight.delivery_id)
    assert recorded is not None  # noqa: S101 (it was written four lines above)
    return recorded, landed.attempt


def _prepare(store: Store, endpoint: Endpoint) -> Flight:
    """Store the test text and its delivery, in flight from the start."""
    now = store.clock.now()
    message = Message(
        id=store.ids.new(MESSAGE),
        kind=Kind.SMS,
        sender=SENDER,
        sender_raw=None,
        recipient=None,
        text=TEXT,
        sent_at=now,
        received_at=now,
        device_id=None,
        device_name=None,
        test=True,
    )
    body = message_received(message, settings.tenant(store.db), endpoint.numbers)
    delivery_id = store.ids.new(DELIVERY)
    new = messages.NewMessage(
        message=message,
        payload=body,
        keys=messages.Keys(),
        raw=None,
        raw_headers=None,
        deliveries=[
            outbox.NewDelivery(
                id=delivery_id,
                message_id=message.id,
                endpoint_id=endpoint.id,
                sender=SENDER,
                trigger=Trigger.TEST,
                created_at=now,
                boot_id="cli",
            )
        ],
    )
    with transaction(store.db):
        messages.take(store.db, new)
    return Flight(
        delivery_id=delivery_id,
        message_id=message.id,
        endpoint_id=endpoint.id,
        sender=SENDER,
        number=1,
        spent=1,
        trigger=Trigger.TEST,
        body=body,
    )
