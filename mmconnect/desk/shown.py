"""Values as the REST API and `--json` name them: camelCase, times in UTC with milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from mmconnect.domain.clock import iso
from mmconnect.domain.models import Attempt, Condition, Delivery, Device, Endpoint, Routing
from mmconnect.store.devices import Presence
from mmconnect.store.messages import StoredMessage
from mmconnect.store.replays import Replay
from mmconnect.webhook import headers, schedule, trust

if TYPE_CHECKING:  # every command imports this, and few need those
    from mmconnect.desk.delivery_page import Requests
    from mmconnect.webhook.as_sent import Request, Sent

MASKED = headers.MASKED


def endpoint(value: Endpoint, waiting: int) -> dict[str, Any]:
    """An endpoint, without its secrets; `schedule` is the one that applies, in seconds."""
    return {
        "id": value.id,
        "name": value.name,
        "url": url(value),
        "state": value.state.value,
        "heldClass": value.held_class,
        "heldReason": value.held_reason,
        "heldAt": moment(value.held_at),
        "numbers": value.numbers.value,
        "events": sorted(value.events),
        "maxAge": value.max_age,
        "plainHeaders": value.plain_headers,
        "concurrency": value.concurrency,
        "schedule": list(value.schedule or schedule.DEFAULT),
        "strictOrder": value.strict_order,
        "headers": {name: MASKED for name, _ in value.headers},
        "routing": _routing(value.routing),
        "ca": None if value.ca is None else _authority(value.ca),
        "plainHttp": value.plain_http,
        "alert": value.alert,
        "waiting": waiting,
        "createdAt": iso(value.created_at),
    }


def url(value: Endpoint) -> str:
    """Where its texts go; of the alert URL, only what `settings list` shows of it."""
    return without_secrets(value.url) if value.alert else value.url


def without_secrets(url: str) -> str:
    """A URL without what may be secret in it: name and password, and the query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = "…@" if "@" in parts.netloc else ""
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, user + host, parts.path, query, ""))


def _routing(value: Routing) -> dict[str, Any]:
    def conditions(them: Iterable[Condition]) -> list[dict[str, str]]:
        return [{"match": c.match.value, "value": c.value} for c in them]

    return {
        "id": value.id,
        "devices": sorted(value.devices),
        "sims": sorted(value.sims),
        "senders": conditions(value.senders),
        "texts": conditions(value.texts),
    }


def _authority(pem: str) -> dict[str, Any]:
    described = trust.authority(pem)
    return {"subject": described.subject, "expiresAt": moment(described.expires_at)}


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
        "lastHeardAt": moment(seen.last_heard_at),
        "lastAddress": seen.last_address,
        "userAgent": seen.user_agent,
        "rejected": seen.rejected,
        "rejectedAt": moment(seen.rejected_at),
        "rejectedReason": seen.rejected_reason,
        "createdAt": iso(value.created_at),
    }


def message(stored: StoredMessage, deliveries: int) -> dict[str, Any]:
    """A message, with the names of the webhook, and how many deliveries it has."""
    value = stored.message
    shown: dict[str, Any] = {
        "id": value.id,
        "kind": value.kind.value,
        "from": value.sender,
        "fromRaw": value.sender_raw,
        "to": value.recipient,
        "text": value.text,
        "ref": value.ref,
        "sentAt": moment(value.sent_at),
        "receivedAt": iso(value.received_at),
        "deviceId": value.device_id,
        "deviceName": value.device_name,
        "sim": value.sim,
        "test": value.test,
        "duplicates": stored.duplicates,
        "note": stored.note,
        "wipedAt": moment(stored.wiped_at),
        "deliveryCount": deliveries,
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
        "nextAttemptAt": moment(value.due_at),
        "createdAt": iso(value.created_at),
        "finishedAt": moment(value.finished_at),
        "note": value.note,
    }


def attempt(value: Attempt) -> dict[str, Any]:
    """One POST and its answer."""
    return {
        "number": value.number,
        "startedAt": iso(value.started_at),
        "count": value.count,
        "lastAt": moment(value.last_at),
        "durationMs": value.duration_ms,
        "outcome": value.outcome,
        "status": value.status,
        "error": value.error,
        "note": value.note,
        "address": value.address,
        "responseHeaders": value.response_headers,
        "responseBody": value.response_body,
    }


def requests(whole: Requests) -> dict[str, Any]:
    """What the attempts of a delivery have sent; a request that is not known is null."""

    def headers(request: Request) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in request.headers]

    def one(sent: Sent | None) -> dict[str, Any] | None:
        if sent is None:
            return None
        repeat = None if sent.repeat is None else headers(sent.repeat)
        return {"url": sent.first.url, "headers": headers(sent.first), "repeatHeaders": repeat}

    return {
        "body": None if whole.body is None else whole.body.decode("utf-8", "replace"),
        "attempts": [{"number": n, "request": one(sent)} for n, sent in whole.sent],
    }


def replay(value: Replay) -> dict[str, Any]:
    """An order to send many deliveries again; several states are joined by commas."""
    f = value.filter
    return {
        "id": value.id,
        "state": value.state.value,
        "total": value.total,
        "done": value.done,
        "skipped": value.skipped,
        "filter": {
            "state": ",".join(sorted(f.states)) or None,
            "endpointId": f.endpoint_id,
            "since": moment(f.since),
            "until": moment(f.until),
        },
        "createdAt": iso(value.created_at),
        "finishedAt": moment(value.finished_at),
    }


def moment(ms: int | None) -> str | None:
    """A moment (UTC ms) as JSON has it; None for None."""
    return None if ms is None else iso(ms)
