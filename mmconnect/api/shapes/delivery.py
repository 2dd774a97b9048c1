"""Deliveries, their attempts, and orders to send many of them again."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.desk import deliveries
from mmconnect.domain.models import DeliveryState, Trigger
from mmconnect.store.replays import ReplayState
from mmconnect.webhook.outcome import OutcomeClass

ID = "dlv_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"
REPLAY_ID = "rpl_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"

STATES = [state.value for state in DeliveryState]
REPEATABLE = [state.value for state in deliveries.REPEATABLE]

_FACTS = {
    "id": schema.text("`dlv_…`"),
    "messageId": schema.text(),
    "endpointId": schema.text(),
    "state": schema.choice(*STATES),
    "trigger": schema.choice(
        *(t.value for t in Trigger), description="Why there is this delivery."
    ),
    "attempts": schema.integer("POSTs so far, over all replays."),
    "nextAttemptAt": schema.nullable(schema.moment("While it is pending.")),
    "createdAt": schema.moment(),
    "finishedAt": schema.nullable(schema.moment()),
    "note": schema.nullable(schema.text("Why it ended, where no attempt tells.")),
}
DELIVERY = schema.record(_FACTS)
WHOLE = schema.record(
    {**_FACTS, "attemptList": schema.array(schema.ref("Attempt"), "First to last.")}
)
ATTEMPT = schema.record(
    {
        "number": schema.integer("From 1, over all replays."),
        "startedAt": schema.moment(),
        "count": schema.integer("More than 1 for a row of failed probes."),
        "lastAt": schema.nullable(schema.moment("When the last of such a row began.")),
        "durationMs": schema.nullable(schema.integer()),
        "outcome": schema.text(
            f"{', '.join(f'`{one.value}`' for one in OutcomeClass)}, or `interrupted`."
        ),
        "status": schema.nullable(schema.integer("Of the answer.")),
        "error": schema.nullable(schema.text("What went wrong and what to do; null on success.")),
        "note": schema.nullable(schema.text()),
        "address": schema.nullable(schema.text("The address connected to, `ip:port`.")),
        "responseHeaders": schema.nullable(schema.text()),
        "responseBody": schema.nullable(schema.text("Its beginning.")),
    }
)
_HEADERS = schema.array(
    schema.record({"name": schema.text(), "value": schema.text()}), "In the order sent."
)
REQUESTS = schema.record(
    {
        "body": schema.nullable(schema.text("Of each request; null when the text was wiped.")),
        "attempts": schema.array(
            schema.record(
                {
                    "number": schema.integer("As in the delivery's `attemptList`."),
                    "request": schema.nullable(
                        schema.record(
                            {
                                "url": schema.text("Without name and password."),
                                "headers": _HEADERS,
                                "repeatHeaders": schema.nullable(_HEADERS),
                            },
                            "As it was sent. The values of headers of your own are `***`."
                            " `repeatHeaders`: of the second request, which goes out at once with"
                            " the previous secret when the first is not accepted in a rotation."
                            " Null when it is not known: an older version's, or not kept any more.",
                        )
                    ),
                }
            ),
            "First to last.",
        ),
    }
)
REPLAY = schema.record(
    {
        "id": schema.text("`rpl_…`"),
        "state": schema.choice(*(s.value for s in ReplayState)),
        "total": schema.integer("Deliveries that matched when it was ordered."),
        "done": schema.integer("Offered again so far."),
        "skipped": schema.integer("Could not be, as their texts were wiped or they had changed."),
        "filter": schema.record(
            {
                "state": schema.nullable(schema.text("Several are joined by commas.")),
                "endpointId": schema.nullable(schema.text()),
                "since": schema.nullable(schema.moment()),
                "until": schema.nullable(schema.moment()),
            }
        ),
        "createdAt": schema.moment(),
        "finishedAt": schema.nullable(schema.moment()),
    }
)

EXAMPLE: dict[str, Any] = {
    "id": ID,
    "messageId": "msg_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
    "endpointId": "ep_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
    "state": "delivered",
    "trigger": "push",
    "attempts": 1,
    "nextAttemptAt": None,
    "createdAt": "2026-06-12T14:32:00.000Z",
    "finishedAt": "2026-06-12T14:32:00.041Z",
    "note": None,
}
ATTEMPT_EXAMPLE: dict[str, Any] = {
    "number": 1,
    "startedAt": "2026-06-12T14:32:00.002Z",
    "count": 1,
    "lastAt": None,
    "durationMs": 39,
    "outcome": "delivered",
    "status": 200,
    "error": None,
    "note": None,
    "address": "192.168.1.20:443",
    "responseHeaders": "content-type: text/plain",
    "responseBody": "ok",
}
REQUESTS_EXAMPLE: dict[str, Any] = {
    "body": '{"event":"message.received","id":"msg_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"}',
    "attempts": [
        {
            "number": 1,
            "request": {
                "url": "https://192.168.1.20/hook",
                "headers": [
                    {"name": "Host", "value": "192.168.1.20"},
                    {"name": "webhook-id", "value": "msg_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"},
                ],
                "repeatHeaders": None,
            },
        }
    ],
}
WHOLE_EXAMPLE = {**EXAMPLE, "attemptList": [ATTEMPT_EXAMPLE]}
REPLAY_EXAMPLE: dict[str, Any] = {
    "id": REPLAY_ID,
    "state": "running",
    "total": 120,
    "done": 40,
    "skipped": 0,
    "filter": {
        "state": "failed",
        "endpointId": None,
        "since": "2026-06-12T00:00:00.000Z",
        "until": None,
    },
    "createdAt": "2026-06-13T08:00:00.000Z",
    "finishedAt": None,
}
