"""Keys of the REST API: which there are, what each may do, making one, and ending one."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from mmconnect.admin import confirm, forms
from mmconnect.admin.context import desk, see, url
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.just_made import JUST_MADE
from mmconnect.admin.render import page
from mmconnect.admin.settings import TABS
from mmconnect.desk import keys
from mmconnect.desk.keys import Scope
from mmconnect.domain.errors import Invalid, Issue, NotFound
from mmconnect.store import api_keys
from mmconnect.store.api_keys import ApiKey
from mmconnect.web.asked import client_of

_DAY = 86_400_000
ENDS = (("", "Not by itself"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"))
"""Days after which a key ends, and how that is said."""


async def _list(request: web.Request) -> web.StreamResponse:
    return await _page(request, forms.filled(scope=sorted(keys.DEFAULT)))


async def _create(request: web.Request) -> web.StreamResponse:
    form = await forms.read(request)
    if Scope.BACKUP in form.all("scope"):  # what it opens is not shown without the password either
        await confirm.confirmed(request, "/settings/keys")
    try:
        key, secret = _read(request, form)
    except Invalid as error:
        return await _page(request, form, error)
    who = actor(request)

    def write(db: sqlite3.Connection) -> None:
        api_keys.add(db, key)
        detail = f"{key.name} ({', '.join(sorted(key.scopes))})"
        who.note(db, key.created_at, "key.created", key.id, detail)

    await desk(request).database.write(write)
    request.app[JUST_MADE].keep(request, key.id, secret)
    return see(request, f"/settings/keys/{key.id}")


async def _show(request: web.Request) -> web.StreamResponse:
    key = await _key(request)
    client = client_of(request)
    return page(
        request,
        "account/key.html",
        area="settings",
        key=key,
        good=key.is_good(desk(request).clock.now()),
        secret=request.app[JUST_MADE].shown(request, key.id),
        address=f"{client.scheme}://{client.host}{url(request, '')}",
    )


async def _ask_to_revoke(request: web.Request) -> web.StreamResponse:
    key = await _key(request)
    used = "It was never used."
    if key.last_used_at is not None:
        used = "Programs that use it are refused from then on."
    return page(
        request,
        "confirm.html",
        area="settings",
        title=f"Revoke the key {key.name}?",
        sentences=[f"It opens nothing any more, at once and for good. {used}"],
        action=f"/settings/keys/{key.id}/revoke",
        words="Revoke it",
        back="/settings/keys",
    )


async def _revoke(request: web.Request) -> web.StreamResponse:
    key = await _key(request)
    now, who = desk(request).clock.now(), actor(request)

    def write(db: sqlite3.Connection) -> None:
        if api_keys.revoke(db, key.id, now):
            who.note(db, now, "key.revoked", key.id, key.name)

    await desk(request).database.write(write)
    return say(request, see(request, "/settings/keys"), f"The key {key.name} opens nothing now.")


async def _page(
    request: web.Request, form: Form, error: Invalid | None = None
) -> web.StreamResponse:
    return page(
        request,
        "account/keys.html",
        area="settings",
        tabs=TABS,
        status=200 if error is None else 400,
        form=form,
        wrong={} if error is None else forms.wrong(error),
        keys=await desk(request).database.read(api_keys.known),
        ends=ENDS,
    )


async def _key(request: web.Request) -> ApiKey:
    key_id = request.match_info["id"]
    key = await desk(request).database.read(lambda db: api_keys.get(db, key_id))
    if key is None or key.revoked_at is not None:
        raise NotFound("There is no such key, or it was revoked.")
    return key


def _read(request: web.Request, form: Form) -> tuple[ApiKey, str]:
    """The key that a form asks for. Raises Invalid."""
    issues, now = [], desk(request).clock.now()
    name = form.get("name")
    if not 0 < len(name) <= 200 or not name.isprintable():
        issues.append(Issue(path="name", message="A name has 1 to 200 characters, on one line"))
    scopes = [scope for scope in Scope if scope in form.all("scope")]
    if not scopes:
        issues.append(Issue(path="scope", message="Tick at least one"))
    days = form.get("ends")
    if days not in dict(ENDS):
        issues.append(Issue(path="ends", message="Choose one of these"))
    if issues:
        raise Invalid(*issues)
    ends = now + int(days) * _DAY if days else None
    return keys.fresh(desk(request).ids, name=name, now=now, scopes=scopes, expires_at=ends)


ROUTES = (
    web.get("/settings/keys", _list),
    web.post("/settings/keys", _create),
    web.get("/settings/keys/{id}", _show),
    web.get("/settings/keys/{id}/revoke", _ask_to_revoke),
    web.post("/settings/keys/{id}/revoke", _revoke),
)
