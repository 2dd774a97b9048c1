"""What an owner sets for the appliance as a whole: a form for each group of settings.

What stands on each is in admin/settings.py; how it is read and kept, at the desk. An empty field
means the default.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect.admin import entrance, forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.https_made import https_made
from mmconnect.admin.render import page
from mmconnect.admin.settings import GENERAL, NETWORK, PRIVACY, TABS, Group
from mmconnect.desk import settings
from mmconnect.desk.desk import Actor, Desk
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.store import settings as kept


def read(db: sqlite3.Connection, group: Group) -> Form:
    """A group's form as it stands: each as it was written."""
    texts = {one.name: kept.value(db, one.name) for one in group.fields}
    return forms.filled(
        **{
            one.name: settings.value(db, one.name) is True if one.is_switch else texts[one.name]
            for one in group.fields
        }
    )


def write(
    db: sqlite3.Connection, made: Desk, group: Group, form: Form, actor: Actor, now: int
) -> str | None:
    """Set what differs, all or nothing; the secret of an alert URL that was just made.

    Raises Invalid with everything that is wrong.
    """
    issues: list[Issue] = []
    texts: dict[str, str | None] = {}
    for one in group.fields:
        text = ("on" if form.on(one.name) else "") if one.is_switch else form.get(one.name)
        if text == (kept.value(db, one.name) or ""):
            continue
        texts[one.name] = text or None
        try:
            if text:
                settings.KNOWN[one.name].parse(text)
        except (ValueError, OverflowError) as error:
            issues.append(Issue(path=one.name, message=_sentence(str(error))))
    if issues:
        raise Invalid(*issues)
    return settings.change(db, texts, ids=made.ids, now=now, by=actor)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


def shows(group: Group) -> Page:
    """The page with a group's form."""

    async def show(request: web.Request) -> web.StreamResponse:
        form = await desk(request).database.read(lambda db: read(db, group))
        return _page(request, group, form=form)

    return show


def sets(group: Group) -> Page:
    """What happens when it is sent."""

    async def put(request: web.Request) -> web.StreamResponse:
        form, made = await forms.read(request), desk(request)
        who, now = entrance.actor(request), made.clock.now()
        try:
            secret = await made.change(lambda db: write(db, made, group, form, who, now))
        except Invalid as error:
            return _page(request, group, status=400, form=form, wrong=forms.wrong(error))
        if secret is not None:
            return page(request, "settings/secret.html", area="settings", secret=secret)
        return say(request, see(request, group.path), "Saved: it takes effect at once.")

    return put


def _page(
    request: web.Request, group: Group, *, status: int = 200, **values: object
) -> web.Response:
    made = desk(request)
    return page(
        request,
        f"settings/{group.tab}.html",
        area="settings",
        status=status,
        tabs=TABS,
        group=group,
        tls=made.machine.tls(),
        listeners=made.listeners(),
        bases=made.where(),
        **values,
    )


async def _create_authority(request: web.Request) -> web.StreamResponse:
    made, who = desk(request), entrance.actor(request)
    await made.machine.create_authority()
    now = made.clock.now()
    await made.change(lambda db: who.note(db, now, "tls.authority_created", None, ""))
    return await https_made(request, "/settings/network", area="settings")


ROUTES = (
    *(
        route
        for group in (GENERAL, PRIVACY, NETWORK)
        for route in (web.get(group.path, shows(group)), web.post(group.path, sets(group)))
    ),
    web.post("/settings/tls", _create_authority),
)
