"""Values as the REST API and `--json` name them: camelCase, times in UTC with milliseconds."""

from __future__ import annotations

from typing import Any

from mmconnect.domain.clock import iso
from mmconnect.domain.models import Attempt, Delivery, Device, Endpoint
from mmconnect.store.devices import Presence
from mmconnect.store.messages import StoredMessage


def endpoint(value: Endpoint, waiting: int) -> dict[str, Any]:
    """An endpoint, without its secrets."""
    return {
        "id": value.id,
        "name": value.name,
        "url": value.url,
        "state": value.state.value,
        "heldClass": value.held_class,
        "heldReason": value.held_reason,
        "numbers": value.numbers.value,
        "events": sorted(value.events),
        "maxAge": value.max_age,
        "plainHeaders": value.plain_headers,
        "concurrency": value.concurrency,
        "waiting": waiting,
        "alert": value.alert,
        "createdAt": iso(value.created_at),
    }


def device(value: Device, presence: Presence | None) -> dict[str, Any]:
    """A device, without its token and key."""
    seen = presence or Presence(device_id=value.id)
    return {
        "id": value.id,
        "name": value.name,
        "app": value.app,
        "country": value.country,
        "signed": value.signing_key is not None,
        "dedupeWindow": value.dedupe_window,
        "lastHeardAt": _time(seen.last_heard_at),
        "lastAddress": seen.last_address,
        "userAgent": seen.user_agent,
        "rejected": seen.rejected,
        "rejectedAt": _time(seen.rejected_at),
        "rejectedReason": seen.rejected_reason,
        "createdAt": iso(value.created_at),
    }


def message(stored: StoredMessage) -> dict[str, Any]:
    """A message, with the names of the webhook."""
    value = stored.message
    shown: dict[str, Any] = {
        "id": value.id,
        "kind": value.kind.value,
        "from": value.sender,
        "fromRaw": value.sender_raw,
        "to": value.recipient,
        "text": value.text,
        "ref": value.ref,
        "sentAt": _time(value.sent_at),
        "receivedAt": iso(value.received_at),
        "deviceId": value.device_id,
        "deviceName": value.device_name,
        "sim": value.sim,
        "test": value.test,
        "duplicates": stored.duplicates,
        "note": stored.note,
    }
    if value.attachments is not None:
        shown["subject"] = value.subject
        shown["attachments"] = [
            {"name": a.name, "contentType": a.content_type, "size": a.size}
            for a in value.attachments
        ]
    return shown


def delivery(value: Delivery) -> dict[str, Any]:
    """A delivery; `attempts` is how many POSTs there were."""
    return {
        "id": value.id,
        "messageId": value.message_id,
        "endpointId": value.endpoint_id,
        "state": value.state.value,
        "trigger": value.trigger.value,
        "attempts": value.attempts,
        "nextAttemptAt": _time(value.due_at),
        "createdAt": iso(value.created_at),
        "finishedAt": _time(value.finished_at),
    }


def attempt(value: Attempt) -> dict[str, Any]:
    """One POST and its answer."""
    return {
        "number": value.number,
        "startedAt": iso(value.started_at),
        "durationMs": value.duration_ms,
        "outcome": value.outcome,
        "status": value.status,
        "error": value.error,
        "address": value.address,
        "responseHeaders": value.response_headers,
        "responseBody": value.response_body,
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
