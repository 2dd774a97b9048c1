"""`/v1/devices`: the phones and modems that push texts."""

from __future__ import annotations

import sqlite3
from typing import Any

from mmconnect.api import pages, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.shapes import device as shape
from mmconnect.desk import device_page, device_values
from mmconnect.desk import devices as desk
from mmconnect.desk.keys import Scope
from mmconnect.domain.models import Device
from mmconnect.store import devices


async def _list(call: Call) -> Reply:
    around = call.desk.around()

    def look(db: sqlite3.Connection) -> dict[str, Any]:
        page, cursor = pages.cut(devices.known(db), call.query, lambda device: device.id)
        shown = device_page.pages(db, around, page)
        return pages.page([one.as_json() for one in shown], cursor)

    return Reply(body=await call.desk.database.read(look))


async def _get(call: Call) -> Reply:
    around = call.desk.around()
    return Reply(
        body=await call.desk.database.read(
            lambda db: device_page.whole(db, around, desk.find(db, call.id)).as_json()
        )
    )


async def _add(call: Call) -> Reply:
    values = device_values.checked(call.body)
    around = call.desk.around()
    device = desk.with_values(desk.fresh(values["name"]), values)

    def add(db: sqlite3.Connection) -> desk.Given:
        given = desk.add(db, around, call.desk.ids, device)
        note(call, db, "device.added", given.device)
        return given

    given = await call.desk.change(add)
    location = f"/devices/{given.device.id}"
    return Reply(status=201, body=given.as_json(around), location=location)


async def _change(call: Call) -> Reply:
    values = device_values.checked(call.body)
    around = call.desk.around()

    def change(db: sqlite3.Connection) -> dict[str, Any]:
        device = desk.change(db, call.id, values)
        note(call, db, "device.changed", device, ", ".join(values))
        return device_page.whole(db, around, device).as_json()

    return Reply(body=await call.desk.change(change))


async def _remove(call: Call) -> Reply:
    def remove(db: sqlite3.Connection) -> None:
        device = desk.remove(db, call.id, call.desk.clock.now())
        note(call, db, "device.removed", device)

    await call.desk.change(remove)
    return Reply(body={"id": call.id, "removed": True})


def note(call: Call, db: sqlite3.Connection, action: str, device: Device, detail: str = "") -> None:
    """Write down what was done to a device."""
    desk.note(db, call.actor, call.desk.clock.now(), action, device, detail)


ID = "The device's `dev_…`."
DEVICE = Answer(means="The device.", schema=schema.ref("DeviceWhole"), example=shape.WHOLE_EXAMPLE)

OPERATIONS = (
    Operation(
        method="GET",
        path="/devices",
        name="listDevices",
        tag=Tag.DEVICES,
        summary="All devices",
        description="Oldest first.",
        handler=_list,
        query=pages.PARAMETERS,
        answers={
            200: Answer(
                means="A page of devices.",
                schema=pages.of(schema.ref("Device")),
                example={"items": [shape.EXAMPLE]},
            )
        },
    ),
    Operation(
        method="POST",
        path="/devices",
        name="addDevice",
        tag=Tag.DEVICES,
        summary="Add a device",
        description="Its token and push URL are in the answer, and in no later one; the pairing"
        " page sets the phone up.",
        handler=_add,
        scope=Scope.WRITE,
        body=Body(
            schema=schema.ref("DeviceAdded"), example={"name": "Reception", "app": "incoming_sms"}
        ),
        answers={
            201: Answer(
                means="What the phone is to be given.",
                schema=schema.ref("DeviceGiven"),
                example=shape.GIVEN_EXAMPLE,
            )
        },
    ),
    Operation(
        method="GET",
        path="/devices/{id}",
        name="getDevice",
        tag=Tag.DEVICES,
        summary="One device",
        handler=_get,
        id_means=ID,
        answers={200: DEVICE},
    ),
    Operation(
        method="PATCH",
        path="/devices/{id}",
        name="changeDevice",
        tag=Tag.DEVICES,
        summary="Change a device",
        description="What is left out stays as it is.",
        handler=_change,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(schema=schema.ref("DeviceChanged"), example={"country": "SG"}),
        answers={200: DEVICE},
    ),
    Operation(
        method="DELETE",
        path="/devices/{id}",
        name="removeDevice",
        tag=Tag.DEVICES,
        summary="Remove a device",
        description="Its pushes are refused from now on; its texts stay.",
        handler=_remove,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="It is gone.",
                schema=schema.record({"id": schema.text(), "removed": schema.boolean()}),
                example={"id": shape.ID, "removed": True},
            )
        },
    ),
)
SCHEMAS = {
    "Device": shape.DEVICE,
    "DeviceWhole": shape.WHOLE,
    "DeviceAdded": shape.ADDED,
    "DeviceChanged": shape.CHANGED,
    "DeviceGiven": shape.GIVEN,
}
