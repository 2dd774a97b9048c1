"""Every page and what it is called: the map of the site."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import probes
from mmconnect.admin.pages import (
    account,
    backup,
    changes,
    configuration,
    deliveries,
    endpoints,
    help,
    kept_backups,
    messages,
    overview,
    patterns,
    phones,
    settings,
)
from mmconnect.admin.secure import certificate

ROUTES: tuple[web.RouteDef, ...] = (
    *probes.ROUTES,
    web.get("/ca.crt", certificate),
    *overview.ROUTES,
    *messages.ROUTES,
    *account.ROUTES,
    *settings.ROUTES,
    *backup.ROUTES,
    *kept_backups.ROUTES,
    *configuration.ROUTES,
    *changes.ROUTES,
    *deliveries.ROUTES,
    *phones.ROUTES,
    *help.ROUTES,
    *patterns.ROUTES,
    *endpoints.ROUTES,
)
