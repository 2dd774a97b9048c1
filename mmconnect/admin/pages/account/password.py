"""A new password: the present one first, then a new one twice. Every other browser is sent out."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import forms
from mmconnect.admin.context import desk, see
from mmconnect.admin.cookies import give
from mmconnect.admin.entrance import visitor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form
from mmconnect.admin.pages.account.entering import slow_down
from mmconnect.admin.render import page
from mmconnect.admin.settings import TABS
from mmconnect.desk import passwords
from mmconnect.desk.tries import SlowDown
from mmconnect.domain.errors import Invalid, Issue

_TEMPLATE = "account/password.html"


def new_password(form: Form) -> list[Issue]:
    """What is wrong with a password that was typed twice, as `password` and `again`."""
    try:
        chosen = passwords.check_new(form.exactly("password"))
    except Invalid as error:
        return list(error.issues)
    if form.exactly("again") != chosen:
        return [Issue(path="again", message="This is not the same as above")]
    return []


async def _ask(request: web.Request) -> web.StreamResponse:
    return page(request, _TEMPLATE, area="settings", tabs=TABS)


async def _change(request: web.Request) -> web.StreamResponse:
    form = await forms.read(request)
    try:
        if issues := new_password(form):
            raise Invalid(*issues)
        opened = await desk(request).entry.change_password(
            form.exactly("current"), form.exactly("password"), visitor(request)
        )
    except SlowDown as slow:
        return slow_down(request, slow, "current", _TEMPLATE, form, area="settings", tabs=TABS)
    except Invalid as error:
        wrong = forms.wrong(error)
        return page(
            request, _TEMPLATE, area="settings", tabs=TABS, status=400, form=form, wrong=wrong
        )
    answer = say(
        request,
        see(request, "/settings/sessions"),
        "The password was changed. Every other browser has to log in again.",
    )
    give(request, answer, opened.cookie)
    return answer


ROUTES = (web.get("/settings/password", _ask), web.post("/settings/password", _change))
