"""The configuration as a document to take away, and one to bring: shown first, then put into force.

One with secrets wants the password again, and so does bringing one: it can say where texts go.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sqlite3
from datetime import datetime
from pathlib import Path

from aiohttp import web

from mmconnect.admin import confirm, entrance, forms
from mmconnect.admin.context import desk
from mmconnect.admin.pages.backup import PATH as BACKUP
from mmconnect.admin.pages.backup import brought, shown, take_in
from mmconnect.admin.render import page
from mmconnect.desk import config_import
from mmconnect.desk.config_export import document
from mmconnect.desk.config_steps import Place, Step
from mmconnect.desk.desk import Actor, Desk
from mmconnect.domain.errors import Invalid, Issue, MmconnectError, Refused

PATH = f"{BACKUP}/configuration"
LARGEST = 4 * 2**20
"""Bytes of a document: thousands of endpoints."""
_NAME = re.compile(r"[0-9a-f]{16}")


async def _export(request: web.Request) -> web.StreamResponse:
    form, made, who = await forms.read(request), desk(request), entrance.actor(request)
    whole, now = form.on("secrets"), made.clock.now()
    if whole:
        await confirm.confirmed(request, BACKUP)
        await made.change(lambda db: who.note(db, now, "config.exported", None, "with secrets"))
    found = await made.database.read(lambda db: document(db, now, secrets=whole))
    day = datetime.fromtimestamp(now / 1000).astimezone().strftime("%Y-%m-%d-%H%M")
    return web.Response(
        text=json.dumps(found, ensure_ascii=False, indent=2) + "\n",
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="mmconnect-{day}.json"'},
    )


async def _bring(request: web.Request) -> web.StreamResponse:
    """Take a document in, and say what it would change."""
    await confirm.confirmed(request, BACKUP)
    made, name = desk(request), secrets.token_hex(8)
    file = brought(made.directory, name)
    try:
        await take_in(request, file)
        content = await asyncio.to_thread(_content, file)
        steps = await _preview(made, content, entrance.actor(request))
    except (MmconnectError, *forms.BROKEN) as error:
        file.unlink(missing_ok=True)
        told = str(error) if isinstance(error, MmconnectError) else "The file did not arrive whole"
        return await shown(request, status=400, wrong={"configuration": told})
    if not steps:
        file.unlink(missing_ok=True)
    return page(
        request, "settings/configuration.html", area="settings", steps=steps, name=name, path=PATH
    )


async def _import(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request, BACKUP)
    made, who = desk(request), entrance.actor(request)
    name = (await forms.read(request)).get("name")
    file = brought(made.directory, name) if _NAME.fullmatch(name) else None
    if file is None or not await asyncio.to_thread(file.exists):
        raise Refused("That file is no longer here. Bring it again")
    content = await asyncio.to_thread(_content, file)
    file.unlink(missing_ok=True)
    read = config_import.read(content)
    steps = await made.change(lambda db: config_import.put(read, _place(made, db, who)))
    return page(request, "settings/configured.html", area="settings", steps=steps, back=BACKUP)


async def _preview(made: Desk, content: bytes, who: Actor) -> list[Step]:
    read = config_import.read(content)
    try:
        await made.database.write(lambda db: config_import.preview(read, _place(made, db, who)))
    except config_import.Previewed as found:
        return found.steps
    return []


def _place(made: Desk, db: sqlite3.Connection, who: Actor) -> Place:
    around = made.around()
    return Place(db=db, ids=made.ids, now=around.now, by=who, base_for=around.base_for)


def _content(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise Invalid(Issue(path="configuration", message="That is too large for a configuration"))
    return file.read_bytes()


ROUTES = (
    web.post(f"{PATH}/export", _export),
    web.post(f"{PATH}/bring", _bring),
    web.post(f"{PATH}/import", _import),
)
