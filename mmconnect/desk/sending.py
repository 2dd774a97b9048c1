"""Texts that somebody picks for an endpoint, whoever asks: who may get them, and what came of it.

sendable() first; then some() for a chunk of them in each write, so that texts come between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from mmconnect.desk import endpoints, named
from mmconnect.desk.actor import Actor
from mmconnect.domain.errors import Refused
from mmconnect.domain.ids import DELIVERY, Ids
from mmconnect.domain.models import Endpoint
from mmconnect.store import sends, settings
from mmconnect.store.sends import CHUNK, Sent, Skip

__all__ = [
    "CHUNK",
    "REASONS",
    "Sent",
    "Skip",
    "as_json",
    "reason",
    "refusal",
    "sendable",
    "some",
]

REASONS: Mapping[Skip, str] = {
    Skip.UNDER_WAY: "it is on its way to that endpoint already",
    Skip.WIPED: "its text was wiped, so there is nothing left to send",
    Skip.UNRECOGNISED: "it was not understood, so there is no text to send",
    Skip.EVENT: "it is an event of mmconnect's own, not a text",
    Skip.TEST: "it is a test, which is sent only once",
}
"""Why a message got no new delivery; follows its id."""


def sendable(db: sqlite3.Connection, message_ids: Sequence[str], endpoint_id: str) -> Endpoint:
    """The endpoint that these are for. Raises NotFound, and Refused for the alert URL."""
    endpoint = endpoints.found(db, endpoint_id)
    if endpoint.alert:
        raise Refused(f"{endpoint.name} is the alert URL, which never gets texts")
    named.messages(db, message_ids)
    return endpoint


def some(
    db: sqlite3.Connection,
    message_ids: Sequence[str],
    endpoint: Endpoint,
    *,
    ids: Ids,
    now: int,
    by: Actor,
) -> list[Sent]:
    """A delivery of each for the endpoint, made at `now` (UTC ms), whatever its routing says."""
    tenant = settings.tenant(db)
    sent = sends.send(
        db,
        message_ids,
        endpoint.id,
        now=now,
        new_id=lambda: ids.new(DELIVERY),
        write=lambda message, kept: sends.own_form(endpoint, tenant, message, kept),
    )
    if made := sum(one.skip is None for one in sent):
        by.note(db, now, "message.sent", endpoint.id, f"{made} to {endpoint.name}")
    return sent


def reason(one: Sent, reasons: Mapping[Skip, str] = REASONS) -> str:
    """Why a message got no new delivery, as a sentence without its end."""
    return f"{one.message_id} was not sent: {reasons[one.skip or Skip.UNDER_WAY]}"


def refusal(sent: Sequence[Sent], reasons: Mapping[Skip, str] = REASONS) -> str | None:
    """Why nothing at all was sent; None when something was, or is on its way."""
    refused = [one for one in sent if one.skip not in (None, Skip.UNDER_WAY)]
    if not refused or len(refused) < len(sent):
        return None
    return ". ".join(reason(one, reasons) for one in refused[:3])


def as_json(endpoint: Endpoint, sent: Sequence[Sent]) -> dict[str, Any]:
    """What came of it, as the API and `--json` have it."""
    return {
        "endpointId": endpoint.id,
        "sent": [
            {"messageId": one.message_id, "deliveryId": one.delivery_id}
            for one in sent
            if one.skip is None
        ],
        "skipped": [
            {"messageId": one.message_id, "deliveryId": one.delivery_id, "reason": one.skip.value}
            for one in sent
            if one.skip is not None
        ],
    }
