"""Everything that the API serves, in the order in which its page tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from mmconnect.api import schema
from mmconnect.api.document import document
from mmconnect.api.operation import Answer, Call, Operation, Reply, Tag
from mmconnect.api.problems import encoded
from mmconnect.api.resources import (
    appliance,
    audit,
    backups,
    configuration,
    deliveries,
    device_links,
    device_verbs,
    devices,
    endpoint_secrets,
    endpoint_verbs,
    endpoints,
    erasure,
    mapping,
    messages,
    replays,
    routing,
    settings,
    webhooks,
)
from mmconnect.api.schema import Schema, check


async def _openapi(call: Call) -> Reply:
    return Reply(body=_encoded(call.base))


@lru_cache(maxsize=2)
def _encoded(base: str) -> bytes:
    """Whoever reaches the address may ask for it as often as they like: it is made once."""
    return encoded(document(OPERATIONS, COMPONENTS, base))


OPERATIONS: tuple[Operation, ...] = (
    *endpoints.OPERATIONS,
    *endpoint_verbs.OPERATIONS,
    *endpoint_secrets.OPERATIONS,
    *routing.OPERATIONS,
    *messages.OPERATIONS,
    *erasure.OPERATIONS,
    *deliveries.OPERATIONS,
    *replays.OPERATIONS,
    *devices.OPERATIONS,
    *device_verbs.OPERATIONS,
    *device_links.OPERATIONS,
    *mapping.OPERATIONS,
    *webhooks.OPERATIONS,
    *settings.OPERATIONS,
    *configuration.OPERATIONS,
    *backups.OPERATIONS,
    *appliance.OPERATIONS,
    *audit.OPERATIONS,
    Operation(
        method="GET",
        path="/openapi.json",
        name="getDocument",
        tag=Tag.APPLIANCE,
        summary="This document",
        description="OpenAPI 3.1. `/docs` is the same as a page to read.",
        handler=_openapi,
        scope=None,
        answers={
            200: Answer(
                means="The document.",
                schema=schema.table({}),
                example={
                    "openapi": "3.1.0",
                    "info": {"title": "mmconnect"},
                },
            )
        },
    ),
)

COMPONENTS: Mapping[str, Schema] = {
    **endpoints.SCHEMAS,
    **messages.SCHEMAS,
    **deliveries.SCHEMAS,
    **replays.SCHEMAS,
    **devices.SCHEMAS,
    **settings.SCHEMAS,
    **configuration.SCHEMAS,
    **backups.SCHEMAS,
}


def checked() -> None:
    """Raise ValueError where a schema holds what is not understood here; for the tests."""
    for one in OPERATIONS:
        bodies = () if one.body is None else (one.body.schema,)
        answers = [answer.schema for answer in one.answers.values()]
        for held in (*one.query.values(), *bodies, *answers):
            check(held, COMPONENTS)
    for held in COMPONENTS.values():
        check(held, COMPONENTS)
