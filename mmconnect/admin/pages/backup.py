"""A copy of everything to take away, and one to bring back.

A copy holds texts, tokens and secrets: the password is asked for again before either. What is
brought is looked into first, and says what it holds, before anything is replaced.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from aiohttp import BodyPartReader, web

from mmconnect.admin import confirm, entrance, forms, upkeep
from mmconnect.admin.concerns import BACKUP_OLD
from mmconnect.admin.context import desk
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.settings import read
from mmconnect.admin.render import page
from mmconnect.admin.settings import BACKUP, TABS
from mmconnect.admin.words import many
from mmconnect.desk import backing_up, passing
from mmconnect.desk.kept_backups import Sort
from mmconnect.domain.errors import Invalid, Issue, MmconnectError, Refused
from mmconnect.store import backups
from mmconnect.store.backups import Contents
from mmconnect.web.sending import CHUNK, send

PATH = "/settings/backup"
SOON = 0.7
"""Seconds after which the service ends for a restore: the answer has gone out by then."""
REASONS = {
    Sort.SCHEDULED: "scheduled, or by hand",
    Sort.BEFORE_RESTORE: "before a restore",
    Sort.BEFORE_UPGRADE: "before an upgrade",
}
"""Why a backup was made, in words."""
_NAME = re.compile(r"[0-9a-f]{16}")


async def _backup(request: web.Request) -> web.StreamResponse:
    return await shown(request)


async def shown(
    request: web.Request,
    *,
    status: int = 200,
    form: Form | None = None,
    wrong: Mapping[str, str] | None = None,
) -> web.Response:
    """The page; `form` is the schedule's as it was sent, `wrong` what is wrong by field."""
    made = desk(request)
    last = await made.database.read(backups.last_made)
    return page(
        request,
        "settings/backup.html",
        area="settings",
        status=status,
        tabs=TABS,
        tab="backup",
        lead="One file with everything: take it somewhere else from time to time.",
        unrestored=made.machine.unrestored(),
        last=last,
        old=last is not None and made.clock.now() - last > BACKUP_OLD,
        mm=upkeep.here(made.directory).mm,
        group=BACKUP,
        form=form or await made.database.read(lambda db: read(db, BACKUP)),
        wrong=wrong or {},
        kept=await backing_up.every(made),
        folder=made.look().preferences.backup_folder,
        reasons=REASONS,
    )


async def _download(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request, PATH)
    made = desk(request)
    day = datetime.fromtimestamp(made.clock.now() / 1000).astimezone().strftime("%Y-%m-%d-%H%M")
    async with _passing(passing.download(made.directory)) as file:
        await made.figures.flush()  # the last minute's are in memory only
        await made.machine.back_up(file)
        return await sent(request, file, f"mmconnect-{day}.db")


async def sent(request: web.Request, file: Path, name: str) -> web.StreamResponse:
    """Hand a backup over, by that name, and write down that it was."""
    made, who = desk(request), entrance.actor(request)
    return await send(request, file, name, partial(backing_up.taken, made, who, name))


async def _bring(request: web.Request) -> web.StreamResponse:
    """Take a file in, look into it, and say what it holds."""
    await confirm.confirmed(request, PATH)
    made = desk(request)
    name = secrets.token_hex(8)
    file = brought(made.directory, name)
    try:
        await take_in(request, file)
        contents = await made.machine.look_into(file)
    except (Invalid, *forms.BROKEN) as error:
        _forget(file)
        told = str(error) if isinstance(error, Invalid) else "The file did not arrive whole"
        return await shown(request, status=400, wrong={"file": told})
    except MmconnectError as error:
        _forget(file)
        told = str(error).replace(str(file), "This file")
        return await shown(request, status=400, wrong={"file": told})
    return page(
        request,
        "confirm.html",
        area="settings",
        title="Restore this backup?",
        sentences=restored_words(contents),
        action=f"{PATH}/restore",
        words="Restore it",
        back=PATH,
        fields={"name": name},
    )


async def _restore(request: web.Request) -> web.StreamResponse:
    await confirm.confirmed(request, PATH)
    made = desk(request)
    name = (await forms.read(request)).get("name")
    file = brought(made.directory, name) if _NAME.fullmatch(name) else None
    if file is None or not file.exists():
        raise Refused("That backup is no longer here. Bring it again")
    await made.machine.look_into(file)
    return await start_anew(request, file)


async def start_anew(request: web.Request, file: Path) -> web.Response:
    """End this run, so that the next begins with this backup; the page that waits for it."""
    made, who = desk(request), entrance.actor(request)
    now = made.clock.now()
    await made.change(lambda db: who.note(db, now, "backup.restored", None, ""))
    asyncio.get_running_loop().call_later(SOON, made.machine.restore, file)
    return page(request, "settings/restoring.html", area="settings")


def restored_words(contents: Contents) -> list[str]:
    """What restoring a backup means, for whoever is asked."""
    authority = (
        " So is the local CA with its key: phones that trusted the backup's trust this machine."
        if contents.files
        else ""
    )
    return [
        "Everything that is here now is replaced by what the backup holds: messages,"
        " endpoints, phones, settings, the password. Texts that came after it was made are no"
        f" longer here; what is here now is kept in the data directory, below `backups/`."
        f"{authority}",
        f"In the backup, {many(contents.waiting, 'delivery waits', 'deliveries wait')}."
        " What waits goes out at once."
        if contents.waiting
        else "In the backup, no delivery waits.",
        "mmconnect starts anew, which takes a few seconds; phones send again what they could"
        " not hand over meanwhile.",
    ]


async def take_in(request: web.Request, file: Path) -> None:
    """The file of the form, onto the disk. Raises Invalid when there is none."""
    if not request.content_type.startswith("multipart/"):
        raise Invalid(Issue(path="file", message="Choose the file of a backup"))
    size = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name != "file":
            continue
        handle = await asyncio.to_thread(_open, file)
        try:
            while chunk := await part.read_chunk(CHUNK):
                size += len(chunk)
                await asyncio.to_thread(os.write, handle, chunk)
        finally:
            os.close(handle)
    if not size:
        _forget(file)
        raise Invalid(Issue(path="file", message="Choose the file of a backup"))


def _open(file: Path) -> int:
    """A new file for nobody else to read; whatever was brought before goes."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    for other in file.parent.iterdir():
        other.unlink(missing_ok=True)
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def brought(directory: Path, name: str) -> Path:
    return directory / passing.BROUGHT / f"{name}.db"


@asynccontextmanager
async def _passing(file: Path) -> AsyncIterator[Path]:
    """A file that is gone afterwards."""
    try:
        yield file
    finally:
        _forget(file)


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)


ROUTES = (
    web.get(PATH, _backup),
    web.post(PATH, _download),
    web.post(f"{PATH}/bring", _bring),
    web.post(f"{PATH}/restore", _restore),
)
