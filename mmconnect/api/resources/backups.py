"""`/v1/backups`: the backups that are kept on this machine; making, fetching and removing one.

All of it needs the scope `backup`: whoever has a backup has everything. Restoring is not here, as
it would replace the key that asks for it.
"""

from __future__ import annotations

from functools import partial

from mmconnect.api import pages, problems, schema
from mmconnect.api.operation import Answer, Call, Handed, Operation, Reply, Tag
from mmconnect.desk import backing_up as desk
from mmconnect.desk.kept_backups import Kept, Sort
from mmconnect.desk.keys import Scope

ID = f"Its name; or `{desk.LATEST}`: the newest that the schedule, or somebody, has made."
MEDIA = "application/vnd.sqlite3"
"""Registered at iana.org/assignments/media-types."""
NAME = "mmconnect-2026-06-12T010000Z.db"
EXAMPLE = {
    "id": NAME,
    "file": f"/media/usb1/mmconnect/{NAME}",
    "why": Sort.SCHEDULED.value,
    "madeAt": "2026-06-12T01:00:00.000Z",
    "bytes": 1_486_848,
}
BACKUP = schema.record(
    {
        "id": schema.text("Its name."),
        "file": schema.text("Where it lies on this machine."),
        "why": schema.choice(
            *Sort, description="`scheduled`: by the schedule, or because somebody asked for it."
        ),
        "madeAt": schema.moment(),
        "bytes": schema.integer(),
    }
)
SCHEMAS = {"Backup": BACKUP}


async def _one(call: Call) -> Kept:
    if call.id == desk.LATEST:
        return await desk.latest(call.desk)
    return await desk.named(call.desk, call.id)


async def _list(call: Call) -> Reply:
    page, cursor = pages.cut(await desk.every(call.desk), call.query, lambda one: one.name)
    return Reply(body=pages.page([one.as_json() for one in page], cursor))


async def _get(call: Call) -> Reply:
    return Reply(body=(await _one(call)).as_json())


async def _make(call: Call) -> Reply:
    made = await desk.make(call.desk, call.actor)
    return Reply(status=201, body=made.as_json(), location=f"/backups/{made.name}")


async def _fetch(call: Call) -> Reply:
    kept = await _one(call)
    over = partial(desk.taken, call.desk, call.actor, kept.name)
    return Reply(body=Handed(file=kept.path, name=kept.name, over=over))


async def _remove(call: Call) -> Reply:
    kept = await desk.remove(call.desk, call.id, call.actor)
    return Reply(body={"id": kept.name, "removed": True})


OPERATIONS = (
    Operation(
        method="GET",
        path="/backups",
        name="listBackups",
        tag=Tag.BACKUPS,
        summary="Backups on this machine",
        description="Newest first. What was set aside before a restore or an upgrade is among"
        " them.",
        handler=_list,
        scope=Scope.BACKUP,
        query=pages.PARAMETERS,
        answers={
            200: Answer(
                means="They.",
                schema=pages.of(schema.ref("Backup")),
                example={"items": [EXAMPLE]},
            )
        },
    ),
    Operation(
        method="POST",
        path="/backups",
        name="makeBackup",
        tag=Tag.BACKUPS,
        summary="Make one now",
        description="Where the schedule puts them, beside texts, which do not wait; checked before"
        " it is there. As after any other, the oldest beyond `backupKeep` of the settings go.",
        handler=_make,
        scope=Scope.BACKUP,
        answers={201: Answer(means="It.", schema=schema.ref("Backup"), example=EXAMPLE)},
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="GET",
        path="/backups/{id}",
        name="getBackup",
        tag=Tag.BACKUPS,
        summary="One backup",
        handler=_get,
        scope=Scope.BACKUP,
        id_means=ID,
        answers={200: Answer(means="It.", schema=schema.ref("Backup"), example=EXAMPLE)},
    ),
    Operation(
        method="GET",
        path="/backups/{id}/file",
        name="fetchBackup",
        tag=Tag.BACKUPS,
        summary="Take it away",
        description="It holds texts, tokens, secrets and the local CA's key: keep it where nobody"
        " else reads it. `mmconnect restore FILE` puts it back, and so do the pages.",
        handler=_fetch,
        scope=Scope.BACKUP,
        id_means=ID,
        answers={
            200: Answer(means="The file: an SQLite database.", schema=schema.binary(), media=MEDIA)
        },
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="DELETE",
        path="/backups/{id}",
        name="removeBackup",
        tag=Tag.BACKUPS,
        summary="Remove it for good",
        handler=_remove,
        scope=Scope.BACKUP,
        id_means="Its name.",
        answers={
            200: Answer(
                means="It is gone.",
                schema=schema.record({"id": schema.text(), "removed": schema.boolean()}),
                example={"id": NAME, "removed": True},
            )
        },
        errors=(problems.CONFLICT,),
    ),
)
