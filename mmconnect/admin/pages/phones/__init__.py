"""The phones' pages: all of them, one, adding one, its settings, what is fetched from it."""

from __future__ import annotations

from mmconnect.admin.pages.phones import (
    adding,
    certificate,
    fetching,
    listing,
    mapping,
    one,
    pairing,
    settings,
    token,
    unread,
)

ROUTES = (
    *listing.ROUTES,
    *adding.ROUTES,  # `/phones/new` before `/phones/{id}`
    *one.ROUTES,
    *pairing.ROUTES,
    *certificate.ROUTES,
    *settings.ROUTES,
    *mapping.ROUTES,
    *fetching.ROUTES,
    *token.ROUTES,
    *unread.ROUTES,
)
