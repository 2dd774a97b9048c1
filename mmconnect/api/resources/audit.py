"""`/v1/audit`: who changed what."""

from __future__ import annotations

from typing import Any

from mmconnect.api import pages, schema
from mmconnect.api.operation import Answer, Call, Operation, Reply, Tag
from mmconnect.domain.clock import iso
from mmconnect.store import audit
from mmconnect.store.audit import Entry


async def _list(call: Call) -> Reply:
    before = pages.number(call.query)
    limit = call.query.get("limit", pages.DEFAULT)
    found = await call.desk.database.read(
        lambda db: audit.newest(db, limit=limit + 1, before=before)
    )
    cursor = pages.after(found[limit - 1].number) if len(found) > limit else None
    return Reply(body=pages.page([_shown(one) for one in found[:limit]], cursor))


def _shown(one: Entry) -> dict[str, Any]:
    return {
        "at": iso(one.at),
        "actor": one.actor,
        "address": one.address,
        "action": one.action,
        "subject": one.subject,
        "detail": one.detail,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/audit",
        name="listAudit",
        tag=Tag.APPLIANCE,
        summary="Who changed what",
        description="Newest first; kept for two years.",
        handler=_list,
        query=pages.PARAMETERS,
        answers={
            200: Answer(
                means="A page of changes.",
                schema=pages.of(
                    schema.record(
                        {
                            "at": schema.moment(),
                            "actor": schema.text("`admin`, `cli`, or an API key's `key_…`."),
                            "address": schema.nullable(schema.text("Where it was asked from.")),
                            "action": schema.text("`endpoint.added`, …"),
                            "subject": schema.nullable(schema.text("The id of what it was.")),
                            "detail": schema.text("For people."),
                        }
                    )
                ),
                example={
                    "items": [
                        {
                            "at": "2026-06-12T14:32:00.000Z",
                            "actor": "key_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
                            "address": "192.168.1.20",
                            "action": "endpoint.added",
                            "subject": "ep_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
                            "detail": "crm.example.com",
                        }
                    ]
                },
            )
        },
    ),
)
