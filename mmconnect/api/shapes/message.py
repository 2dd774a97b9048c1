"""A message, as lists have it and as it is shown whole."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.api.shapes import delivery
from mmconnect.domain.models import Kind
from mmconnect.store.message_query import MessageState

ID = "msg_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"

_FACTS = {
    "id": schema.text("`msg_…`: the `id` of its webhooks, on every retry and replay."),
    "kind": schema.choice(
        *(k.value for k in Kind), description="`unrecognised`: a push that could not be understood."
    ),
    "from": schema.nullable(schema.text("E.164 where it can be, else as the phone gave it.")),
    "fromRaw": schema.nullable(schema.text("As the phone gave it, where that differs.")),
    "to": schema.nullable(schema.text("The phone's own number, where the phone says it.")),
    "text": schema.text("Empty once it was wiped."),
    "ref": schema.nullable(schema.text()),
    "sentAt": schema.nullable(schema.moment("When it was sent, as the phone says.")),
    "receivedAt": schema.moment("When mmconnect took it."),
    "deviceId": schema.nullable(schema.text("The phone; null for a test.")),
    "deviceName": schema.nullable(schema.text()),
    "sim": schema.nullable(schema.integer()),
    "test": schema.boolean(),
    "duplicates": schema.integer("How often it was pushed again."),
    "note": schema.nullable(schema.text("Why it was not understood.")),
    "wipedAt": schema.nullable(schema.moment("When its text was wiped.")),
    "deliveryCount": schema.integer("How many deliveries it has; 0 when no endpoint wanted it."),
    "subject": schema.nullable(schema.text("Only of an MMS.")),
    "attachments": schema.array(
        schema.record(
            {
                "name": schema.nullable(schema.text()),
                "contentType": schema.nullable(schema.text()),
                "size": schema.nullable(schema.integer("Bytes.")),
            }
        ),
        "Only of an MMS: what it held; the contents are not kept.",
    ),
}
_MMS = ("subject", "attachments")
_STATE = schema.choice(
    *(state.value for state in MessageState if state is not MessageState.TEST),
    description="What became of it, over all its deliveries.",
)
MESSAGE = schema.record({**_FACTS, "state": _STATE}, optional=_MMS)
WHOLE = schema.record(
    {
        **_FACTS,
        "raw": schema.nullable(schema.text("The push as the phone made it.")),
        "rawHeaders": schema.nullable(schema.text("Its headers, without secrets.")),
        "payload": schema.nullable(schema.text("The webhook's body, exactly as it is signed.")),
        "deliveries": schema.array(schema.ref("DeliveryWhole"), "Oldest first."),
    },
    optional=_MMS,
)

EXAMPLE: dict[str, Any] = {
    "id": ID,
    "kind": "sms",
    "from": "+6581230000",
    "fromRaw": None,
    "to": "+6591110000",
    "text": "balance",
    "ref": None,
    "sentAt": "2026-06-12T14:31:58.000Z",
    "receivedAt": "2026-06-12T14:32:00.000Z",
    "deviceId": "dev_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
    "deviceName": "Reception",
    "sim": 1,
    "test": False,
    "duplicates": 0,
    "note": None,
    "wipedAt": None,
    "deliveryCount": 1,
}
LISTED_EXAMPLE = {**EXAMPLE, "state": "delivered"}
WHOLE_EXAMPLE = {
    **EXAMPLE,
    "raw": '{"from":"81230000","text":"balance"}',
    "rawHeaders": '{"content-type":"application/json"}',
    "payload": '{"event":"message.received","id":"' + ID + '","kind":"sms"}',
    "deliveries": [delivery.WHOLE_EXAMPLE],
}
