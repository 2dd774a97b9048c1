"""`/v1/devices/{id}/link`, `unlink` and `history`: phones that texts are fetched from."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

from mmconnect.api import problems, schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.resources.devices import DEVICE, ID, note
from mmconnect.desk import device_history, device_links, device_page
from mmconnect.desk import devices as desk
from mmconnect.desk.keys import Scope
from mmconnect.desk.phone_access import accessed
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.store import kept_back


async def _link(call: Call) -> Reply:
    at, given = call.desk, call.body
    device = await at.database.read(lambda db: desk.find(db, call.id))
    access = await accessed(
        device.app,
        given["phoneUrl"],
        given.get("phoneUser", ""),
        given["phonePassword"],
        at.clock,
        at.rule,
    )
    if access is None:
        raise Invalid(Issue(path="phoneUrl", message="Name the phone's address"))
    seconds = given.get("interval")
    every = None if seconds is None else seconds * 1000
    around = at.around()

    def link(db: sqlite3.Connection) -> dict[str, Any]:
        found = desk.find(db, call.id)
        device_links.link(db, found, access.app, access.phone, every, around.now)
        note(call, db, "device.linked", found, access.phone.url)
        return device_page.whole(db, around, desk.find(db, call.id)).as_json()

    return Reply(body=await at.change(link))


async def _unlink(call: Call) -> Reply:
    around = call.desk.around()

    def unlink(db: sqlite3.Connection) -> dict[str, Any]:
        device = desk.find(db, call.id)
        device_links.unlink(db, device)
        note(call, db, "device.unlinked", device)
        return device_page.whole(db, around, device).as_json()

    return Reply(body=await call.desk.change(unlink))


async def _history(call: Call) -> Reply:
    at = call.desk
    device = await at.database.read(lambda db: desk.find(db, call.id))
    if call.body["what"] == "leave":

        def leave(db: sqlite3.Connection) -> int:
            left = kept_back.leave(db, device.id)
            note(call, db, "device.history_left", device, f"{left} texts")
            return left

        return Reply(body={"texts": await at.change(leave), "deliveries": 0})
    texts = deliveries = 0
    while True:
        send = partial(
            device_history.send_some,
            device_id=device.id,
            configuration=at.look(),
            ids=at.ids,
            now=at.clock.now(),
        )
        some, made = await at.database.write(send, heavy=True)
        if not some:
            break
        texts, deliveries = texts + some, deliveries + made
        at.wake()
    await at.change(lambda db: note(call, db, "device.history_sent", device, f"{texts} texts"))
    return Reply(body={"texts": texts, "deliveries": deliveries})


OPERATIONS = (
    Operation(
        method="POST",
        path="/devices/{id}/link",
        name="linkDevice",
        tag=Tag.DEVICES,
        summary="Fetch texts from a phone's own server",
        description="Tried at once: an address or a password that does not work is refused, and"
        " nothing is changed. The password is used for that, and kept nowhere.",
        handler=_link,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(
            schema=schema.record(
                {
                    "phoneUrl": schema.text("`http://192.168.1.31:8080`", least=1, most=500),
                    "phoneUser": schema.text(
                        "As the app shows it.", most=200, default=device_links.USER
                    ),
                    "phonePassword": schema.text(
                        "As the app shows it.", least=1, most=500, writeOnly=True
                    ),
                    "interval": schema.integer(
                        "Seconds between two looks.",
                        least=device_links.SHORTEST,
                        most=device_links.LONGEST,
                    ),
                },
                optional=("phoneUser", "interval"),
            ),
            example={"phoneUrl": "http://192.168.1.31:8080", "phonePassword": "as-the-app-shows"},
        ),
        answers={200: DEVICE},
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/devices/{id}/unlink",
        name="unlinkDevice",
        tag=Tag.DEVICES,
        summary="Fetch from it no longer",
        description="What it pushes is taken as before.",
        handler=_unlink,
        scope=Scope.WRITE,
        id_means=ID,
        answers={200: DEVICE},
        errors=(problems.CONFLICT,),
    ),
    Operation(
        method="POST",
        path="/devices/{id}/history",
        name="decideHistory",
        tag=Tag.DEVICES,
        summary="Send texts that were kept back, or leave them",
        description="What its inbox held when it was linked, or what may have gone out after a"
        " backup that was restored.",
        handler=_history,
        scope=Scope.WRITE,
        id_means=ID,
        body=Body(
            schema=schema.record({"what": schema.choice("send", "leave")}),
            example={"what": "send"},
        ),
        answers={
            200: Answer(
                means="How many, and what was made of them.",
                schema=schema.record({"texts": schema.integer(), "deliveries": schema.integer()}),
                example={"texts": 12, "deliveries": 12},
            )
        },
    ),
)
