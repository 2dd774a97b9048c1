"""`/v1/settings`: what is set for the appliance as a whole."""

from __future__ import annotations

import sqlite3
from typing import Any

from mmconnect.api import schema
from mmconnect.api.operation import Answer, Body, Call, Operation, Reply, Tag
from mmconnect.api.shapes import settings as shape
from mmconnect.desk import settings as desk
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Invalid, Issue


async def _get(call: Call) -> Reply:
    return Reply(body=await call.desk.database.read(desk.everything))


async def _change(call: Call) -> Reply:
    texts: dict[str, str | None] = {}
    issues = []
    for camel, value in call.body.items():
        known = desk.BY_CAMEL[camel]
        try:
            text = None if value is None else desk.text_of(known, value)
            if text is not None:
                known.parse(text)
            texts[known.name] = text
        except (ValueError, OverflowError) as error:
            issues.append(Issue(path=camel, message=_sentence(str(error))))
    if issues:
        raise Invalid(*issues)

    def change(db: sqlite3.Connection) -> dict[str, Any]:
        now = call.desk.clock.now()
        secret = desk.change(db, texts, ids=call.desk.ids, now=now, by=call.actor)
        made = {} if secret is None else {"alertSecret": secret}
        return desk.everything(db) | made

    return Reply(body=await call.desk.change(change))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


OPERATIONS = (
    Operation(
        method="GET",
        path="/settings",
        name="getSettings",
        tag=Tag.SETTINGS,
        summary="All settings",
        description="Of the alert URL only what is not secret.",
        handler=_get,
        answers={200: Answer(means="They.", schema=schema.ref("Settings"), example=shape.EXAMPLE)},
    ),
    Operation(
        method="PATCH",
        path="/settings",
        name="changeSettings",
        tag=Tag.SETTINGS,
        summary="Change settings",
        description="They take effect within a second, without a restart.",
        handler=_change,
        scope=Scope.WRITE,
        body=Body(
            schema=shape.CHANGED, example={"retentionMessages": 2592000, "wipeDelivered": True}
        ),
        answers={200: Answer(means="All settings.", schema=shape.AFTER, example=shape.EXAMPLE)},
    ),
)
SCHEMAS = {"Settings": shape.SETTINGS}
