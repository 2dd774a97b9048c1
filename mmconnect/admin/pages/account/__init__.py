"""Pages about who may come in: first visit, logging in, password, browsers, API keys."""

from __future__ import annotations

from mmconnect.admin.pages.account import api_keys, entering, first_visit, password, sessions

ROUTES = (
    *first_visit.ROUTES,
    *entering.ROUTES,
    *password.ROUTES,
    *sessions.ROUTES,
    *api_keys.ROUTES,
)
