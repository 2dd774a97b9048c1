"""The signing secret: shown when it is made, changed with an overlap, and how to verify with it."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.confirm import confirmed
from mmconnect.admin.context import desk, see, url
from mmconnect.admin.flash import say
from mmconnect.admin.forms import Form, filled, read, wrong
from mmconnect.admin.just_made import JUST_MADE
from mmconnect.admin.pages.endpoints.check import REPORTS
from mmconnect.admin.pages.endpoints.views import ID, View, asked, at, looked, show
from mmconnect.desk import endpoints, snippets
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.domain.models import Secret
from mmconnect.store import endpoint_uses
from mmconnect.webhook import signing


def previous(seen: View, now: int) -> list[Secret]:
    """Secrets before the current one that still sign."""
    return [s for s in signing.valid(seen.endpoint.secrets, now) if s.expires_at is not None]


def _snippet(request: web.Request, seen: View, part: str) -> dict[str, Any]:
    """How to verify, in the language that was chosen."""
    chosen = snippets.language(request.query.get("language"))
    ended = request.query.get("ended")
    path = at(seen.endpoint.id, part)
    return {
        "languages": [
            (one.key, one.label, f"{url(request, path, ended=ended, language=one.key)}#verify")
            for one in snippets.LANGUAGES
        ],
        "language": chosen,
        "files": [(name, snippets.code(name)) for name in chosen.files],
        "run": chosen.run.format(port=urlsplit(seen.endpoint.url).port or 8490),
    }


async def _signing(
    request: web.Request, seen: View, form: Form, told: Invalid | None = None
) -> web.Response:
    now = desk(request).clock.now()
    older = previous(seen, now)
    current = seen.endpoint.secrets[0]

    def read_remark(db: sqlite3.Connection) -> tuple[str, int] | None:
        return endpoint_uses.remark(db, seen.endpoint.id, current.created_at) if older else None

    report = request.app[REPORTS].get(seen.endpoint.id)
    fresh = report is not None and report.at >= current.created_at
    return show(
        request,
        "signing.html",
        seen,
        "signing",
        status=200 if told is None else 400,
        form=form,
        wrong={} if told is None else wrong(told),
        current=current,
        older=older,
        standard=signing.standard_key(current.value) is not None,
        remark=await desk(request).database.read(read_remark),
        known=[
            one
            for one in (report.findings if report is not None and fresh else ())
            if one.name in ("current", "previous")
        ],
        **_snippet(request, seen, "signing"),
    )


async def _page(request: web.Request) -> web.Response:
    return await _signing(request, await looked(request), filled(overlap="24h"))


async def _secret(request: web.Request) -> web.StreamResponse:
    """The secret that was just made, with what the receiver needs."""
    seen = await looked(request)
    made = request.app[JUST_MADE].shown(request, seen.endpoint.id)
    if made is None:
        return see(request, at(seen.endpoint.id, "signing"))
    return show(
        request,
        "secret.html",
        seen,
        "signing",
        secret=made,
        standard=signing.standard_key(made) is not None,
        older=previous(seen, desk(request).clock.now()),
        ended=request.query.get("ended") == "1",
        **_snippet(request, seen, "secret"),
    )


async def _reveal(request: web.Request) -> web.StreamResponse:
    """Show the secret once more, to somebody who has just entered the password."""
    at_work, seen = desk(request), await looked(request)
    await confirmed(request, at(seen.endpoint.id, "signing"))
    secret = await at_work.change(
        lambda db: endpoints.reveal(
            db, seen.endpoint.id, now=at_work.clock.now(), by=entrance.actor(request)
        )
    )
    request.app[JUST_MADE].keep(request, seen.endpoint.id, secret)
    return see(request, at(seen.endpoint.id, "secret"))


async def _hide(request: web.Request) -> web.StreamResponse:
    request.app[JUST_MADE].forget(request, asked(request))
    return see(request, at(asked(request)))


async def _rotate(request: web.Request) -> web.StreamResponse:
    form, at_work, seen = await read(request), desk(request), await looked(request)
    try:
        overlap = _overlap(form.get("overlap"))
        done = await at_work.change(
            lambda db: endpoints.rotate(
                db,
                seen.endpoint.id,
                secret=form.get("secret") or None,
                overlap=overlap,
                now=at_work.clock.now(),
                by=entrance.actor(request),
            )
        )
    except Invalid as error:
        return await _signing(request, seen, form, error)
    except Refused as error:
        issue = Issue(path="secret", message=str(error))
        return await _signing(request, seen, form, Invalid(issue))
    request.app[JUST_MADE].keep(request, seen.endpoint.id, done.secret)
    return see(request, at(seen.endpoint.id, "secret"), ended=None if overlap else "1")


def _overlap(text: str) -> int:
    """Seconds. Raises Invalid."""
    try:
        return min(parse_duration(text), 10**9)
    except OverflowError:
        return 10**9
    except ValueError as error:
        message = "Write how long: 24h, 3d, or 0 to end the previous secret at once"
        raise Invalid(Issue(path="overlap", message=message)) from error


async def _end(request: web.Request) -> web.StreamResponse:
    at_work, endpoint_id = desk(request), asked(request)
    ended = await at_work.change(
        lambda db: endpoints.end_overlap(
            db, endpoint_id, now=at_work.clock.now(), by=entrance.actor(request)
        )
    )
    sentence = "From now on only the current secret signs."
    answer = see(request, at(endpoint_id, "signing"))
    return say(request, answer, sentence if ended else "Only the current secret signs already.")


ROUTES = (
    web.get(f"/endpoints/{ID}/signing", _page),
    web.get(f"/endpoints/{ID}/secret", _secret),
    web.post(f"/endpoints/{ID}/secret", _hide),
    web.post(f"/endpoints/{ID}/reveal", _reveal),
    web.post(f"/endpoints/{ID}/rotate", _rotate),
    web.post(f"/endpoints/{ID}/end-overlap", _end),
)
