"""A message and the deliveries it gets: serialised once, one delivery per endpoint that wants it.

Decides which deliveries are born in flight by asking the Outlet; everything else is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmconnect.domain.ids import DELIVERY, Ids
from mmconnect.domain.models import Endpoint, Flight, Message, Numbers, Place, Trigger
from mmconnect.domain.values import value_type
from mmconnect.store.configuration import Configuration
from mmconnect.store.messages import Keys, NewMessage
from mmconnect.store.outbox import NewDelivery
from mmconnect.webhook import routing
from mmconnect.webhook.payload import RECEIVED, message_received


class Outlet(Protocol):
    """The way out, as far as the way in knows it. Called in the event loop's thread only."""

    @property
    def boot_id(self) -> str:
        """Marks what this process has in flight."""
        ...

    def reserve(self, endpoint: Endpoint, sender: str) -> Place:
        """Where a text of this sender goes, to be written at once. Then say what became of it."""
        ...

    def committed(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """On the disk: start these, and look for the texts that wait for these endpoints."""
        ...

    def abandoned(self, flights: Sequence[Flight], waiting: Sequence[str]) -> None:
        """Nothing was kept (a duplicate, or the disk): free the places."""
        ...

    def wake(self) -> None:
        """There may be new deliveries that nobody reserved a place for."""
        ...


@value_type(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write for one message, and what to tell the Outlet afterwards."""

    new: NewMessage
    flights: Sequence[Flight] = ()
    waiting: Sequence[str] = ()
    """Endpoints that were asked and had no place."""


def wants(endpoint: Endpoint, message: Message) -> bool:
    """Whether an endpoint gets a delivery of this message."""
    return (
        RECEIVED in endpoint.events
        and not endpoint.alert
        and routing.compile(endpoint.routing).wants(message)
    )


def plan(
    message: Message,
    configuration: Configuration,
    ids: Ids,
    outlet: Outlet | None,
    *,
    keys: Keys,
    raw: bytes | None,
    raw_headers: str | None,
    made_at: int | None = None,
) -> Plan:
    """Fan a message out. Without an `outlet` every delivery waits, and any thread may ask.

    `made_at`: from when the deliveries count (UTC ms), where that is not when the text came in.
    """
    body = message_received(message, configuration.tenant)
    sender = message.sender or ""
    flights: list[Flight] = []
    waiting: list[str] = []
    deliveries: list[NewDelivery] = []
    # whatever may fail does so before a place is taken
    wanted = [
        (endpoint, _own_body(endpoint, message, configuration))
        for endpoint in configuration.endpoints.values()
        if wants(endpoint, message)
    ]
    for endpoint, own in wanted:
        delivery_id = ids.new(DELIVERY)
        place = Place.QUEUED
        if outlet is not None:
            place = outlet.reserve(endpoint, sender)
            if place is Place.IN_FLIGHT:
                flights.append(
                    Flight(
                        delivery_id=delivery_id,
                        message_id=message.id,
                        endpoint_id=endpoint.id,
                        sender=sender,
                        number=1,
                        spent=1,
                        trigger=Trigger.PUSH,
                        was_due=message.received_at,
                        body=own or body,
                    )
                )
            else:
                waiting.append(endpoint.id)
        deliveries.append(
            NewDelivery(
                id=delivery_id,
                message_id=message.id,
                endpoint_id=endpoint.id,
                sender=sender,
                trigger=Trigger.PUSH,
                created_at=message.received_at if made_at is None else made_at,
                boot_id=outlet.boot_id if outlet and place is Place.IN_FLIGHT else None,
                parked=place is Place.PARKED,
                payload=own,
            )
        )
    new = NewMessage(
        message=message,
        payload=body,
        keys=keys,
        raw=raw,
        raw_headers=raw_headers,
        deliveries=deliveries,
    )
    return Plan(new=new, flights=flights, waiting=waiting)


def _own_body(endpoint: Endpoint, message: Message, configuration: Configuration) -> bytes | None:
    """The body as this endpoint gets it, where that is not everybody's."""
    rule = routing.compile(endpoint.routing).rule
    if rule is None and endpoint.numbers is Numbers.E164:
        return None
    return message_received(message, configuration.tenant, endpoint.numbers, rule_id=rule)
