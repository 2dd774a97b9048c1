"""`/v1/status`, `/v1/doctor` and `/v1/key`: how the appliance is, and what a key may do."""

from __future__ import annotations

from mmconnect import __version__
from mmconnect.api import schema
from mmconnect.api.operation import Answer, Call, Operation, Reply, Tag
from mmconnect.api.problems import UNAUTHORIZED, Problem
from mmconnect.desk import shown
from mmconnect.desk.doctor import Mark
from mmconnect.desk.keys import Scope
from mmconnect.domain.clock import iso
from mmconnect.store import backlog


async def _status(call: Call) -> Reply:
    desk = call.desk
    ready, tenant = await desk.status.ready(), desk.look().tenant
    waiting = await desk.database.read(
        lambda db: sum(backlog.waiting(db, endpoint_id) for endpoint_id in desk.look().endpoints)
    )
    return Reply(
        body={
            "version": __version__,
            "now": iso(desk.clock.now()),
            "tenantId": tenant.id,
            "siteName": tenant.name,
            "ready": not ready.problems,
            "problems": ready.problems,
            "warnings": desk.status.warnings,
            "devices": desk.status.devices,
            "endpoints": desk.status.endpoints,
            "waiting": waiting,
        }
    )


async def _doctor(call: Call) -> Reply:
    return Reply(body=(await call.desk.machine.examine()).as_json())


async def _key(call: Call) -> Reply:
    key = call.key
    if key is None:
        raise Problem(UNAUTHORIZED)
    return Reply(
        body={
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "createdAt": iso(key.created_at),
            "expiresAt": shown.moment(key.expires_at),
        }
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/status",
        name="getStatus",
        tag=Tag.APPLIANCE,
        summary="How the appliance is",
        description="Answers 200 also while something is in the way: `ready` says so.",
        handler=_status,
        answers={
            200: Answer(
                means="How it is.",
                schema=schema.record(
                    {
                        "version": schema.text(),
                        "now": schema.moment("By its own clock."),
                        "tenantId": schema.text("`tenantId` of its webhooks."),
                        "siteName": schema.text("`tenantName` of its webhooks."),
                        "ready": schema.boolean("Whether texts are taken in and delivered."),
                        "problems": schema.table(
                            schema.text(), "What is in the way: a part, and a sentence."
                        ),
                        "warnings": schema.array(
                            schema.text(), "What is wrong but not yet in the way."
                        ),
                        "devices": schema.integer(),
                        "endpoints": schema.integer(),
                        "waiting": schema.integer("Deliveries that wait."),
                    }
                ),
                example={
                    "version": __version__,
                    "now": "2026-06-12T14:32:00.000Z",
                    "tenantId": "ten_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
                    "siteName": "Acme",
                    "ready": True,
                    "problems": {},
                    "warnings": [],
                    "devices": 1,
                    "endpoints": 1,
                    "waiting": 0,
                },
            )
        },
    ),
    Operation(
        method="GET",
        path="/doctor",
        name="examine",
        tag=Tag.APPLIANCE,
        summary="What the doctor finds",
        description="Looks at everything that keeps texts from getting through: disk, database,"
        " network, receivers, certificate, phones and more. Takes some seconds; who asks again"
        " within 10 gets the same report. Sends no text and changes nothing. `mmconnect doctor` is"
        " the same on the machine itself, also when the service does not run.",
        handler=_doctor,
        answers={
            200: Answer(
                means="What was found.",
                schema=schema.record(
                    {
                        "ok": schema.boolean("Whether there is no problem."),
                        "checkedAt": schema.moment(),
                        "checks": schema.array(
                            schema.record(
                                {
                                    "check": schema.text("The same word in every version."),
                                    "title": schema.text(),
                                    "mark": schema.choice(*(one.value for one in Mark)),
                                    "found": schema.text("What is so."),
                                    "remedy": schema.nullable(schema.text("What to do.")),
                                }
                            ),
                            "One thing can be there several times, for each endpoint say.",
                        ),
                    }
                ),
                example={
                    "ok": True,
                    "checkedAt": "2026-06-12T14:32:00.000Z",
                    "checks": [
                        {
                            "check": "fsync",
                            "title": "Speed of the disk",
                            "mark": "ok",
                            "found": "Keeping something takes 8.1 ms, 12.0 ms at the worst: good.",
                            "remedy": None,
                        }
                    ],
                },
            )
        },
    ),
    Operation(
        method="GET",
        path="/key",
        name="getKey",
        tag=Tag.APPLIANCE,
        summary="What this key may do",
        handler=_key,
        answers={
            200: Answer(
                means="The key that asks.",
                schema=schema.record(
                    {
                        "id": schema.text("`key_…`: it stands in the audit list for what it does."),
                        "name": schema.text(),
                        "scopes": schema.array(schema.choice(*(s.value for s in Scope))),
                        "createdAt": schema.moment(),
                        "expiresAt": schema.nullable(schema.moment("Null: it does not end.")),
                    }
                ),
                example={
                    "id": "key_01JD2Q0G3V8Y5W7Z9X1C3B5N7M",
                    "name": "CRM",
                    "scopes": ["read", "write"],
                    "createdAt": "2026-06-12T14:32:00.000Z",
                    "expiresAt": None,
                },
            )
        },
    ),
)
