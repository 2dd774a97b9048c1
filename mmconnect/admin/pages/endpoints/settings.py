"""What can be set of an endpoint, on one page; what is wrong is told beside each field at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form, filled, read, wrong
from mmconnect.admin.pages.endpoints.views import ID, View, at, changed, looked_at_own, show
from mmconnect.desk import endpoint_places
from mmconnect.desk import endpoint_values as values
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.desk.endpoint_places import Place
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Endpoint, Numbers
from mmconnect.webhook import payload, trust

EMPTY_ROWS = 2
"""Headers that can be added at once."""

EVENTS = (
    (payload.RECEIVED, "A text has come"),
    ("device.silent", "A phone has not been heard"),
    ("device.recovered", "A silent phone is back"),
    ("device.rejected", "A phone's push was refused"),
    ("device.unrecognised", "A push was not understood"),
    ("endpoint.held", "Another endpoint is held"),
    ("endpoint.recovered", "Another endpoint works again"),
    ("delivery.failed", "A text could not be delivered to another endpoint"),
    ("system.warning", "Disk, clock or certificate want attention"),
)
LATER = frozenset(payload.EVENTS) - {name for name, _ in EVENTS}
"""Events that a later version sends: kept where they are ticked, and not offered."""


def _form(endpoint: Endpoint) -> Form:
    return filled(
        url=endpoint.url,
        name=endpoint.name,
        plainHttp=endpoint.plain_http,
        numbers=endpoint.numbers.value,
        events=sorted(endpoint.events),
        maxAge=values.words(endpoint.max_age),
        schedule="" if endpoint.schedule is None else values.schedule_words(endpoint.schedule),
        concurrency=endpoint.concurrency,
        strictOrder=endpoint.strict_order,
        plainHeaders=endpoint.plain_headers,
    )


def _read(form: Form, endpoint: Endpoint) -> EndpointChange:
    """What the form says. Raises Invalid with all that cannot be read."""
    issues: list[Issue] = []

    def reading(path: str, reader: Callable[[str], Any], name: str = "") -> dict[str, Any]:
        try:
            return {name or path: reader(form.get(path))}
        except ValueError as error:
            issues.append(Issue(path=path, message=str(error)))
            return {}

    kept = LATER & endpoint.events
    given = {
        "url": form.get("url"),
        "name": form.get("name"),
        "plain_http": form.on("plainHttp"),
        "events": frozenset(form.all("events")) | kept,
        "strict_order": form.on("strictOrder"),
        "plain_headers": form.on("plainHeaders"),
        **reading("numbers", Numbers),
        **reading("maxAge", values.max_age, "max_age"),
        **reading("schedule", lambda text: values.schedule_of(text or "default")),
        **reading("concurrency", _number),
        **reading("headers", lambda _: _headers(form, endpoint)),
        **reading("ca", lambda text: _ca(form, endpoint, text)),
    }
    if issues:
        raise Invalid(*issues)
    return EndpointChange(**given)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError(f"Write a number from 1 to {values.MOST_CONCURRENT}")
    return values.concurrency(int(text))


def _headers(form: Form, endpoint: Endpoint) -> values.Headers:
    """Those that stay, and those that are added or given another value."""
    gone = {name.lower() for name in form.all("header_gone")}
    stay = tuple((n, v) for n, v in endpoint.headers if n.lower() not in gone)
    new = zip(form.all("header_name"), form.all("header_value"), strict=False)
    lines = []
    for name, value in new:
        if name and not value:
            raise ValueError(f"{name!r} has no value")
        if value and not name:
            raise ValueError("A value has no name: write the header's name beside it")
        if ":" in name:
            raise ValueError(f"{name!r} is not a header's name: leave the colon out")
        if name:
            lines.append(f"{name}: {value}")
    return values.header_lines(stay, lines)


def _ca(form: Form, endpoint: Endpoint, text: str) -> str | None:
    if text:
        return values.certificates(text)
    return None if form.on("ca_gone") else endpoint.ca


def _show(
    request: web.Request,
    seen: View,
    form: Form,
    place: Place | None = None,
    told: Invalid | None = None,
) -> web.Response:
    endpoint = seen.endpoint
    return show(
        request,
        "settings.html",
        seen,
        "settings",
        status=200 if told is None else 400,
        form=form,
        wrong={} if told is None else wrong(told),
        place=place,
        events=EVENTS,
        authority=None if endpoint.ca is None else trust.authority(endpoint.ca),
        default_schedule=values.schedule_words(None),
        empty_rows=range(EMPTY_ROWS),
        most=values.MOST_CONCURRENT,
    )


async def _page(request: web.Request) -> web.Response:
    seen = await looked_at_own(request)
    endpoint = seen.endpoint
    place = None
    if endpoint.url.startswith("http://"):  # only then there may be something to agree to
        place = await endpoint_places.look(endpoint.url, desk(request).rule())
    return _show(request, seen, _form(endpoint), place)


async def _save(request: web.Request) -> web.StreamResponse:
    form, seen = await read(request), await looked_at_own(request)
    place = await endpoint_places.look(form.get("url"), desk(request).rule())
    try:
        change = _read(form, seen.endpoint)
        if form.get("url") != seen.endpoint.url:
            may_be(place, form)
        before, made = await changed(request, change)
    except Invalid as error:
        return _show(request, seen, form, place, error)
    sentence = "Nothing was changed." if made == before else "Saved: it counts from now on."
    return say(request, see(request, at(made.id, "settings")), sentence)


def may_be(place: Place, form: Form) -> None:
    """Refuse where nothing could ever be sent, and plain http without consent. Raises Invalid."""
    if not place.usable:
        bad = next(finding for finding in place.findings if finding.kind == "bad")
        raise Invalid(Issue(path="url", message=bad.sentence))
    if place.consent and not form.on("plainHttp"):
        raise Invalid(Issue(path="plainHttp", message="Tick this to go on, or use https"))


ROUTES = (
    web.get(f"/endpoints/{ID}/settings", _page),
    web.post(f"/endpoints/{ID}/settings", _save),
)
