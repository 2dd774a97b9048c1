"""Texts that somebody picks for an endpoint: deliveries besides those that came with the text.

Routing has no say here. What was sent to an endpoint once goes out again as the very same bytes,
and what is on its way already is not sent twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.domain.models import Endpoint, Kind, Message, Numbers, Trigger
from mmconnect.store import messages, outbox
from mmconnect.store.outbox import NewDelivery
from mmconnect.webhook import routing
from mmconnect.webhook.payload import Tenant, message_received

CHUNK = 500
"""Messages a transaction: a few milliseconds in which the service's own writes wait."""


class Skip(StrEnum):
    """Why a message got no new delivery."""

    UNDER_WAY = "under_way"
    WIPED = "wiped"
    UNRECOGNISED = "unrecognised"
    EVENT = "event"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one message that was asked for."""

    message_id: str
    delivery_id: str | None = None
    """The new delivery's, or that of the one under way."""
    skip: Skip | None = None


def unknown(db: sqlite3.Connection, message_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no message has."""
    return [
        message_id
        for message_id in message_ids
        if db.execute("SELECT 1 FROM messages WHERE id = ?", (message_id,)).fetchone() is None
    ]


def own_form(
    endpoint: Endpoint, tenant: Tenant, message: Message, kept: bytes | None
) -> bytes | None:
    """An endpoint's own form of a message; None where it is the general one, which was `kept`.

    For send(). The routing is named where it would have matched, though it was not asked.
    """
    rule = routing.compile(endpoint.routing).rule_id(message)
    if rule is None and endpoint.numbers is Numbers.E164 and kept is not None:
        return None
    return message_received(message, tenant, endpoint.numbers, rule_id=rule)


def send(
    db: sqlite3.Connection,
    message_ids: Sequence[str],
    endpoint_id: str,
    *,
    now: int,
    new_id: Callable[[], str],
    write: Callable[[Message, bytes | None], bytes | None],
) -> list[Sent]:
    """Make a delivery of each message for one endpoint; ids that no message has are left out.

    `write` gives the endpoint's own form of a message, whose general one it is told, or None where
    that will do. Age and order count from `now` (UTC ms). A running service notices.
    """
    sent = [
        one
        for message_id in message_ids
        if (one := _send(db, message_id, endpoint_id, now, new_id, write)) is not None
    ]
    if any(one.skip is None for one in sent):
        db.execute("UPDATE revision SET number = number + 1")
    return sent


def _send(
    db: sqlite3.Connection,
    message_id: str,
    endpoint_id: str,
    now: int,
    new_id: Callable[[], str],
    write: Callable[[Message, bytes | None], bytes | None],
) -> Sent | None:
    found = messages.get(db, message_id)
    if found is None:
        return None
    message = found.message
    if (skip := _unfit(db, message)) is not None:
        return Sent(message_id=message_id, skip=skip)
    earlier = db.execute(
        "SELECT id, state, payload FROM deliveries WHERE message_id = ? AND endpoint_id = ?"
        " ORDER BY id DESC",
        (message_id, endpoint_id),
    ).fetchall()
    for delivery_id, state, _ in earlier:
        if state in ("pending", "in_flight"):
            return Sent(message_id=message_id, delivery_id=delivery_id, skip=Skip.UNDER_WAY)
    own = earlier[0][2] if earlier else write(message, found.payload)
    new = NewDelivery(
        id=new_id(),
        message_id=message_id,
        endpoint_id=endpoint_id,
        sender=message.sender or "",
        trigger=Trigger.SEND,
        created_at=now,
        payload=own,
    )
    outbox.add(db, new)
    return Sent(message_id=message_id, delivery_id=new.id)


def _unfit(db: sqlite3.Connection, message: Message) -> Skip | None:
    """Why a message can never be sent; None when it can."""
    if message.kind is Kind.UNRECOGNISED:
        return Skip.UNRECOGNISED
    if message.kind is Kind.EVENT:
        return Skip.EVENT
    if message.test:
        return Skip.TEST
    (wiped_at,) = db.execute("SELECT wiped_at FROM messages WHERE id = ?", (message.id,)).fetchone()
    return None if wiped_at is None else Skip.WIPED


def has_gone(db: sqlite3.Connection, message_id: str, endpoint_id: str) -> bool:
    """Whether a message has a delivery for an endpoint, whatever became of it."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE message_id = ? AND endpoint_id = ?)",
        (message_id, endpoint_id),
    ).fetchone()
    return bool(found)


def has_arrived(db: sqlite3.Connection, message_id: str) -> bool:
    """Whether any endpoint has taken a message."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE message_id = ? AND state = 'delivered')",
        (message_id,),
    ).fetchone()
    return bool(found)


def ever_delivered(db: sqlite3.Connection, endpoint_id: str) -> bool:
    """Whether anything but tests has arrived at an endpoint, as far as figures go back."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM endpoint_hours WHERE endpoint_id = ? AND delivered > 0)",
        (endpoint_id,),
    ).fetchone()
    return bool(found)
