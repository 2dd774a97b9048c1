"""The configuration as a document to take away, and one to bring: shown first, then put into force.

One with secrets wants the password again, and so does bringing one: it can say where texts go.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from datetime import datetime
from pathlib import Path

from aiohttp import web

from mmconnect.admin import confirm, entrance, forms
from mmconnect.admin.context import desk
from mmconnect.admin.pages.backup import PATH as BACKUP
from mmconnect.admin.pages.backup import brought, shown, take_in
from mmconnect.admin.render import page
from mmconnect.desk import config_import, configuring
from mmconnect.domain.errors import Invalid, Issue, MmconnectError, Refused

PATH = f"{BACKUP}/configuration"
LARGEST = 4 * 2**20
"""Bytes of a document: thousands of endpoints."""
_NAME = re.compile(r"[0-9a-f]{16}")


async def _export(request: web.Request) -> web.StreamResponse:
    form, made, who = await forms.read(request), desk(request), entrance.actor(request)
    if whole := form.on("secrets"):
        await confirm.confirmed(request, BACKUP)
    found = await configuring.export(made, who, secrets=whole)
    day = datetime.fromtimestamp(made.clock.now() / 1000).astimezone().strftime("%Y-%m-%d-%H%M")
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
        read = config_import.read(await asyncio.to_thread(_content, file))
        steps = await configuring.preview(made, read, entrance.actor(request))
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
    steps = await configuring.put(made, config_import.read(content), who)
    return page(request, "settings/configured.html", area="settings", steps=steps, back=BACKUP)


def _content(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise Invalid(Issue(path="configuration", message="That is too large for a configuration"))
    return file.read_bytes()


ROUTES = (
    web.post(f"{PATH}/export", _export),
    web.post(f"{PATH}/bring", _bring),
    web.post(f"{PATH}/import", _import),
)
