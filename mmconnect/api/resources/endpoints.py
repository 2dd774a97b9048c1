"""`/v1/endpoints`: the URLs that receive webhooks, listed, added, changed and removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmconnect.api import pages, problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.shapes import endpoint as shape
from mmconnect.desk import endpoints as desk
from mmconnect.desk import shown
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import EVERYTHING, Condition, Endpoint, Match, Numbers, Routing
from mmconnect.store import backlog, endpoints

_NAMES = {
    "maxAge": "max_age",
    "strictOrder": "strict_order",
    "plainHeaders": "plain_headers",
    "plainHttp": "plain_http",
}


def change_of(given: Mapping[str, Any], present: Endpoint | None) -> EndpointChange:
    """What a body asks for; `present` is the endpoint that it changes. Raises Invalid."""
    made: dict[str, Any] = {_NAMES.get(name, name): value for name, value in given.items()}
    if "numbers" in made:
        made["numbers"] = Numbers(made["numbers"])
    if made.get("schedule") is not None:
        made["schedule"] = tuple(made["schedule"])
    if "headers" in made:
        made["headers"] = _headers(() if present is None else present.headers, made["headers"])
    if "routing" in made:
        made["routing"] = routing_of(made["routing"])
    return EndpointChange(**made)


def routing_of(given: Mapping[str, Any] | None) -> Routing:
    """A routing as a body has it."""
    if given is None:
        return EVERYTHING

    def conditions(name: str) -> tuple[Condition, ...]:
        return tuple(
            Condition(match=Match(one["match"]), value=one["value"]) for one in given.get(name, ())
        )

    return Routing(
        devices=frozenset(given.get("devices", ())),
        sims=frozenset(given.get("sims", ())),
        senders=conditions("senders"),
        texts=conditions("texts"),
    )


def _headers(
    present: tuple[tuple[str, str], ...], given: Mapping[str, str | None]
) -> tuple[tuple[str, str], ...]:
    """The headers with those added, replaced, taken away (null), or left as they are (`***`)."""
    held = {name.lower(): (name, value) for name, value in present}
    for name, value in given.items():
        if value == shown.MASKED:
            if name.lower() not in held:
                message = f"Write its value: {shown.MASKED} leaves one as it is that is there"
                raise Invalid(Issue(path=f"headers.{name}", message=message))
        elif value is None:
            held.pop(name.lower(), None)
        else:
            held[name.lower()] = (name, value)
    return tuple(held.values())


async def _list(call: Call) -> Reply:
    def look(db: Any) -> list[tuple[Endpoint, int]]:
        return [(one, backlog.waiting(db, one.id)) for one in endpoints.known(db)]

    found = await call.desk.database.read(look)
    page, cursor = pages.cut(found, call.query, lambda item: item[0].id)
    return Reply(body=pages.page([shown.endpoint(*one) for one in page], cursor))


async def _get(call: Call) -> Reply:
    return Reply(
        body=await call.desk.database.read(
            lambda db: shown.endpoint(desk.found(db, call.id), backlog.waiting(db, call.id))
        )
    )


async def _add(call: Call) -> Reply:
    given = dict(call.body)
    secret = given.pop("secret", None)
    change, now = change_of(given, None), call.desk.clock.now()
    made = await call.desk.change(
        lambda db: desk.add(db, change, secret=secret, ids=call.desk.ids, now=now, by=call.actor)
    )
    body = {**shown.endpoint(made, 0), "secret": made.secrets[0].value}
    return Reply(status=201, body=body, location=f"/endpoints/{made.id}")


async def _change(call: Call) -> Reply:
    def change(db: Any) -> dict[str, Any]:
        wanted = change_of(call.body, desk.found(db, call.id))
        now = call.desk.clock.now()
        _, after = desk.update(db, call.id, wanted, ids=call.desk.ids, now=now, by=call.actor)
        return shown.endpoint(after, backlog.waiting(db, call.id))

    return Reply(body=await call.desk.change(change))


async def _remove(call: Call) -> Reply:
    cancelled = await desk.remove(call.desk.change, call.id, clock=call.desk.clock, by=call.actor)
    return Reply(body={"id": call.id, "removed": True, "cancelled": cancelled})


WITH_SECRET = schema.record(
    {
        **shape.ENDPOINT["properties"],
        "secret": schema.text("The signing secret; shown this once."),
    }
)
ENDPOINT = Answer(means="The endpoint.", schema=schema.ref("Endpoint"), example=shape.EXAMPLE)
ID = "The endpoint's `ep_…`."

OPERATIONS = (
    Operation(
        method="GET",
        path="/endpoints",
        name="listEndpoints",
        tag=Tag.ENDPOINTS,
        summary="All endpoints",
        description="In the order that people see them in.",
        handler=_list,
        query=pages.PARAMETERS,
        answers={
            200: Answer(
                means="A page of endpoints.",
                schema=pages.of(schema.ref("Endpoint")),
                example={"items": [shape.EXAMPLE]},
            )
        },
    ),
    Operation(
        method="POST",
        path="/endpoints",
        name="addEndpoint",
        tag=Tag.ENDPOINTS,
        summary="Add an endpoint",
        description="It gets every text from now on. Its signing secret is in the answer, and in no"
        " later one.",
        handler=_add,
        scope=Scope.WRITE,
        body=Body(
            schema=schema.ref("EndpointAdded"),
            example={"url": "https://crm.example.com/inbound-sms", "name": "CRM"},
        ),
        answers={
            201: Answer(
                means="The endpoint, with its secret.",
                schema=WITH_SECRET,
                example={**shape.EXAMPLE, "secret": shape.SECRET},
            )
        },
    ),
    Operation(
        method="GET",
        path="/endpoints/{id}",
        name="getEndpoint",
        tag=Tag.ENDPOINTS,
        summary="One endpoint",
        handler=_get,
        id_means=ID,
        answers={200: ENDPOINT},
    ),
    Operation(
        method="PATCH",
        path="/endpoints/{id}",
        name="changeEndpoint",
        tag=Tag.ENDPOINTS,
        summary="Change an endpoint",
        description="What is left out stays as it is. It counts from the next attempt on.",
        handler=_change,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(
            schema=schema.ref("EndpointChanged"), example={"maxAge": 900, "strictOrder": True}
        ),
        answers={200: ENDPOINT},
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="DELETE",
        path="/endpoints/{id}",
        name="removeEndpoint",
        tag=Tag.ENDPOINTS,
        summary="Remove an endpoint",
        description="What waits for it is cancelled, and stays visible.",
        handler=_remove,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="It is gone.",
                schema=schema.record(
                    {
                        "id": schema.text(),
                        "removed": schema.boolean(),
                        "cancelled": schema.integer("Deliveries that waited."),
                    }
                ),
                example={"id": shape.ID, "removed": True, "cancelled": 0},
            )
        },
        errors=(problems.CONFLICT,),
    ),
)
SCHEMAS = {
    "Endpoint": shape.ENDPOINT,
    "EndpointAdded": shape.ADDED,
    "EndpointChanged": shape.CHANGED,
}
