"""`/v1/devices/preview`: what mmconnect would make of a push, before it comes."""

from __future__ import annotations

from mmconnect.api import schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.shapes import device as shape
from mmconnect.desk import device_values, devices
from mmconnect.desk import mapping_preview as desk
from mmconnect.domain.errors import Invalid, Issue


async def _preview(call: Call) -> Reply:
    given = dict(call.body)
    body, headers = given.pop("body"), given.pop("headers", {})
    if len(body.encode()) > desk.LARGEST:
        raise Invalid(Issue(path="body", message="One push, of 64 kB at most"))
    device = devices.with_values(devices.fresh("Phone"), device_values.checked(given))
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    push = desk.sample(body, lines)
    made = desk.preview(device, push, call.desk.look().tenant, call.desk.clock.now())
    return Reply(body=made.as_json())


_FIELD = schema.record(
    {
        "field": schema.text("As own paths name it."),
        "value": schema.nullable(schema.text("Null: it was not told.")),
        "path": schema.nullable(schema.text("The place that it came from.")),
        "note": schema.nullable(schema.text()),
        "nearest": schema.array(schema.text(), "Places that may be meant."),
    }
)

OPERATIONS = (
    Operation(
        method="POST",
        path="/devices/preview",
        name="previewPush",
        tag=Tag.DEVICES,
        summary="Try a push, field by field",
        description="Stores and sends nothing.",
        handler=_preview,
        body=Body(
            schema=schema.record(
                {
                    "body": schema.text("The push as the app sends it.", most=100_000),
                    "headers": schema.table(schema.text(most=2000), maxProperties=50),
                    "app": shape.APP,
                    "mapping": shape.MAPPING,
                    "country": schema.nullable(shape.COUNTRY),
                },
                optional=("headers", "app", "mapping", "country"),
            ),
            example={"body": '{"from": "81230000", "text": "hi"}', "country": "SG"},
        ),
        answers={
            200: Answer(
                means="What it would be.",
                schema=schema.record(
                    {
                        "app": schema.text("Whose push it looks like."),
                        "outcome": schema.choice("text", "event", "not_understood"),
                        "reason": schema.nullable(
                            schema.text("Why not, or what the event is called.")
                        ),
                        "texts": schema.integer("How many it holds; the fields are the first's."),
                        "fields": schema.array(_FIELD),
                        "payload": schema.nullable(schema.table({}, "The webhook's body.")),
                    }
                ),
                example={
                    "app": "generic",
                    "outcome": "text",
                    "reason": None,
                    "texts": 1,
                    "fields": [
                        {
                            "field": "from",
                            "value": "+6581230000",
                            "path": "from",
                            "note": None,
                            "nearest": [],
                        }
                    ],
                    "payload": {"event": "message.received", "from": "+6581230000", "text": "hi"},
                },
            )
        },
    ),
)
