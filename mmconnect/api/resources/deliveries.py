"""`/v1/deliveries`: where texts went, sending one again, and giving up on one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from mmconnect.api import pages, problems, schema
from mmconnect.api.fit import moment
from mmconnect.api.operation import Answer, Call, Operation, Reply, Tag
from mmconnect.api.shapes import delivery as shape
from mmconnect.desk import deliveries as desk
from mmconnect.desk import delivery_page, shown
from mmconnect.desk.keys import Scope
from mmconnect.domain.ids import DELIVERY as PREFIX
from mmconnect.domain.models import DeliveryState
from mmconnect.store import deliveries, delivery_lists
from mmconnect.store.delivery_lists import Wanted


def wanted(given: Mapping[str, Any], states: list[str]) -> Wanted:
    """The deliveries that a query or a body asks for."""
    return Wanted(
        states=frozenset(DeliveryState(state) for state in states),
        endpoint_id=given.get("endpointId"),
        message_id=given.get("messageId"),
        since=moment(given, "since"),
        until=moment(given, "until"),
    )


def whole(db: sqlite3.Connection, delivery_id: str) -> dict[str, Any]:
    """A delivery with its attempts. Raises NotFound."""
    attempts = [shown.attempt(one) for one in deliveries.attempts(db, delivery_id)]
    return {**shown.delivery(desk.found(db, delivery_id)), "attemptList": attempts}


async def _list(call: Call) -> Reply:
    asked = wanted(call.query, call.query.get("state", []))
    before = pages.place(call.query, PREFIX)
    limit = call.query.get("limit", pages.DEFAULT)
    page = await call.desk.database.read(
        lambda db: delivery_lists.page(db, asked, limit=limit, before=before)
    )
    cursor = None if page.older is None else pages.behind(page.older)
    return Reply(body=pages.page([shown.delivery(one) for one in page.items], cursor))


async def _get(call: Call) -> Reply:
    return Reply(body=await call.desk.database.read(lambda db: whole(db, call.id)))


async def _requests(call: Call) -> Reply:
    found = await call.desk.database.read(lambda db: delivery_page.requests(db, call.id))
    return Reply(body=shown.requests(found))


async def _retry(call: Call) -> Reply:
    def retry(db: sqlite3.Connection) -> dict[str, Any]:
        desk.retry(db, [call.id], now=call.desk.clock.now(), by=call.actor)
        return whole(db, call.id)

    return Reply(body=await call.desk.change(retry))


async def _cancel(call: Call) -> Reply:
    await desk.cancel(call.desk.change, [call.id], clock=call.desk.clock, by=call.actor)
    return Reply(body=await call.desk.database.read(lambda db: whole(db, call.id)))


ID = "The delivery's `dlv_…`."
_WHOLE = Answer(
    means="The delivery.", schema=schema.ref("DeliveryWhole"), example=shape.WHOLE_EXAMPLE
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/deliveries",
        name="listDeliveries",
        tag=Tag.DELIVERIES,
        summary="Deliveries",
        description="Newest first. A page may hold fewer than `limit`, or none, and still have a"
        " `nextCursor`: then more may be found further back.",
        handler=_list,
        query={
            "state": schema.array(
                schema.choice(*shape.STATES), "Any of these; repeat it for several.", least=1
            ),
            "endpointId": schema.text("Only this endpoint's.", most=100),
            "messageId": schema.text("Only this message's.", most=100),
            "since": schema.given_moment("Made at that time or later."),
            "until": schema.given_moment("Made before that time."),
            **pages.PARAMETERS,
        },
        answers={
            200: Answer(
                means="A page of deliveries.",
                schema=pages.of(schema.ref("Delivery")),
                example={"items": [shape.EXAMPLE]},
            )
        },
    ),
    Operation(
        method="GET",
        path="/deliveries/{id}",
        name="getDelivery",
        tag=Tag.DELIVERIES,
        summary="One delivery with its attempts",
        handler=_get,
        id_means=ID,
        answers={200: _WHOLE},
    ),
    Operation(
        method="GET",
        path="/deliveries/{id}/requests",
        name="getDeliveryRequests",
        tag=Tag.DELIVERIES,
        summary="What its attempts have sent",
        description="Headers and body as they went over the wire, also after the secret, the URL or"
        " the headers were changed.",
        handler=_requests,
        id_means=ID,
        answers={
            200: Answer(
                means="The requests.",
                schema=schema.ref("DeliveryRequests"),
                example=shape.REQUESTS_EXAMPLE,
            )
        },
    ),
    Operation(
        method="POST",
        path="/deliveries/{id}/retry",
        name="retryDelivery",
        tag=Tag.DELIVERIES,
        summary="Send it again",
        description="Any may be, a delivered one too: with the same `webhook-id` and body, a fresh"
        " timestamp and signature, and attempts of its own. One in flight is left alone.",
        handler=_retry,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: _WHOLE},
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/deliveries/{id}/cancel",
        name="cancelDelivery",
        tag=Tag.DELIVERIES,
        summary="No longer send it",
        description="What waits is cancelled, stays visible and can be sent again; anything else"
        " stays as it is.",
        handler=_cancel,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: _WHOLE},
    ),
)
SCHEMAS = {
    "Delivery": shape.DELIVERY,
    "DeliveryWhole": shape.WHOLE,
    "Attempt": shape.ATTEMPT,
    "DeliveryRequests": shape.REQUESTS,
}
