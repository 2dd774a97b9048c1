"""The endpoints' pages: all of them, one, adding one, what it wants, how it is sent and signed."""

from __future__ import annotations

from mmconnect.admin.pages.endpoints import (
    adding,
    check,
    listing,
    one,
    routing,
    settings,
    signing,
    state,
)

ROUTES = (
    *listing.ROUTES,
    *adding.ROUTES,
    *one.ROUTES,
    *state.ROUTES,
    *routing.ROUTES,
    *settings.ROUTES,
    *signing.ROUTES,
    *check.ROUTES,
)
