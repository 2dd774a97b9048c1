"""The first visit: a code that shows who owns the machine, then a password, and two settings.

A GET uses nothing up, and says nothing of the code. What is wrong with the rest is told before the
code is tried, so that a typo elsewhere costs no try.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.cookies import give
from mmconnect.admin.entrance import STANDING, actor, visitor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.account.entering import slow_down
from mmconnect.admin.pages.account.password import new_password
from mmconnect.admin.render import page
from mmconnect.desk import settings
from mmconnect.desk.tries import SlowDown
from mmconnect.domain import countries
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.store import settings as kept


async def _ask(request: web.Request) -> web.StreamResponse:
    if request[STANDING].is_set_up:
        return see(request, "/")
    site = desk(request).look().tenant.name
    begun = forms.filled(site_name=site, country=countries.guess() or "")
    return _page(request, begun)


async def _set_up(request: web.Request) -> web.StreamResponse:
    if request[STANDING].is_set_up:
        answer = see(request, "/login")
        return say(request, answer, "mmconnect has been set up already: log in.", kind="warn")
    form = await forms.read(request)
    try:
        issues = [*new_password(form), *_settings_issues(form)]
        if issues:
            raise Invalid(*issues)
        opened = await desk(request).entry.set_up(
            form.get("code"), form.exactly("password"), visitor(request)
        )
    except SlowDown as slow:
        return slow_down(request, slow, "code", "account/setup.html", form, **_more())
    except Invalid as error:
        return _page(request, form, error)
    await _keep_settings(request, form)
    answer = say(request, see(request, "/"), "Welcome. mmconnect is yours now.")
    give(request, answer, opened.cookie)
    return answer


def _page(request: web.Request, form: Form, error: Invalid | None = None) -> web.Response:
    wrong = {} if error is None else forms.wrong(error)
    return page(
        request,
        "account/setup.html",
        status=200 if error is None else 400,
        form=form,
        wrong=wrong,
        **_more(),
    )


def _more() -> dict[str, Any]:
    return {"countries": [("", "I will choose later"), *countries.NAMES.items()]}


def _settings_issues(form: Form) -> list[Issue]:
    issues = []
    for name in (kept.SITE_NAME, kept.COUNTRY):
        if form.get(name):
            try:
                settings.KNOWN[name].parse(form.get(name))
            except ValueError as error:
                sentence = str(error)
                issues.append(Issue(path=name, message=sentence[:1].upper() + sentence[1:]))
    return issues


async def _keep_settings(request: web.Request, form: Form) -> None:
    now, ids, who = desk(request).clock.now(), desk(request).ids, actor(request)
    given = {name: form.get(name) for name in (kept.SITE_NAME, kept.COUNTRY) if form.get(name)}

    def write(db: sqlite3.Connection) -> None:
        for name, text in given.items():
            settings.put(db, name, text, ids=ids, now=now, by=who)

    await desk(request).change(write)


ROUTES = (web.get("/setup", _ask), web.post("/setup", _set_up))
