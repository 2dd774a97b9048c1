"""The configuration document at the running appliance: taken away, tried, put into force.

For the pages and the API alike; what is in it and what it does is config_export's and
config_import's.
"""

from __future__ import annotations

import sqlite3

from mmconnect.desk import config_import
from mmconnect.desk.actor import Actor
from mmconnect.desk.config_export import Document, document
from mmconnect.desk.config_steps import Place, Step
from mmconnect.desk.desk import Desk


async def export(desk: Desk, by: Actor, *, secrets: bool) -> Document:
    """The document as of now; that secrets were taken along is written down."""
    now = desk.clock.now()
    if secrets:
        await desk.change(lambda db: by.note(db, now, "config.exported", None, "with secrets"))
    return await desk.database.read(lambda db: document(db, now, secrets=secrets))


async def preview(desk: Desk, given: object, by: Actor) -> list[Step]:
    """What putting it into force would do. Raises Invalid with all that is wrong, and Refused."""
    try:
        await desk.database.write(lambda db: config_import.preview(given, _place(desk, db, by)))
    except config_import.Previewed as found:
        return found.steps
    return []


async def put(desk: Desk, given: object, by: Actor) -> list[Step]:
    """Put it into force, all of it or nothing. Raises Invalid and Refused."""
    return await desk.change(lambda db: config_import.put(given, _place(desk, db, by)))


def _place(desk: Desk, db: sqlite3.Connection, by: Actor) -> Place:
    around = desk.around()
    return Place(db=db, ids=desk.ids, now=around.now, by=by, base_for=around.base_for)
