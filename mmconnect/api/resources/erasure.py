"""`/v1/messages/{id}/wipe`, its DELETE, and `/v1/messages/purge`: texts that have to be gone."""

from __future__ import annotations

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.messages import ID, get
from mmconnect.api.shapes import message as shape
from mmconnect.desk import erasing
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Refused


async def _wipe(call: Call) -> Reply:
    await erasing.wipe(call.desk.change, call.id, clock=call.desk.clock, by=call.actor)
    return await get(call)


async def _delete(call: Call) -> Reply:
    done = await erasing.delete(call.desk.change, [call.id], clock=call.desk.clock, by=call.actor)
    if done.in_flight:
        raise Refused(f"{call.id} is being sent at this moment: try again in a few seconds")
    return Reply(body={"id": call.id, "deleted": True, "cancelled": done.cancelled})


async def _purge(call: Call) -> Reply:
    desk = call.desk
    done = await erasing.purge(
        desk.database.read, desk.change, call.body["from"], clock=desk.clock, by=call.actor
    )
    return Reply(
        body={
            "deleted": done.deleted,
            "cancelled": done.cancelled,
            "inFlight": list(done.in_flight),
        }
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/messages/{id}/wipe",
        name="wipeMessage",
        tag=Tag.MESSAGES,
        summary="Wipe its text",
        description="The message stays, with what became of it. Not while something waits of it.",
        handler=_wipe,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="The message, without its text.",
                schema=schema.ref("MessageWhole"),
                example={
                    **shape.WHOLE_EXAMPLE,
                    "text": "",
                    "wipedAt": "2026-06-12T15:00:00.000Z",
                    "raw": None,
                    "rawHeaders": None,
                    "payload": None,
                },
            )
        },
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="DELETE",
        path="/messages/{id}",
        name="deleteMessage",
        tag=Tag.MESSAGES,
        summary="Delete it for good",
        description="With all that hangs on it. What waits of it is not sent; its bytes leave the"
        " database's files within minutes. Backups keep what they hold.",
        handler=_delete,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="It is gone.",
                schema=schema.record(
                    {
                        "id": schema.text(),
                        "deleted": schema.boolean(),
                        "cancelled": schema.integer("Deliveries that waited."),
                    }
                ),
                example={"id": shape.ID, "deleted": True, "cancelled": 0},
            )
        },
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/messages/purge",
        name="purgeMessages",
        tag=Tag.MESSAGES,
        summary="Delete every text of a number",
        handler=_purge,
        scope=Scope.WRITE,
        body=Body(
            schema=schema.record({"from": schema.text("The sender.", least=1, most=200)}),
            example={"from": "+6581230000"},
        ),
        answers={
            200: Answer(
                means="What is gone.",
                schema=schema.record(
                    {
                        "deleted": schema.integer("Messages."),
                        "cancelled": schema.integer("Deliveries that waited."),
                        "inFlight": schema.array(
                            schema.text(), "Are being sent at this moment, and stay: try again."
                        ),
                    }
                ),
                example={"deleted": 3, "cancelled": 0, "inFlight": []},
            )
        },
    ),
)
