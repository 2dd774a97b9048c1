"""`/v1/messages`: the texts that came in, what became of them, sending and reading them again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from mmconnect.api import pages, problems, schema
from mmconnect.api.fit import moment
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources import deliveries as of_deliveries
from mmconnect.api.resources.device_verbs import REREAD, REREAD_EXAMPLE, turn
from mmconnect.api.shapes import delivery as delivery_shape
from mmconnect.api.shapes import message as shape
from mmconnect.desk import rereading, sending, shown
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.models import Kind
from mmconnect.store import deliveries, message_list, messages
from mmconnect.store.message_list import Listed
from mmconnect.store.message_query import MessageQuery, MessageState


def _query(given: Mapping[str, Any]) -> MessageQuery:
    return MessageQuery(
        search=given.get("search"),
        number=given.get("from"),
        text=given.get("text"),
        device_id=given.get("deviceId"),
        since=moment(given, "since"),
        until=moment(given, "until"),
        state=MessageState(given["state"]) if "state" in given else None,
        kind=Kind(given["kind"]) if "kind" in given else None,
        events=given.get("events", False),
    )


async def _list(call: Call) -> Reply:
    query, cursor = _query(call.query), call.query.get("cursor")
    limit = call.query.get("limit", pages.DEFAULT)
    page = await call.desk.database.read(
        lambda db: message_list.find(db, query, cursor=cursor, limit=limit)
    )
    return Reply(body=pages.page([_listed(one) for one in page.items], page.older))


def _listed(one: Listed) -> dict[str, Any]:
    return {**shown.message(one.stored, one.deliveries.total()), "state": one.state.value}


async def get(call: Call) -> Reply:
    def look(db: sqlite3.Connection) -> dict[str, Any]:
        found = messages.get(db, call.id)
        if found is None:
            raise NotFound(f"There is no message {call.id}")
        sent = deliveries.of_message(db, call.id)
        return {
            **shown.message(found, len(sent)),
            "raw": None if found.raw is None else found.raw.decode("utf-8", "replace"),
            "rawHeaders": found.raw_headers,
            "payload": None if found.payload is None else found.payload.decode(),
            "deliveries": [of_deliveries.whole(db, one.id) for one in sent],
        }

    return Reply(body=await call.desk.database.read(look))


async def _send(call: Call) -> Reply:
    desk, endpoint_id = call.desk, call.body["endpointId"]

    def send(db: sqlite3.Connection) -> dict[str, Any]:
        endpoint = sending.sendable(db, [call.id], endpoint_id)
        now = desk.clock.now()
        sent = sending.some(db, [call.id], endpoint, ids=desk.ids, now=now, by=call.actor)
        if (why := sending.refusal(sent)) is not None:
            raise Refused(why)
        return of_deliveries.whole(db, sent[0].delivery_id or "")

    made = await desk.change(send)
    return Reply(status=201, body=made, location=f"/deliveries/{made['id']}")


async def _reread(call: Call) -> Reply:
    await call.desk.database.read(lambda db: rereading.these(db, [call.id]))
    made = await turn(call, call.id)
    if made is None:
        raise NotFound(f"There is no message {call.id}")
    return Reply(body=made)


ID = "The message's `msg_…`."
_SEARCH = {
    "search": schema.text("A number, or words of text or sender, as one types them.", most=200),
    "from": schema.text("The sender, or a part of it.", most=200),
    "text": schema.text(
        'Words that are all in the text; between `"` they stay together.', most=200
    ),
    "deviceId": schema.text("Only what this phone pushed.", most=100),
    "since": schema.given_moment("Taken at that time or later."),
    "until": schema.given_moment("Taken before that time."),
    "state": schema.choice(
        *(state.value for state in MessageState),
        description="What became of it, over all its deliveries.",
    ),
    "kind": schema.choice(*(kind.value for kind in Kind)),
    "events": schema.boolean("What mmconnect told of itself, instead of texts."),
}

OPERATIONS = (
    Operation(
        method="GET",
        path="/messages",
        name="listMessages",
        tag=Tag.MESSAGES,
        summary="Messages",
        description="Newest first. A page may hold fewer than `limit`, or none, and still have a"
        " `nextCursor`: then more may be found further back.",
        handler=_list,
        query={**_SEARCH, **pages.PARAMETERS},
        answers={
            200: Answer(
                means="A page of messages.",
                schema=pages.of(schema.ref("Message")),
                example={"items": [shape.LISTED_EXAMPLE]},
            )
        },
    ),
    Operation(
        method="GET",
        path="/messages/{id}",
        name="getMessage",
        tag=Tag.MESSAGES,
        summary="One message, and what became of it",
        handler=get,
        id_means=ID,
        answers={
            200: Answer(
                means="The message.",
                schema=schema.ref("MessageWhole"),
                example=shape.WHOLE_EXAMPLE,
            )
        },
    ),
    Operation(
        method="POST",
        path="/messages/{id}/send",
        name="sendMessage",
        tag=Tag.MESSAGES,
        summary="Send it to an endpoint",
        description="That never got it, or is to get it once more, whatever its routing says. While"
        " it is on its way there already, the answer is that delivery.",
        handler=_send,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(
            schema=schema.record({"endpointId": schema.text(least=1, most=100)}),
            example={"endpointId": "ep_01JD2Q0G3V8Y5W7Z9X1C3B5N7M"},
        ),
        answers={
            201: Answer(
                means="The delivery.",
                schema=schema.ref("DeliveryWhole"),
                example={
                    **delivery_shape.EXAMPLE,
                    "state": "pending",
                    "trigger": "send",
                    "attempts": 0,
                    "finishedAt": None,
                    "nextAttemptAt": "2026-06-12T14:32:00.000Z",
                    "attemptList": [],
                },
            )
        },
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/messages/{id}/reread",
        name="rereadMessage",
        tag=Tag.MESSAGES,
        summary="Read it again",
        description="After the app or mapping of its phone was mended: once it is understood, it"
        " is delivered once.",
        handler=_reread,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: Answer(means="What became of it.", schema=REREAD, example=REREAD_EXAMPLE)},
    ),
)
SCHEMAS = {"Message": shape.MESSAGE, "MessageWhole": shape.WHOLE}
