"""Who changed what: the newest changes first."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin.context import desk, url
from mmconnect.admin.render import page
from mmconnect.admin.settings import TABS
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.store import api_keys, audit

PAGE = 50
_THINGS = {
    "device": "Phone",
    "key": "API key",
    "api key": "API key",
    "tls": "HTTPS",
    "replay": "Sending again",
}
"""What the pages call it, where that is another word."""
_WHO = {audit.ADMIN: "in the browser", audit.CLI: "on the command line"}


async def _changes(request: web.Request) -> web.Response:
    before = _number(request.query.get("before", ""))

    def read(db: sqlite3.Connection) -> tuple[list[audit.Entry], dict[str, str]]:
        entries = audit.newest(db, limit=PAGE + 1, before=before)
        return entries, {key.id: key.name for key in api_keys.known(db)}

    entries, names = await desk(request).database.read(read)
    more = entries[PAGE - 1].number if len(entries) > PAGE else None
    return page(
        request,
        "settings/changes.html",
        area="settings",
        tabs=TABS,
        tab="changes",
        lead="Who changed what, and when. Kept for two years.",
        entries=[
            (
                one,
                _words(one.action),
                _who(one.actor, names),
            )
            for one in entries[:PAGE]
        ],
        newer=url(request, "/settings/changes") if before is not None else "",
        older=url(request, "/settings/changes", before=more) if more is not None else "",
    )


def _who(actor: str, names: dict[str, str]) -> str:
    """Who it was, in words; `names` are those of the API's keys, by id."""
    return _WHO.get(actor) or f"API key {names.get(actor, actor)}"


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(Issue(path="before", message="This is no place in the list of changes"))
    return int(text)


def _words(action: str) -> str:
    """`endpoint.secret_rotated` as people read it: `Endpoint: secret rotated`."""
    thing, _, verb = action.replace("_", " ").partition(".")
    return f"{_THINGS.get(thing) or thing.capitalize()}: {verb}"


ROUTES = (web.get("/settings/changes", _changes),)
