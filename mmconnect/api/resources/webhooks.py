"""`/v1/webhooks`: the one webhook for everything, as the hosted service has it.

It is an endpoint like any other, found by the id that the first PUT notes; when that endpoint is
removed there is none, and the next PUT makes one. Numbers have no `+`, as that service writes.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.problems import Problem
from mmconnect.api.shapes import endpoint as shape
from mmconnect.desk import endpoints as desk
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.desk.keys import Scope
from mmconnect.domain.models import Endpoint, EndpointState, Numbers
from mmconnect.store import endpoints, settings

NAME = "Webhook"


def _find(db: sqlite3.Connection) -> Endpoint | None:
    noted = settings.value(db, settings.WEBHOOK)
    return None if noted is None else endpoints.get(db, noted)


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "enabled": endpoint.state is not EndpointState.PAUSED,
    }


async def _get(call: Call) -> Reply:
    found = await call.desk.database.read(_find)
    if found is None:
        raise Problem(problems.NO_WEBHOOK)
    return Reply(body=_shown(found))


async def _put(call: Call) -> Reply:
    url, enabled = call.body["url"], call.body.get("enabled", True)
    ids, clock, by = call.desk.ids, call.desk.clock, call.actor

    def put(db: sqlite3.Connection) -> tuple[Endpoint, str | None]:
        now, found, secret = clock.now(), _find(db), None
        if found is None:
            change = EndpointChange(url=url, name=NAME, numbers=Numbers.DIGITS)
            found = desk.add(db, change, ids=ids, now=now, by=by)
            settings.put(db, settings.WEBHOOK, found.id)
            secret = found.secrets[0].value
        elif found.url != url:
            _, found = desk.update(db, found.id, EndpointChange(url=url), ids=ids, now=now, by=by)
        if not enabled:
            found = desk.pause(db, found.id, now=now, by=by)
        return found, secret

    found, secret = await call.desk.change(put)
    if enabled and found.state is EndpointState.PAUSED:
        done = await desk.resume(call.desk.change, found.id, clock=clock, by=by)
        found = done.endpoint
    body = _shown(found)
    if secret is None:
        return Reply(body=body)
    return Reply(status=201, body={**body, "secret": secret}, location="/webhooks")


_FACTS = {
    "id": schema.text("The endpoint's `ep_…`."),
    "url": schema.text(),
    "enabled": schema.boolean("While it is not, texts wait."),
}
WEBHOOK = schema.record(_FACTS)
_EXAMPLE = {"id": shape.ID, "url": "https://crm.example.com/inbound-sms", "enabled": True}

OPERATIONS = (
    Operation(
        method="GET",
        path="/webhooks",
        name="getWebhook",
        tag=Tag.WEBHOOKS,
        summary="The webhook for everything",
        handler=_get,
        answers={200: Answer(means="It.", schema=WEBHOOK, example=_EXAMPLE)},
        errors=(problems.NO_WEBHOOK,),
    ),
    Operation(
        method="PUT",
        path="/webhooks",
        name="putWebhook",
        tag=Tag.WEBHOOKS,
        summary="Set the webhook for everything",
        description="As the hosted service has it. It is an endpoint: everything else about it is"
        " set at `/v1/endpoints/{id}`. Not enabled, texts wait until it is.",
        handler=_put,
        scope=Scope.WRITE,
        body=Body(
            schema=schema.record(
                {"url": shape.URL, "enabled": schema.boolean(default=True)}, optional=("enabled",)
            ),
            example={"url": "https://crm.example.com/inbound-sms", "enabled": True},
        ),
        answers={
            200: Answer(means="It was changed.", schema=WEBHOOK, example=_EXAMPLE),
            201: Answer(
                means="It was made; its signing secret is shown this once.",
                schema=schema.record({**_FACTS, "secret": schema.text()}),
                example={**_EXAMPLE, "secret": shape.SECRET},
            ),
        },
    ),
)
