"""What the pages about endpoints show of one: its facts, its health in words, its ways."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.context import desk, url
from mmconnect.admin.render import page
from mmconnect.desk import endpoint_routing, shown, trends
from mmconnect.desk import endpoints as endpoints_desk
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.desk.endpoint_health import Health, health
from mmconnect.desk.figures import Unwritten
from mmconnect.desk.trends import EndpointTrend
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import Endpoint
from mmconnect.store import backlog, devices, endpoint_uses, endpoints
from mmconnect.store import health as stored
from mmconnect.store.backlog import Backlog

ID = "{id:ep_[0-9A-Za-z]+}"
"""An endpoint's id in a route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An endpoint as the pages show it."""

    endpoint: Endpoint
    health: Health
    backlog: Backlog
    wants: str
    """Which texts, in words."""
    lately: EndpointTrend
    """The attempts of the last 24 hours."""

    @property
    def url(self) -> str:
        """Where its texts go, without what may be secret in an alert URL."""
        return shown.url(self.endpoint)

    @property
    def waiting(self) -> str:
        """How many texts wait, as far as they are counted."""
        count = self.backlog.waiting
        return f"{count:,}{' or more' if count >= backlog.MOST else ''}"


def views(db: sqlite3.Connection, new: Unwritten, only: str | None = None) -> list[View]:
    """All endpoints, or one, in a read of the figures."""
    known = [e for e in endpoints.known(db) if only in (None, e.id)]
    ids = [endpoint.id for endpoint in known]
    learnt, waits, tried = stored.load(db), backlog.backlog(db, ids), endpoint_uses.tried(db, ids)
    names = {device.id: device.name for device in devices.known(db)}
    return [
        View(
            endpoint=endpoint,
            health=health(
                endpoint,
                learnt.get(endpoint.id),
                tried=endpoint.id in tried,
                success=lately.success,
            ),
            backlog=waits[endpoint.id],
            wants=endpoint_routing.sentence(endpoint.routing, names),
            lately=lately,
        )
        for endpoint in known
        for lately in (trends.endpoint(db, new, endpoint.id, bars=False),)
    ]


def view(db: sqlite3.Connection, new: Unwritten, endpoint_id: str) -> View:
    """One endpoint. Raises NotFound."""
    found = views(db, new, endpoint_id)
    if not found:
        raise NotFound(f"There is no endpoint {endpoint_id}. It may have been removed.")
    return found[0]


def asked(request: web.Request) -> str:
    """The id in the path."""
    return request.match_info["id"]


def at(endpoint_id: str, part: str = "") -> str:
    """The path of a page about an endpoint."""
    return f"/endpoints/{endpoint_id}{f'/{part}' if part else ''}"


async def looked(request: web.Request) -> View:
    """The endpoint in the path. Raises NotFound."""
    return await desk(request).figures.read(lambda db, new: view(db, new, asked(request)))


async def looked_at_own(request: web.Request) -> View:
    """The same, where the alert URL has no such page: what it gets is set elsewhere."""
    seen = await looked(request)
    if seen.endpoint.alert:
        raise web.HTTPNotFound
    return seen


async def changed(request: web.Request, change: EndpointChange) -> tuple[Endpoint, Endpoint]:
    """Change the endpoint in the path: as it was, and as it is. Raises Invalid and NotFound."""
    at_work = desk(request)
    return await at_work.change(
        lambda db: endpoints_desk.update(
            db,
            asked(request),
            change,
            ids=at_work.ids,
            now=at_work.clock.now(),
            by=entrance.actor(request),
        )
    )


def tabs(request: web.Request, endpoint: Endpoint) -> Sequence[tuple[str, str, str]]:
    """The pages about one endpoint. The alert URL's routing and settings are not its own."""
    parts = [("", "Overview"), ("routing", "Routing"), ("settings", "Settings")]
    parts += [("signing", "Signing"), ("check", "Check-up")]
    own = [p for p in parts if not (endpoint.alert and p[0] in ("routing", "settings"))]
    return [(part, words, url(request, at(endpoint.id, part))) for part, words in own]


def show(
    request: web.Request, template: str, seen: View, tab: str, *, status: int = 200, **values: Any
) -> web.Response:
    """A page about an endpoint, in the frame that all of them have."""
    return page(
        request,
        f"endpoints/{template}",
        area="endpoints",
        status=status,
        view=seen,
        endpoint=seen.endpoint,
        here_at=at(seen.endpoint.id),
        tabs=tabs(request, seen.endpoint),
        tab=tab,
        **values,
    )
