"""/help/backups, /help/updates, /help/machine: looking after the appliance, as it is installed."""

from __future__ import annotations

import platform
import sqlite3
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect import __version__, revision
from mmconnect.admin import upkeep
from mmconnect.admin.chapters import CHAPTERS, Chapter
from mmconnect.admin.context import desk
from mmconnect.admin.render import page


def _shows(chapter: Chapter) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def show(request: web.Request) -> web.StreamResponse:
        here = upkeep.here(desk(request).directory)
        return page(
            request,
            "help/chapter.html",
            area="help",
            chapter=chapter,
            here=here,
            parts=[(one, upkeep.filled(one.code, here)) for one in chapter.parts],
            facts=[
                ("Version", f"{__version__}{_of(revision.commit())}"),
                ("Installed as", here.way.value),
                ("Data", str(here.data)),
                ("Options", here.options),
                (
                    "Inside",
                    f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
                    f" {ssl.OPENSSL_VERSION}",
                ),
            ],
        )

    return show


def _of(commit: str) -> str:
    return "" if commit == revision.UNKNOWN else f" ({commit[:12]})"


ROUTES = tuple(web.get(f"/help/{one.name}", _shows(one)) for one in CHAPTERS)
