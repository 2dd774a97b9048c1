"""An endpoint, as answers have it and as requests set it."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.api.schema import Schema
from mmconnect.desk import endpoint_values as values
from mmconnect.domain.models import EndpointState, Numbers
from mmconnect.webhook import headers, payload, routing, trust

ID = "ep_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"
SECRET = "whsec_bW1jb25uZWN0LWV4YW1wbGUtc2VjcmV0LTMyLWJ5dGU="  # noqa: S105 (an example)

NAME = schema.text("For people.", least=1, most=values.LONGEST_NAME)
URL = schema.text(
    "Where its texts go: `https://HOST/…` or `http://HOST/…`.",
    most=values.LONGEST_URL,
    pattern="^[Hh][Tt][Tt][Pp][Ss]?://",
    examples=["https://HOST/…"],
)
NUMBERS = schema.choice(
    *(n.value for n in Numbers),
    description="Phone numbers with `+` (`e164`) or without (`digits`).",
)
EVENTS = schema.array(
    schema.choice(*payload.EVENTS), "What it gets.", least=1, most=50, uniqueItems=True
)
MAX_AGE = schema.integer(
    "Seconds after which an undelivered text expires.", least=1, most=values.LONGEST_AGE
)
SCHEDULE = schema.array(
    schema.integer(least=0, most=values.LONGEST_WAIT),
    "Seconds before each attempt of a delivery, the first of them 0.",
    least=1,
    most=values.MOST_ATTEMPTS,
)
CONCURRENCY = schema.integer(
    "POSTs in flight at once at the most.", least=1, most=values.MOST_CONCURRENT
)
STRICT = schema.boolean("Whether a text that fails holds up its sender's later ones.")
PLAIN_HEADERS = schema.boolean("Whether the plain signature headers are sent.")
PLAIN_HTTP = schema.boolean("Consent to http without TLS beyond your own network.")


def _condition(kinds: tuple[Any, ...]) -> Schema:
    return schema.record(
        {
            "match": schema.choice(*(kind.value for kind in kinds)),
            "value": schema.text(least=1, most=routing.LONGEST_VALUE),
        }
    )


_ROUTING = {
    "devices": schema.array(
        schema.text(most=100), "Ids of phones; empty: all.", most=50, uniqueItems=True
    ),
    "sims": schema.array(
        schema.integer(least=1, most=routing.LAST_SIM),
        "SIMs, from 1; empty: all.",
        most=50,
        uniqueItems=True,
    ),
    "senders": schema.array(
        _condition(routing.SENDER_MATCHES),
        "Any one suffices; empty: all.",
        most=routing.MOST_CONDITIONS,
    ),
    "texts": schema.array(
        _condition(routing.TEXT_MATCHES),
        "Any one suffices; empty: all.",
        most=routing.MOST_CONDITIONS,
    ),
}
ROUTING = schema.record(
    {
        "id": schema.nullable(schema.text("`rule_…`: `matchedRuleId` of its webhooks.")),
        **_ROUTING,
    },
    "Which texts it wants: those that fit all four.",
)
GIVEN_ROUTING = schema.record(
    _ROUTING,
    "Which texts it wants: those that fit all four. What is left out is not asked for.",
    optional=tuple(_ROUTING),
)

ENDPOINT = schema.record(
    {
        "id": schema.text("`ep_…`"),
        "name": schema.text("For people."),
        "url": schema.text("Where its texts go; of the alert URL without what may be secret."),
        "state": schema.choice(
            *(s.value for s in EndpointState),
            description="`active`; `held`: it cannot be reached or refuses, texts wait and it is"
            " probed; `paused`: a person let texts wait.",
        ),
        "heldClass": schema.nullable(schema.text("Why it is held, in a word.")),
        "heldReason": schema.nullable(schema.text("Why it is held, and what to do.")),
        "heldAt": schema.nullable(schema.moment("Since when it is held.")),
        "numbers": NUMBERS,
        "events": schema.array(schema.text(), "What it gets."),
        "maxAge": schema.integer("Seconds after which an undelivered text expires."),
        "plainHeaders": PLAIN_HEADERS,
        "concurrency": schema.integer("POSTs in flight at once at the most."),
        "schedule": schema.array(schema.integer(), "Seconds before each attempt of a delivery."),
        "strictOrder": STRICT,
        "headers": schema.table(schema.text(), "Its own headers; their values are not shown."),
        "routing": ROUTING,
        "ca": schema.nullable(
            schema.record(
                {
                    "subject": schema.nullable(schema.text()),
                    "expiresAt": schema.nullable(schema.moment()),
                },
                "The private CA that is trusted for it.",
            )
        ),
        "plainHttp": PLAIN_HTTP,
        "alert": schema.boolean("Whether it is the alert URL of the settings."),
        "waiting": schema.integer("Deliveries that wait."),
        "createdAt": schema.moment(),
    }
)
EXAMPLE: dict[str, Any] = {
    "id": ID,
    "name": "crm.example.com",
    "url": "https://crm.example.com/inbound-sms",
    "state": "active",
    "heldClass": None,
    "heldReason": None,
    "heldAt": None,
    "numbers": "e164",
    "events": ["message.received"],
    "maxAge": 1209600,
    "plainHeaders": True,
    "concurrency": 64,
    "schedule": [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
    "strictOrder": False,
    "headers": {},
    "routing": {"id": None, "devices": [], "sims": [], "senders": [], "texts": []},
    "ca": None,
    "plainHttp": False,
    "alert": False,
    "waiting": 0,
    "createdAt": "2026-06-12T14:32:00.000Z",
}

SETTABLE: dict[str, Schema] = {
    "name": NAME,
    "numbers": NUMBERS,
    "events": EVENTS,
    "maxAge": MAX_AGE,
    "schedule": schema.nullable(SCHEDULE),
    "concurrency": CONCURRENCY,
    "strictOrder": STRICT,
    "plainHeaders": PLAIN_HEADERS,
    "plainHttp": PLAIN_HTTP,
    "headers": schema.table(
        schema.nullable(schema.text(most=headers.LONGEST_VALUE)),
        "Headers of your own to add or replace; null takes one away, `***` leaves one as it is.",
        maxProperties=headers.MOST,
        propertyNames=schema.text(
            most=headers.LONGEST_NAME,
            pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
            examples=["X-Api-Key"],
        ),
    ),
    "routing": schema.nullable(GIVEN_ROUTING),
    "ca": schema.nullable(
        schema.text(
            "PEM of a private CA to trust for it.",
            most=trust.LONGEST,
            pattern="-----BEGIN CERTIFICATE-----",
            examples=["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----"],
        )
    ),
}
OWN_SECRET = schema.text(
    "Bring your own signing secret, of 16 bytes or more.", most=500, writeOnly=True
)
ADDED = schema.record(
    {"url": URL, **SETTABLE, "secret": OWN_SECRET}, optional=(*SETTABLE, "secret")
)
CHANGED = schema.record({"url": URL, **SETTABLE}, optional=("url", *SETTABLE), least=1)
