"""The backups that lie on this machine: when they are made; taking away, restoring, deleting one.

A copy holds texts, tokens and secrets: the password is asked for again before it is taken away or
put in place. A name in a URL leads to a backup and to no other file (desk/kept_backups.py).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from pathlib import Path

from aiohttp import web

from mmconnect.admin import confirm, entrance, forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.pages.backup import (
    PATH,
    brought,
    restored_words,
    sent,
    shown,
    start_anew,
)
from mmconnect.admin.pages.settings import write
from mmconnect.admin.render import page
from mmconnect.admin.settings import BACKUP
from mmconnect.admin.words import size
from mmconnect.desk import backing_up, kept_backups
from mmconnect.desk.kept_backups import Kept
from mmconnect.domain.errors import Invalid, MmconnectError, Refused


async def _schedule(request: web.Request) -> web.StreamResponse:
    form, made = await forms.read(request), desk(request)
    who, now = entrance.actor(request), made.clock.now()
    try:
        await made.change(lambda db: write(db, made, BACKUP, form, who, now))
    except Invalid as error:
        return await shown(request, status=400, form=form, wrong=forms.wrong(error))
    return say(request, see(request, PATH), "Saved: it takes effect at once.")


async def _make(request: web.Request) -> web.StreamResponse:
    try:
        kept = await backing_up.make(desk(request), entrance.actor(request))
    except MmconnectError as error:
        return say(request, see(request, PATH), str(error), kind="bad")
    return say(request, see(request, PATH), f"Made and checked: {size(kept.size)}.")


async def _kept(request: web.Request) -> Kept:
    """The backup that the URL names. Raises NotFound."""
    return await backing_up.named(desk(request), request.match_info["name"])


async def _download(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request, PATH)
    return await sent(request, (await _kept(request)).path, request.match_info["name"])


async def _ask_to_delete(request: web.Request) -> web.StreamResponse:
    kept = await _kept(request)
    return page(
        request,
        "confirm.html",
        area="settings",
        title="Delete this backup?",
        sentences=[f"`{kept.name}`, {size(kept.size)}, is gone for good then."],
        action=f"{PATH}/kept/{kept.name}/delete",
        words="Delete it",
        back=PATH,
    )


async def _delete(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    kept = await backing_up.remove(desk(request), name, entrance.actor(request))
    return say(request, see(request, PATH), f"{kept.name} is deleted.")


async def _ask_to_restore(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request)
    kept = await _kept(request)
    try:
        contents = await desk(request).machine.look_into(kept.path)
    except MmconnectError as error:
        return say(request, see(request, PATH), str(error), kind="bad")
    return page(
        request,
        "confirm.html",
        area="settings",
        title="Restore this backup?",
        sentences=restored_words(contents),
        action=f"{PATH}/kept/{kept.name}/restore",
        words="Restore it",
        back=PATH,
    )


async def _restore(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request, PATH)
    made, kept = desk(request), await _kept(request)
    await made.machine.look_into(kept.path)
    file = brought(made.directory, secrets.token_hex(8))
    await asyncio.to_thread(_second, kept, file)
    return await start_anew(request, file)


def _second(kept: Kept, file: Path) -> None:
    """The same under a second name, as the restore uses up what it is given."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    beside = [(file.with_name(f"{file.name}{end}"), one) for end, one in _beside(kept)]
    try:
        for new, old in [(file, kept.path), *beside]:
            try:
                os.link(old, new)
            except OSError:  # on another disk
                shutil.copyfile(old, new)
                new.chmod(0o600)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise Refused(
            f"There is no room for a second copy of it: {error.strerror or error}. Free some space,"
            " or use `mmconnect restore FILE`"
        ) from error


def _beside(kept: Kept) -> list[tuple[str, Path]]:
    return list(kept_backups.companions(kept.path))


ROUTES = (
    web.post(f"{PATH}/schedule", _schedule),
    web.post(f"{PATH}/make", _make),
    web.post(f"{PATH}/kept/{{name}}", _download),
    web.get(f"{PATH}/kept/{{name}}/delete", _ask_to_delete),
    web.post(f"{PATH}/kept/{{name}}/delete", _delete),
    web.get(f"{PATH}/kept/{{name}}/restore", _ask_to_restore),
    web.post(f"{PATH}/kept/{{name}}/restore", _restore),
)
