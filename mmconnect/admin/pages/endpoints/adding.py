"""A new endpoint: its URL is looked at while it is typed, and its secret is shown once."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.context import desk, see
from mmconnect.admin.forms import Form, filled, read, wrong
from mmconnect.admin.just_made import JUST_MADE
from mmconnect.admin.pages.endpoints.settings import may_be
from mmconnect.admin.pages.endpoints.views import at
from mmconnect.admin.render import page
from mmconnect.desk import endpoint_places, endpoints
from mmconnect.desk.endpoint_changes import UNSET, EndpointChange
from mmconnect.desk.endpoint_places import Place
from mmconnect.domain.errors import Invalid
from mmconnect.domain.models import Numbers

CHECKED = 2000
"""Characters of a URL that are looked at while it is typed."""


def _page(
    request: web.Request, form: Form, place: Place | None = None, told: Invalid | None = None
) -> web.Response:
    return page(
        request,
        "endpoints/new.html",
        area="endpoints",
        status=200 if told is None else 400,
        form=form,
        place=place,
        wrong={} if told is None else wrong(told),
    )


async def _new(request: web.Request) -> web.Response:
    """A link may bring the URL and the name, as those of the recipes do."""
    asked = {name: request.query.get(name, "")[:CHECKED] for name in ("url", "name")}
    return _page(request, filled(**asked))


async def _look(request: web.Request) -> web.Response:
    """A part of the page, for the script: what is known of the URL that is being typed."""
    asked = request.query.get("url", "").strip()[:CHECKED]
    place = await endpoint_places.look(asked, desk(request).rule()) if asked else None
    return page(request, "endpoints/place.html", form=filled(**request.query), place=place)


async def _add(request: web.Request) -> web.StreamResponse:
    form, at_work = await read(request), desk(request)
    place = await endpoint_places.look(form.get("url"), at_work.rule())
    change = EndpointChange(
        url=form.get("url") or UNSET,
        name=form.get("name") or UNSET,
        plain_http=form.on("plainHttp"),
        numbers=Numbers.DIGITS if form.on("digits") else UNSET,
    )
    try:
        if form.get("url"):
            may_be(place, form)
        made = await at_work.change(
            lambda db: endpoints.add(
                db,
                change,
                secret=form.get("secret") or None,
                ids=at_work.ids,
                now=at_work.clock.now(),
                by=entrance.actor(request),
            )
        )
    except Invalid as error:
        return _page(request, form, place if form.get("url") else None, error)
    request.app[JUST_MADE].keep(request, made.id, made.secrets[0].value)
    return see(request, at(made.id, "secret"))


ROUTES = (
    web.get("/endpoints/new", _new),
    web.post("/endpoints/new", _add),
    web.get("/endpoints/look", _look),
)
