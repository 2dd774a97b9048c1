"""A device, as answers have it and as requests set it."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.api.schema import Schema
from mmconnect.desk import device_values as values

ID = "dev_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"

APP = schema.choice(
    *values.APP_NAMES, description="What pushes; `auto` goes by the shape of each push."
)
COUNTRY = schema.text(
    "Two letters: how numbers without `+` are read.", pattern="^[A-Za-z]{2}$", examples=["SG"]
)
MAPPING = schema.table(
    schema.text(least=1, most=values.LONGEST_PATH),
    "Where fields are in what it pushes: `from` is `data.sender`.",
    propertyNames=schema.choice(*values.FIELD_NAMES),
)
WINDOW = schema.integer(
    "Seconds in which the same push without id and time counts as a repetition; null: the app's"
    " own.",
    least=0,
    most=values.LONGEST_WINDOW,
)
SILENCE: Schema = {
    "anyOf": [
        schema.integer(least=values.SHORTEST_SILENCE, most=values.LONGEST_SILENCE),
        {"type": "integer", "enum": [0]},
        {"type": "null"},
    ],
    "description": "Seconds after which it counts as silent; 0: never; null: as its way of pushing"
    " says.",
}

_FACTS = {
    "id": schema.text("`dev_…`"),
    "name": schema.text("For people."),
    "app": schema.text("What pushes."),
    "country": schema.nullable(schema.text("How numbers without `+` are read.")),
    "signed": schema.boolean("Whether it has a key for signed pushes."),
    "dedupeWindow": schema.nullable(schema.integer("As it was set.")),
    "lastHeardAt": schema.nullable(schema.moment()),
    "lastAddress": schema.nullable(schema.text()),
    "userAgent": schema.nullable(schema.text()),
    "rejected": schema.integer("Pushes that were refused."),
    "rejectedAt": schema.nullable(schema.moment()),
    "rejectedReason": schema.nullable(schema.text()),
    "createdAt": schema.moment(),
    "way": schema.choice("push", "pull"),
    "pushBase": schema.text("Where it pushes to, or should: the beginning of its push URL."),
    "appVersion": schema.nullable(schema.text()),
    "battery": schema.nullable(schema.integer("Percent.")),
    "charging": schema.nullable(schema.boolean()),
    "network": schema.nullable(schema.text()),
    "lastBeatAt": schema.nullable(schema.moment("When its last heartbeat came.")),
    "silentAfter": schema.nullable(
        schema.integer("Seconds after which it counts as silent; null: never.")
    ),
    "silentSince": schema.nullable(schema.moment("Null while it is not silent.")),
    "unrecognised": schema.integer("Pushes that could not be understood, and were kept."),
    "loss": schema.nullable(schema.text("What is lost while mmconnect is away.")),
    "notes": schema.array(schema.text(), "What should be done, in sentences."),
}
DEVICE = schema.record(_FACTS)
WHOLE = schema.record(
    {
        **_FACTS,
        "mapping": schema.table(schema.text(), "Where fields are in what it pushes."),
        "textsToday": schema.integer("Since midnight where the machine stands."),
        "link": schema.nullable(
            schema.table({}, "How it is fetched from; null for a phone that pushes.")
        ),
        "events": schema.array(
            schema.record(
                {
                    "name": schema.text(),
                    "receivedAt": schema.moment(),
                    "detail": {"description": "As the phone gave it."},
                }
            ),
            "What it last told of itself, newest first.",
        ),
    }
)
_PAIRING = {
    "pairUrl": schema.text("The page that sets the phone up, step by step."),
    "pairCode": schema.text("To be typed on that page."),
    "pairExpiresAt": schema.moment(),
}
GIVEN = schema.record(
    {
        "id": schema.text(),
        "name": schema.text(),
        "app": schema.text(),
        "token": schema.text("Shown this once: what it pushes with."),
        "pushUrl": schema.text("Where it pushes to, with the token."),
        **_PAIRING,
    }
)
PAIRED = schema.record({"id": schema.text(), **_PAIRING})

SETTABLE = {
    "app": APP,
    "country": schema.nullable(COUNTRY),
    "signingKey": schema.nullable(
        schema.text(
            "The app's key for signed pushes; unsigned ones are then refused.",
            least=1,
            most=values.LONGEST_KEY,
            writeOnly=True,
        )
    ),
    "mapping": MAPPING,
    "dedupeWindow": schema.nullable(WINDOW),
    "silentAfter": SILENCE,
}
NAME = schema.text("For people: Reception, Pixel 6, …", least=1, most=values.LONGEST_NAME)
ADDED = schema.record({"name": NAME, **SETTABLE}, optional=tuple(SETTABLE))
CHANGED = schema.record({"name": NAME, **SETTABLE}, optional=("name", *SETTABLE), least=1)

EXAMPLE: dict[str, Any] = {
    "id": ID,
    "name": "Reception",
    "app": "incoming_sms",
    "country": "SG",
    "signed": False,
    "dedupeWindow": None,
    "lastHeardAt": "2026-06-12T14:32:00.000Z",
    "lastAddress": "192.168.1.23",
    "userAgent": "okhttp/4.12.0",
    "rejected": 0,
    "rejectedAt": None,
    "rejectedReason": None,
    "createdAt": "2026-06-01T08:00:00.000Z",
    "way": "push",
    "pushBase": "http://192.168.1.10:8481",
    "appVersion": None,
    "battery": 80,
    "charging": False,
    "network": "wifi",
    "lastBeatAt": None,
    "silentAfter": None,
    "silentSince": None,
    "unrecognised": 0,
    "loss": None,
    "notes": [],
}
WHOLE_EXAMPLE = {**EXAMPLE, "mapping": {}, "textsToday": 4, "link": None, "events": []}
PAIRED_EXAMPLE = {
    "id": ID,
    "pairUrl": "http://192.168.1.10:8481/pair/K7MQ2XWD",
    "pairCode": "K7MQ-2XWD",
    "pairExpiresAt": "2026-06-12T15:02:00.000Z",
}
GIVEN_EXAMPLE = {
    **PAIRED_EXAMPLE,
    "name": "Reception",
    "app": "incoming_sms",
    "token": "3J8sVq0Y7tNw2Lk9Xc5B",
    "pushUrl": "http://192.168.1.10:8481/in/3J8sVq0Y7tNw2Lk9Xc5B",
}
