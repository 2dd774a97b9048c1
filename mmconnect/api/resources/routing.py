"""`/v1/routing/preview`: which of the last texts a routing would have matched."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.endpoints import routing_of
from mmconnect.api.shapes import endpoint as shape
from mmconnect.api.shapes import message as message_shape
from mmconnect.desk import endpoint_routing
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.ids import RULE
from mmconnect.store import devices


async def _preview(call: Call) -> Reply:
    wanted = routing_of(call.body["routing"])

    def look(db: Any) -> dict[str, Any]:
        known = [device.id for device in devices.known(db)]
        try:
            checked = endpoint_routing.checked(wanted, known, lambda: call.desk.ids.new(RULE))
        except LookupError as error:
            message = f"There is no phone {error.args[0]}"
            raise Invalid(Issue(path="routing.devices", message=message)) from None
        except ValueError as error:
            raise Invalid(Issue(path="routing", message=str(error))) from None
        found = endpoint_routing.preview(db, checked)
        return {
            "matched": found.matched,
            "of": found.of,
            "messageIds": [message.id for message in found.wanted],
        }

    return Reply(body=await call.desk.database.read(look))


OPERATIONS = (
    Operation(
        method="POST",
        path="/routing/preview",
        name="previewRouting",
        tag=Tag.ENDPOINTS,
        summary="Try a routing on the last texts",
        description="Changes nothing.",
        handler=_preview,
        body=Body(
            schema=schema.record({"routing": shape.GIVEN_ROUTING}),
            example={"routing": {"texts": [{"match": "contains", "value": "balance"}]}},
        ),
        answers={
            200: Answer(
                means="Which of them it would have matched.",
                schema=schema.record(
                    {
                        "matched": schema.integer(),
                        "of": schema.integer("How many there were to try it on."),
                        "messageIds": schema.array(schema.text(), "Newest first."),
                    }
                ),
                example={"matched": 1, "of": 50, "messageIds": [message_shape.ID]},
            )
        },
    ),
)
