"""`/v1/devices/{id}/…`: its token and pairing code, a simulated text, and reading pushes again."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.devices import DEVICE, ID, note
from mmconnect.api.shapes import device as shape
from mmconnect.api.shapes import message as message_shape
from mmconnect.desk import device_page, rereading, simulating
from mmconnect.desk import devices as desk
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Refused

AT_ONCE = 500
"""Pushes that are read again by one request: each is a transaction of its own."""


async def _new_token(call: Call) -> Reply:
    around = call.desk.around()

    def renew(db: sqlite3.Connection) -> desk.Given:
        given = desk.renew_token(db, around, call.id)
        note(call, db, "device.token_renewed", given.device)
        return given

    given = await call.desk.change(renew)
    return Reply(body=given.as_json(around))


async def _pair(call: Call) -> Reply:
    around = call.desk.around()

    def invite(db: sqlite3.Connection) -> dict[str, Any]:
        device = desk.find(db, call.id)
        note(call, db, "device.invited", device)
        return {"id": device.id, **desk.invite(db, device.id, around.now).as_json(around)}

    return Reply(body=await call.desk.change(invite))


async def _told(call: Call) -> Reply:
    around = call.desk.around()

    def told(db: sqlite3.Connection) -> dict[str, Any]:
        device = desk.told(db, around, call.id)
        note(call, db, "device.changed", device, "it was told the new address")
        return device_page.whole(db, around, device).as_json()

    return Reply(body=await call.desk.change(told))


async def _simulate(call: Call) -> Reply:
    at = call.desk
    played = await at.database.read(lambda db: simulating.choose(db, call.id, at.clock.now()))
    sender, text, now = call.body["from"], call.body["text"], at.clock.now()
    told = await simulating.play(played, at.listeners().phone, sender, text, now)
    told = await at.database.read(lambda db: simulating.verdict(db, played, told))
    if told.status != 200 or told.message_id is None:
        raise Refused(str(told.answer.get("message", f"The listener answered {told.status}")))
    duplicate = bool(told.answer.get("duplicate", False))
    return Reply(body={"messageId": told.message_id, "duplicate": duplicate})


async def _reread(call: Call) -> Reply:
    at = call.desk
    device = await at.database.read(lambda db: desk.find(db, call.id))
    asked = await at.database.read(lambda db: rereading.of_device(db, call.id))
    made = [done for one in asked[:AT_ONCE] if (done := await turn(call, one)) is not None]
    good = sum(one["state"] == rereading.Fate.UNDERSTOOD for one in made)
    await at.change(lambda db: note(call, db, "device.reread", device, f"{good} understood"))
    return Reply(body={"items": made, "left": len(asked) - len(asked[:AT_ONCE])})


async def turn(call: Call, message_id: str) -> dict[str, Any] | None:
    """One push, read again; None when it is gone."""
    at = call.desk
    again = partial(rereading.turn, message_id=message_id, ids=at.ids, now=at.clock.now())
    done = await at.database.write(again, heavy=True)
    if done is None:
        return None
    if done.deliveries:
        at.wake()
    return done.as_json()


REREAD = schema.record(
    {
        "id": schema.text("The message."),
        "state": schema.choice(*(fate.value for fate in rereading.Fate)),
        "messageIds": schema.array(schema.text(), "What it is now; several, if it held several."),
        "duplicateOf": schema.nullable(schema.text()),
        "deliveries": schema.integer("That were made of it."),
        "reason": schema.nullable(schema.text("Why it is still not understood, say.")),
    }
)
REREAD_EXAMPLE = {
    "id": message_shape.ID,
    "state": rereading.Fate.UNDERSTOOD.value,
    "messageIds": [message_shape.ID],
    "duplicateOf": None,
    "deliveries": 1,
    "reason": None,
}

OPERATIONS = (
    Operation(
        method="POST",
        path="/devices/{id}/new-token",
        name="renewToken",
        tag=Tag.DEVICES,
        summary="A new token",
        description="The old one ends when the new one is used, in 7 days at most.",
        handler=_new_token,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="What the phone is to be given.",
                schema=schema.ref("DeviceGiven"),
                example=shape.GIVEN_EXAMPLE,
            )
        },
    ),
    Operation(
        method="POST",
        path="/devices/{id}/pair",
        name="pairDevice",
        tag=Tag.DEVICES,
        summary="A new pairing code",
        description="For the page that sets the phone up; older codes end.",
        handler=_pair,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: Answer(means="The code.", schema=shape.PAIRED, example=shape.PAIRED_EXAMPLE)},
    ),
    Operation(
        method="POST",
        path="/devices/{id}/told",
        name="toldDevice",
        tag=Tag.DEVICES,
        summary="It was given the present address",
        description="After this machine's address has changed: the phone pushes to the new one.",
        handler=_told,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: DEVICE},
    ),
    Operation(
        method="POST",
        path="/devices/{id}/simulate",
        name="simulateText",
        tag=Tag.DEVICES,
        summary="Simulate a text",
        description="Pushed through the real phone listener, as the phone's app would: it is taken"
        " in, kept and delivered like any other.",
        handler=_simulate,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(
            schema=schema.record(
                {"from": schema.text(least=1, most=100), "text": schema.text(most=5000)}
            ),
            example={"from": "+15550100", "text": "Hello"},
        ),
        answers={
            200: Answer(
                means="The message that it was kept as.",
                schema=schema.record({"messageId": schema.text(), "duplicate": schema.boolean()}),
                example={"messageId": message_shape.ID, "duplicate": False},
            )
        },
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/devices/{id}/reread",
        name="rereadDevice",
        tag=Tag.DEVICES,
        summary="Read again what was not understood",
        description=f"After its app or mapping was mended. {AT_ONCE} pushes at a time: while `left`"
        " is not 0, ask again.",
        handler=_reread,
        scope=Scope.WRITE,
        id_means=ID,
        answers={
            200: Answer(
                means="What became of each, oldest first.",
                schema=schema.record({"items": schema.array(REREAD), "left": schema.integer()}),
                example={"items": [REREAD_EXAMPLE], "left": 0},
            )
        },
    ),
)
