"""Logging in and out, and entering the password once more for what is secret.

Where to go on is a path of ours, never another site, whatever stands in the request.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.cookies import give, take
from mmconnect.admin.entrance import STANDING, own_path, session, visitor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.render import page
from mmconnect.desk.tries import SlowDown
from mmconnect.domain.errors import Invalid
from mmconnect.web.asked import client_of


def on(request: web.Request, text: str) -> web.Response:
    """Go on to a page of ours that is named in a request."""
    return see(request, own_path(text))


def slow_down(
    request: web.Request, slow: SlowDown, path: str, template: str, form: Form, **more: Any
) -> web.Response:
    """The page again, with how long to wait beside the field `path`."""
    answer = page(request, template, status=429, form=form, wrong={path: str(slow)}, **more)
    answer.headers["Retry-After"] = str(round(slow.wait))
    return answer


async def _ask(request: web.Request) -> web.StreamResponse:
    standing = request[STANDING]
    if not standing.is_set_up:
        return see(request, "/setup")
    further = request.query.get("next", "")
    if standing.session is not None:
        return on(request, further)
    return page(request, "account/login.html", form=forms.filled(next=own_path(further)))


async def _log_in(request: web.Request) -> web.StreamResponse:
    form = await forms.read(request)
    try:
        opened = await desk(request).entry.log_in(form.exactly("password"), visitor(request))
    except SlowDown as slow:
        return slow_down(request, slow, "password", "account/login.html", form)
    except Invalid as error:
        wrong = forms.wrong(error)
        return page(request, "account/login.html", status=400, form=form, wrong=wrong)
    before = request[STANDING].session
    if before is not None:  # the browser was in already: its old cookie is not to stay good
        await desk(request).entry.end(before.id, client_of(request).address)
    answer = on(request, form.get("next"))
    give(request, answer, opened.cookie)
    return answer


async def _log_out(request: web.Request) -> web.StreamResponse:
    await desk(request).entry.end(session(request).id, client_of(request).address)
    answer = say(request, see(request, "/login"), "You are logged out.")
    take(request, answer)
    return answer


async def _ask_once_more(request: web.Request) -> web.StreamResponse:
    further = own_path(request.query.get("next", ""))
    return page(request, "account/confirm.html", form=forms.filled(next=further))


async def _confirm(request: web.Request) -> web.StreamResponse:
    form = await forms.read(request)
    try:
        await desk(request).entry.confirm(
            session(request), form.exactly("password"), visitor(request)
        )
    except SlowDown as slow:
        return slow_down(request, slow, "password", "account/confirm.html", form)
    except Invalid as error:
        wrong = forms.wrong(error)
        return page(request, "account/confirm.html", status=400, form=form, wrong=wrong)
    return on(request, form.get("next"))


ROUTES = (
    web.get("/login", _ask),
    web.post("/login", _log_in),
    web.post("/logout", _log_out),
    web.get("/confirm", _ask_once_more),
    web.post("/confirm", _confirm),
)
