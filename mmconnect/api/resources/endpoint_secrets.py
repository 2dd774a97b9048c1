"""`/v1/endpoints/{id}/rotate-secret` and `end-overlap`: who signs, and who does so no longer."""

from __future__ import annotations

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Reply
from mmconnect.api.resources.endpoint_verbs import verb
from mmconnect.api.shapes import endpoint as shape
from mmconnect.desk import endpoints as desk
from mmconnect.desk import shown
from mmconnect.store import secrets


async def _rotate(call: Call) -> Reply:
    done = await call.desk.change(
        lambda db: desk.rotate(
            db,
            call.id,
            secret=call.body.get("secret"),
            overlap=call.body.get("overlap", secrets.DEFAULT_OVERLAP),
            now=call.desk.clock.now(),
            by=call.actor,
        )
    )
    ends = done.previous_expires_at
    return Reply(
        body={
            "id": call.id,
            "secret": done.secret,
            "previousExpiresAt": shown.moment(ends),
        }
    )


async def _end_overlap(call: Call) -> Reply:
    ended = await call.desk.change(
        lambda db: desk.end_overlap(db, call.id, now=call.desk.clock.now(), by=call.actor)
    )
    return Reply(body={"id": call.id, "ended": ended})


OPERATIONS = (
    verb(
        "rotate-secret",
        "rotateSecret",
        "A new signing secret",
        _rotate,
        Answer(
            means="The new secret; shown this once.",
            schema=schema.record(
                {
                    "id": schema.text(),
                    "secret": schema.text(),
                    "previousExpiresAt": schema.nullable(
                        schema.moment("Until when the previous one signs as well.")
                    ),
                }
            ),
            example={
                "id": shape.ID,
                "secret": shape.SECRET,
                "previousExpiresAt": "2026-06-13T14:32:00.000Z",
            },
        ),
        description="The previous one signs as well until the overlap ends.",
        body=Body(
            required=False,
            schema=schema.record(
                {
                    "overlap": schema.integer(
                        "Seconds; 0 ends the previous one at once.",
                        least=0,
                        most=secrets.LONGEST_OVERLAP,
                        default=secrets.DEFAULT_OVERLAP,
                    ),
                    "secret": shape.OWN_SECRET,
                },
                optional=("overlap", "secret"),
            ),
            example={"overlap": 86400},
        ),
        errors=(problems.CONFLICT,),
    ),
    verb(
        "end-overlap",
        "endOverlap",
        "Let the current secret alone sign",
        _end_overlap,
        Answer(
            means="How many others signed until now.",
            schema=schema.record({"id": schema.text(), "ended": schema.integer()}),
            example={"id": shape.ID, "ended": 1},
        ),
    ),
)
