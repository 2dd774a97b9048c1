"""Which texts an endpoint wants: rows to fill in, and what they would have matched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form, filled, read, wrong
from mmconnect.admin.pages.endpoints.views import ID, View, at, changed, looked_at_own, show
from mmconnect.desk import endpoint_routing, endpoints
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.desk.endpoint_routing import Preview
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Condition, Match, Routing
from mmconnect.store import settings
from mmconnect.webhook.routing import MOST_CONDITIONS

SENDER = (
    ("exact", "is"),
    ("prefix", "begins with"),
    ("pattern", "matches the pattern"),
)
TEXT = (
    ("contains", "contains"),
    ("exact", "is"),
    ("pattern", "matches the pattern"),
)
EMPTY_ROWS = 2
"""Rows to fill in besides those that are there."""

Row = tuple[str, str]
"""How it compares, and with what."""


def _form(routing: Routing) -> Form:
    """The form as it stands for a routing."""
    return filled(
        devices=sorted(routing.devices),
        sims=", ".join(str(sim) for sim in sorted(routing.sims)),
        **{
            f"{kind}_{part}": [getattr(c, part) for c in conditions]
            for kind, conditions in (("sender", routing.senders), ("text", routing.texts))
            for part in ("match", "value")
        },
    )


def _rows(form: Form, kind: str) -> list[Row]:
    pairs = zip_longest(form.all(f"{kind}_match"), form.all(f"{kind}_value"), fillvalue="")
    return [(match, value) for match, value in pairs if value]


def _conditions(
    rows: Sequence[Row], present: Sequence[Condition], make: Callable[[Match, str], Condition]
) -> tuple[Condition, ...]:
    """What the rows say; one that was not touched stays as it is, line ends and all."""
    known = {(c.match.value, " ".join(c.value.split())): c for c in present}
    made = [
        known.get((match, " ".join(value.split()))) or make(_match(match), value)
        for match, value in rows
    ]
    return tuple(dict.fromkeys(made))


def _match(text: str) -> Match:
    try:
        return Match(text)
    except ValueError as error:
        raise Invalid(Issue(path="routing", message="Choose how a row compares")) from error


def _routing(form: Form, present: Routing, country: str | None) -> Routing:
    """What the form says. Raises Invalid."""

    def sender(match: Match, value: str) -> Condition:
        if match is Match.PATTERN:
            return Condition(match=match, value=value)
        return endpoint_routing.sender(f"{match.value}:{value}", country)

    issues, sims = [], set()
    for word in form.get("sims").replace(",", " ").split():
        try:
            sims.add(endpoint_routing.sim(word))
        except ValueError as error:
            issues.append(Issue(path="sims", message=f"{error}. Write 1, 2"))
    if issues:
        raise Invalid(*issues)
    return Routing(
        id=present.id,
        devices=frozenset(form.all("devices")),
        sims=frozenset(sims),
        senders=_conditions(_rows(form, "sender"), present.senders, sender),
        texts=_conditions(
            _rows(form, "text"), present.texts, lambda m, v: Condition(match=m, value=v)
        ),
    )


async def _show(
    request: web.Request,
    seen: View,
    form: Form,
    told: Invalid | None = None,
    preview: Preview | None = None,
) -> web.Response:
    look = desk(request).look()
    phones = look.phones
    phones += [d for d in look.devices.values() if d.removed_at and d.id in form.all("devices")]
    rows = {
        kind: [
            *_rows(form, kind),
            *[(default, "")] * min(EMPTY_ROWS, MOST_CONDITIONS - len(_rows(form, kind))),
        ]
        for kind, default in (("sender", "exact"), ("text", "contains"))
    }
    return show(
        request,
        "routing.html",
        seen,
        "routing",
        status=200 if told is None else 400,
        form=form,
        wrong={} if told is None else wrong(told),
        phones=phones,
        rows=rows,
        kinds={"sender": SENDER, "text": TEXT},
        preview=preview,
    )


async def _page(request: web.Request) -> web.Response:
    seen = await looked_at_own(request)
    preview = await desk(request).database.read(
        lambda db: endpoint_routing.preview(db, seen.endpoint.routing)
    )
    return await _show(request, seen, _form(seen.endpoint.routing), preview=preview)


async def _save(request: web.Request) -> web.StreamResponse:
    form, at_work, seen = await read(request), desk(request), await looked_at_own(request)
    try:
        country = await at_work.database.read(lambda db: settings.value(db, settings.COUNTRY))
        change = EndpointChange(routing=_routing(form, seen.endpoint.routing, country))
        if form.on("preview"):
            made = await at_work.database.read(
                lambda db: endpoints.tried(db, seen.endpoint, change, at_work.ids)
            )
        else:
            _, made = await changed(request, change)
    except Invalid as error:
        return await _show(request, seen, form, error)
    preview = await at_work.database.read(lambda db: endpoint_routing.preview(db, made.routing))
    if form.on("preview"):
        return await _show(request, seen, form, preview=preview)
    return say(
        request,
        see(request, at(made.id, "routing")),
        f"Saved: it counts from the next text on. {preview.words()}",
    )


ROUTES = (
    web.get(f"/endpoints/{ID}/routing", _page),
    web.post(f"/endpoints/{ID}/routing", _save),
)
