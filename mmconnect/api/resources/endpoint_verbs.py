"""`/v1/endpoints/{id}/…`: testing, checking, pausing and resuming an endpoint, and its place."""

from __future__ import annotations

from typing import Any

from mmconnect.api import problems, schema
from mmconnect.api.fit import milliseconds
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.endpoints import ENDPOINT, ID
from mmconnect.api.shapes import delivery as delivery_shape
from mmconnect.api.shapes import endpoint as shape
from mmconnect.desk import endpoints as desk
from mmconnect.desk import shown
from mmconnect.desk.checkups import Reports
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Endpoint
from mmconnect.store import backlog


async def _endpoint(call: Call) -> Endpoint:
    return await call.desk.database.read(lambda db: desk.found(db, call.id))


async def _test(call: Call) -> Reply:
    trial = await call.desk.trials.send(await _endpoint(call))
    call.desk.wake()  # a success ends a hold
    attempt = trial.attempt
    return Reply(
        body={
            **shown.delivery(trial.delivery),
            "status": attempt.status,
            "ms": attempt.duration_ms,
            "answer": attempt.response_body,
            "error": attempt.error,
            "attempt": shown.attempt(attempt),
        }
    )


async def _check(call: Call) -> Reply:
    report = await Reports().make(call.desk, await _endpoint(call))
    return Reply(body=report.as_json())


async def _pause(call: Call) -> Reply:
    def pause(db: Any) -> dict[str, Any]:
        after = desk.pause(db, call.id, now=call.desk.clock.now(), by=call.actor)
        return shown.endpoint(after, backlog.waiting(db, call.id))

    return Reply(body=await call.desk.change(pause))


async def _resume(call: Call) -> Reply:
    newer, none = call.body.get("newerThan"), call.body.get("none", False)
    if none and newer is not None:
        message = "Cancel all that waits with none, or what is older with newerThan, not both"
        raise Invalid(Issue(path="none", message=message))
    done = await desk.resume(
        call.desk.change,
        call.id,
        newer_than=None if newer is None else milliseconds(newer),
        none=none,
        clock=call.desk.clock,
        by=call.actor,
    )
    told = {"cancelled": done.cancelled, "probed": done.probed}
    return Reply(body={**shown.endpoint(done.endpoint, done.waiting), **told})


async def _move(call: Call) -> Reply:
    def move(db: Any) -> dict[str, Any]:
        desk.move(db, call.id, up=call.body["direction"] == "up")
        return shown.endpoint(desk.found(db, call.id), backlog.waiting(db, call.id))

    return Reply(body=await call.desk.change(move))


_TESTED = schema.record(
    {
        **delivery_shape.DELIVERY["properties"],
        "status": schema.nullable(schema.integer("Of the answer; null when there was none.")),
        "ms": schema.nullable(schema.integer("How long it took.")),
        "answer": schema.nullable(schema.text("Its beginning.")),
        "error": schema.nullable(schema.text("What went wrong and what to do; null on success.")),
        "attempt": schema.ref("Attempt"),
    }
)
_CHECKED = schema.record(
    {
        "ok": schema.boolean("Whether nothing was found wrong."),
        "checks": schema.array(
            schema.record(
                {
                    "check": schema.text(
                        "`signed`, `repeated`, `forged`, `quick`; of several secrets also which"
                        " the receiver knows: `current`, `previous`."
                    ),
                    "ok": schema.nullable(schema.boolean("Null: it could not be tried.")),
                    "says": schema.text("What was found."),
                    "remedy": schema.nullable(schema.text("What to do.")),
                    "status": schema.nullable(schema.integer()),
                    "ms": schema.nullable(schema.integer()),
                    "deliveryId": schema.nullable(schema.text()),
                }
            )
        ),
    }
)
_ATTEMPT = delivery_shape.ATTEMPT_EXAMPLE


def verb(
    verb: str, name: str, summary: str, handler: Any, answer: Answer, **more: Any
) -> Operation:
    return Operation(
        **{
            "method": "POST",
            "path": f"/endpoints/{{id}}/{verb}",
            "name": name,
            "tag": Tag.ENDPOINTS,
            "summary": summary,
            "handler": handler,
            "scope": Scope.WRITE,
            "id_means": ID,
            "answers": {200: answer},
        }
        | more
    )


OPERATIONS = (
    verb(
        "test",
        "testEndpoint",
        "Send a test text, once",
        _test,
        Answer(
            means="What came of it, also where the receiver refused.",
            schema=_TESTED,
            example={
                **delivery_shape.EXAMPLE,
                "trigger": "test",
                "status": 200,
                "ms": 39,
                "answer": "ok",
                "error": None,
                "attempt": _ATTEMPT,
            },
        ),
        description='A `message.received` with `"test": true`. It is never repeated.',
    ),
    verb(
        "check",
        "checkEndpoint",
        "The receiver's check-up",
        _check,
        Answer(
            means="The findings.",
            schema=_CHECKED,
            example={
                "ok": True,
                "checks": [
                    {
                        "check": "signed",
                        "ok": True,
                        "says": "A signed text was answered with 200 in 39 ms",
                        "remedy": None,
                        "status": 200,
                        "ms": 39,
                        "deliveryId": delivery_shape.ID,
                    }
                ],
            },
        ),
        description="Sends test texts: signed, the same again, wrongly signed.",
    ),
    verb(
        "pause",
        "pauseEndpoint",
        "Let its texts wait",
        _pause,
        ENDPOINT,
        description="They do not grow older meanwhile.",
        errors=(problems.CONFLICT,),
    ),
    verb(
        "resume",
        "resumeEndpoint",
        "Send what waits, and what comes",
        _resume,
        Answer(
            means="The endpoint.",
            schema=schema.record(
                {
                    **shape.ENDPOINT["properties"],
                    "cancelled": schema.integer("Deliveries that were cancelled instead."),
                    "probed": schema.boolean("It is held, and probed now."),
                }
            ),
            example={**shape.EXAMPLE, "cancelled": 0, "probed": False},
        ),
        description="An endpoint that is held is probed at once.",
        body=Body(
            required=False,
            schema=schema.record(
                {
                    "newerThan": schema.given_moment(
                        "Of what waits, send only what was made since; the rest is cancelled."
                    ),
                    "none": schema.boolean("Cancel everything that waits."),
                },
                optional=("newerThan", "none"),
            ),
            example={"newerThan": "2026-06-12T14:00:00Z"},
        ),
        errors=(problems.CONFLICT,),
    ),
    verb(
        "move",
        "moveEndpoint",
        "One place up or down in the list",
        _move,
        ENDPOINT,
        body=Body(
            schema=schema.record({"direction": schema.choice("up", "down")}),
            example={"direction": "up"},
        ),
    ),
)
