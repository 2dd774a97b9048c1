"""The last text, sent to an endpoint that was added after it came: the quickest real trial.

Knows no pages. The text goes out as `message send` sends it.
"""

from __future__ import annotations

import sqlite3

from mmconnect.desk.actor import Actor
from mmconnect.desk.endpoints import found
from mmconnect.domain.ids import DELIVERY, Ids
from mmconnect.domain.models import Message
from mmconnect.store import deliveries, messages, sends, settings


def last_unsent(db: sqlite3.Connection, endpoint_id: str) -> Message | None:
    """The newest text, if this endpoint never got it."""
    newest = messages.recent(db, 1)
    if not newest:
        return None
    got = {delivery.endpoint_id for delivery in deliveries.of_message(db, newest[0].id)}
    return None if endpoint_id in got else newest[0]


def send_last(
    db: sqlite3.Connection, endpoint_id: str, *, ids: Ids, now: int, by: Actor
) -> str | None:
    """Send it, whatever the routing says; its id, or None where there is none. Raises NotFound."""
    endpoint, message = found(db, endpoint_id), last_unsent(db, endpoint_id)
    if message is None or endpoint.alert:
        return None
    tenant = settings.tenant(db)
    sends.send(
        db,
        [message.id],
        endpoint_id,
        now=now,
        new_id=lambda: ids.new(DELIVERY),
        write=lambda text, kept: sends.own_form(endpoint, tenant, text, kept),
    )
    by.note(db, now, "message.sent", message.id, f"to {endpoint.name}")
    return message.id
