"""`/v1/deliveries/retry`, `/v1/deliveries/cancel` and `/v1/replays`: many deliveries at once."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from mmconnect.api import pages, problems, schema
from mmconnect.api.fit import milliseconds
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.deliveries import wanted
from mmconnect.api.shapes import delivery as shape
from mmconnect.desk import deliveries as desk
from mmconnect.desk import endpoints, shown
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Invalid, Issue, NotFound
from mmconnect.store import replays

MOST = 1000
"""Deliveries that are named by id in one request."""


async def _retry(call: Call) -> Reply:
    given = dict(call.body)
    ids, states, dry = given.pop("ids", None), given.pop("state", None), given.pop("dryRun", False)
    if (ids is None) == (states is None):
        raise Invalid(Issue(path="state", message="Name deliveries by ids, or choose by state"))
    if ids is not None:
        if given or dry:
            name = next(iter(given), "dryRun")
            raise Invalid(Issue(path=name, message="This goes with state, not with ids"))
        now = call.desk.clock.now()
        done = await call.desk.change(lambda db: desk.retry(db, ids, now=now, by=call.actor))
        return _told(retried=done.count, matching=len(set(ids)))
    if "endpointId" in given:
        endpoint_id = given["endpointId"]
        await call.desk.database.read(lambda db: endpoints.found(db, endpoint_id))
    asked = wanted(given, [states] if isinstance(states, str) else states)
    counted = await desk.count_all(call.desk.database.read, asked)
    if dry or not counted.total:
        return _told(retried=0, matching=counted.total)

    def order(db: sqlite3.Connection) -> str:
        ids, now = call.desk.ids, call.desk.clock.now()
        return desk.order(db, asked, counted, ids=ids, now=now, by=call.actor).id

    replay = await call.desk.change(order)
    return _told(retried=counted.total, matching=counted.total, replay=replay)


def _told(*, retried: int, matching: int, replay: str | None = None) -> Reply:
    return Reply(body={"retried": retried, "matching": matching, "replay": replay})


async def _cancel(call: Call) -> Reply:
    ids, endpoint_id = call.body.get("ids"), call.body.get("endpointId")
    before = call.body.get("before")
    if (ids is None) == (endpoint_id is None):
        message = "Name deliveries by ids, or all that wait for an endpoint"
        raise Invalid(Issue(path="ids", message=message))
    if ids is not None:
        if before is not None:
            message = "This goes with endpointId, not with ids"
            raise Invalid(Issue(path="before", message=message))
        done = await desk.cancel(
            call.desk.change, ids, clock=call.desk.clock, by=call.actor, between=_between
        )
    else:
        await call.desk.database.read(lambda db: endpoints.found(db, endpoint_id))
        done = await desk.cancel_waiting(
            call.desk.change,
            endpoint_id,
            before=None if before is None else milliseconds(before),
            clock=call.desk.clock,
            by=call.actor,
            between=_between,
        )
    return Reply(body={"cancelled": done.count, "inFlight": done.flying})


async def _between() -> None:
    """Let others write between two chunks."""
    await asyncio.sleep(0.01)


async def _list(call: Call) -> Reply:
    before = pages.place(call.query, "rpl_")
    limit = call.query.get("limit", pages.DEFAULT)
    found = await call.desk.database.read(lambda db: replays.latest(db, limit + 1, before=before))
    cursor = pages.behind(found[limit - 1].id) if len(found) > limit else None
    return Reply(body=pages.page([shown.replay(one) for one in found[:limit]], cursor))


async def _get(call: Call) -> Reply:
    found = await call.desk.database.read(lambda db: replays.get(db, call.id))
    if found is None:
        raise NotFound(f"There is no replay {call.id}")
    return Reply(body=shown.replay(found))


async def _stop(call: Call) -> Reply:
    now = call.desk.clock.now()
    after = await call.desk.change(lambda db: desk.stop(db, call.id, now=now, by=call.actor))
    return Reply(body=shown.replay(after))


_IDS = schema.array(
    schema.text(least=1, most=100), "These deliveries.", least=1, most=MOST, uniqueItems=True
)
_STATE = schema.choice(*shape.REPEATABLE)
_REPLAY = Answer(means="The replay.", schema=schema.ref("Replay"), example=shape.REPLAY_EXAMPLE)
_ID = "The replay's `rpl_…`."


def _body(properties: dict[str, Any], example: Any) -> Body:
    return Body(
        schema=schema.record(properties, optional=tuple(properties), least=1), example=example
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/deliveries/retry",
        name="retryDeliveries",
        tag=Tag.DELIVERIES,
        summary="Send many again",
        description="Either `ids`, which are sent again at once, all or none; or `state` and what"
        " else they have to fit, which becomes a replay that is worked through at a rate"
        " (`replayRate` of the settings). `dryRun` only counts.",
        handler=_retry,
        scope=Scope.WRITE,
        body=_body(
            {
                "ids": _IDS,
                "state": {
                    "anyOf": [_STATE, schema.array(_STATE, least=1, uniqueItems=True)],
                    "description": f"One or several of {', '.join(shape.REPEATABLE)}.",
                },
                "since": schema.given_moment("Made at that time or later."),
                "until": schema.given_moment("Made before that time."),
                "endpointId": schema.text("Only this endpoint's.", least=1, most=100),
                "dryRun": schema.boolean("Count them, and change nothing."),
            },
            {"state": "failed", "since": "2026-06-12T00:00:00Z"},
        ),
        answers={
            200: Answer(
                means="What is sent again.",
                schema=schema.record(
                    {
                        "retried": schema.integer("Sent again, now or by the replay."),
                        "matching": schema.integer("Matched, or were named."),
                        "replay": schema.nullable(schema.text("`rpl_…`, see `/v1/replays/{id}`.")),
                    }
                ),
                example={"retried": 120, "matching": 120, "replay": shape.REPLAY_ID},
            )
        },
        errors=(problems.NOT_FOUND, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path="/deliveries/cancel",
        name="cancelDeliveries",
        tag=Tag.DELIVERIES,
        summary="No longer send many",
        description="Either `ids`, or all that wait for an `endpointId` (made `before` a time).",
        handler=_cancel,
        scope=Scope.WRITE,
        body=_body(
            {
                "ids": _IDS,
                "endpointId": schema.text(least=1, most=100),
                "before": schema.given_moment("Made before that time."),
            },
            {"endpointId": "ep_01JD2Q0G3V8Y5W7Z9X1C3B5N7M", "before": "2026-06-12T14:00:00Z"},
        ),
        answers={
            200: Answer(
                means="What was cancelled; it stays visible, and can be sent again.",
                schema=schema.record(
                    {
                        "cancelled": schema.integer(),
                        "inFlight": schema.integer("Are being sent, and may yet arrive."),
                    }
                ),
                example={"cancelled": 12, "inFlight": 0},
            )
        },
        errors=(problems.NOT_FOUND,),
    ),
    Operation(
        method="GET",
        path="/replays",
        name="listReplays",
        tag=Tag.DELIVERIES,
        summary="Replays",
        description="Newest first.",
        handler=_list,
        query=pages.PARAMETERS,
        answers={
            200: Answer(
                means="A page of replays.",
                schema=pages.of(schema.ref("Replay")),
                example={"items": [shape.REPLAY_EXAMPLE]},
            )
        },
    ),
    Operation(
        method="GET",
        path="/replays/{id}",
        name="getReplay",
        tag=Tag.DELIVERIES,
        summary="How far a replay has come",
        handler=_get,
        id_means=_ID,
        answers={200: _REPLAY},
    ),
    Operation(
        method="POST",
        path="/replays/{id}/cancel",
        name="cancelReplay",
        tag=Tag.DELIVERIES,
        summary="Offer no more of a replay",
        description="What was offered stays so.",
        handler=_stop,
        scope=Scope.WRITE,
        id_means=_ID,
        answers={200: _REPLAY},
    ),
)
SCHEMAS = {"Replay": shape.REPLAY}
